"""What adding and removing a server under load costs: a job of 3 servers gets a fourth, gives it back, several times.

  python3 tests/bench_run/bench_moves.py [--rounds 5] [--embedding 192] [--layers 4]

Prints the time of a step, and the longest time between two commits while segments moved, beside the longest of as long
a time before; the machine should be quiet. Never fails because of time.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import ballast_run  # noqa: E402  (where the programs are, and how a run is watched)


def start(folder, options):
    (folder / "text.txt").write_text(ballast_run.some_text())
    (folder / "job.yaml").write_text(
        ballast_run.JOB.format(text=folder / "text.txt", checkpoints=folder / "checkpoints"))
    values = {"training.steps": 1_000_000, "training.evaluation.everySteps": 0, "model.embedding": options.embedding,
              "model.heads": 4, "model.layers": options.layers, "servers.replicas": 3, "servers.replication": 2,
              "servers.segmentElements": 65536}
    arguments = [part for key, value in values.items() for part in ("--set", f"spec.{key}={value}")]
    return ballast_run.Run(folder, arguments)


def scale(run, servers):
    subprocess.run([str(ballast_run.PROGRAMS / "ballast"), "scale", run.events[0]["runFolder"],
                    "--servers", str(servers)], check=True, stdout=subprocess.DEVNULL)


def progress(run):
    return run.wait_for("progress", lambda e: e["event"] == "progress")


def gaps_until(run, over):
    """Longest times between two commits, by report, until the condition holds after at least three reports."""
    gaps = []
    while len(gaps) < 3 or not over():
        gaps.append(progress(run)["longestGapMs"])
    return gaps


def measure(run, options):
    run.wait_for_step(50)
    before, began = progress(run), time.monotonic()
    calm, added, removed = [], [], []
    for _ in range(10):
        calm.append(progress(run)["longestGapMs"])
    step_ms = 1000 * (time.monotonic() - began) / (run.last("progress")["step"] - before["step"])
    for _ in range(options.rounds):
        scale(run, 4)
        run.wait_for_ready("ps-3")
        added += gaps_until(run, lambda: True)
        left = len([e for e in run.events if e["event"] == "left"])
        scale(run, 3)
        removed += gaps_until(run, lambda left=left: len([e for e in run.events if e["event"] == "left"]) > left)
    print(f"an undisturbed step takes {step_ms:.0f} ms")
    for name, gaps in (("undisturbed", calm), ("a server added", added), ("a server removed", removed)):
        print(f"{name:18} longest step {max(gaps)} ms, {max(gaps) / step_ms:.2f}x that", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--embedding", type=int, default=192)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as folder:
        run = start(Path(folder), options)
        try:
            measure(run, options)
        finally:
            run.process.terminate()
            run.end()
            run.close()


if __name__ == "__main__":
    main()
