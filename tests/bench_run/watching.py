"""What the benchmarks of whole runs share: a job to start, and its steps while it goes on."""

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import ballast_run  # noqa: E402  (where the programs are, and how a run is watched)

NO_END = 100_000_000  # steps; time ends these runs


def write_job(folder, text_bytes=60_000):
    (folder / "text.txt").write_text(ballast_run.some_text(text_bytes))
    (folder / "job.yaml").write_text(
        ballast_run.JOB.format(text=folder / "text.txt", checkpoints=folder / "checkpoints"))


def start(folder, more=(), **values):
    """A run without an end and without evaluations, as far as `values` do not tell otherwise."""
    values = {"training__steps": NO_END, "training__evaluation__everySteps": 0, **values}
    return ballast_run.Run(folder, [*ballast_run.settings(**values), "--sample-tokens", "0", *more])


def stop(run):
    """At once: Ctrl-C would write a checkpoint first, which nobody needs. Its processes end with it."""
    run.process.kill()
    with contextlib.suppress(AssertionError):
        run.end()
    for ready in run.processes.values():
        ballast_run.wait_until(f"{ready['process']} ends", lambda ready=ready: ballast_run.gone(ready["pid"]))
    run.close()


@contextlib.contextmanager
def running(folder, more=(), **values):
    run = start(folder, more, **values)
    try:
        yield run
    finally:
        stop(run)


def progress(run):
    return run.wait_for("progress", lambda e: e["event"] == "progress")


def reports_for(run, seconds):
    """Progress while nothing is done to the run; those in which steps were committed."""
    until, seen = time.monotonic() + seconds, []
    while time.monotonic() < until:
        event = progress(run)
        if event["medianStepMs"] > 0:
            seen.append(event)
    return seen


def median_step_ms(reports):
    """A report's median is in whole milliseconds; the mean of many is finer."""
    return statistics.fmean(report["medianStepMs"] for report in reports)


def log_lines(run, process):
    """What it has logged, in all its lives."""
    folder = next(event["runFolder"] for event in run.events if "runFolder" in event)
    for log in sorted((Path(folder) / "logs").glob(f"{process}.*")):
        yield from map(json.loads, log.read_text().splitlines())


def memory_plan(run, process):
    for event in log_lines(run, process):
        if event["message"] == "memory plan":
            return {key: value for key, value in event.items() if key.endswith("_bytes")}
    raise AssertionError(f"{process} has not logged its memory plan")
