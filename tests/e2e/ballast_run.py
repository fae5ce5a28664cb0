"""Starts `ballast run` as a user would and watches it: the common part of the end-to-end tests.

A Run's events are the JSON lines that `--json` promises. Waiting means waiting for an event, with a
generous limit; what was seen is in the message of the failure.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS", Path(__file__).parents[2] / "build/release/bin")).resolve()
LIMIT_S = 240

JOB = """\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {{name: e2e}}
spec:
  model: {{family: gpt, layers: 2, heads: 2, embedding: 32, context: 32}}
  data: {{train: ["{text}"], validationPercent: 10}}
  training:
    steps: 40
    batch: 16
    microbatches: 8
    seed: 7
    optimizer: {{name: adamw, learningRate: "1e-3", weightDecay: "0.1"}}
    gradientClip: "1.0"
    evaluation: {{everySteps: 20, batches: 4}}
  servers: {{replicas: 2, segmentElements: 4096}}
  workers: {{replicas: 2}}
  checkpoint: {{path: "{checkpoints}"}}
"""


def some_text(size=60_000):
    """English-like bytes that are the same on every machine."""
    words = "the quick brown fox jumps over a lazy dog while seven wizards make toxic brew".split()
    state, out, length = 1, [], 0
    while length < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        word = words[(state >> 33) % len(words)]
        out.append(word)
        length += len(word) + 1
    return " ".join(out)


def settings(**values):
    """--set arguments; servers__replicas=3 stands for spec.servers.replicas=3."""
    return [part for key, value in values.items() for part in ("--set", f"spec.{key.replace('__', '.')}={value}")]


class HeldBack(threading.Thread):
    """Stops a process half of the time, as a CPU limit does."""

    def __init__(self, pid, running_s, stopped_s):
        super().__init__(daemon=True)
        self.pid, self.running_s, self.stopped_s = pid, running_s, stopped_s
        self.done = threading.Event()

    def run(self):
        try:
            while not self.done.wait(self.running_s):
                os.kill(self.pid, signal.SIGSTOP)
                self.done.wait(self.stopped_s)
                os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def release(self):
        self.done.set()
        self.join()


class Run:
    """One `ballast run`, its events and its processes."""

    def __init__(self, folder, arguments=(), environment=None, job="job.yaml", prefix=()):
        self.events = []
        self.processes = {}  # name -> the latest ready event
        self._queue = queue.Queue()
        self._stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*prefix, str(PROGRAMS / "ballast"), "run", str(Path(folder) / job), "--json",
             "--cache-dir", str(Path(folder) / "cache"), *arguments],
            stdout=subprocess.PIPE, stderr=self._stderr, stdin=subprocess.DEVNULL, cwd=folder,
            env={**os.environ, **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def describe(self):
        """What was seen, for the message of a failure."""
        logs = ""
        if self.events and "runFolder" in self.events[0]:
            for log in sorted(Path(self.events[0]["runFolder"]).glob("logs/*")):
                logs += f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-12:]) + "\n"
        return f"saw {json.dumps(self.events[-12:], indent=1)}\n{logs}stderr: {self.stderr()}"

    def wait_for(self, what, condition):
        """The first event from now on that satisfies the condition."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {what} within {LIMIT_S} s; {self.describe()}") from None
            if event is None:
                self._queue.put(None)
                raise AssertionError(f"the run ended without {what}; {self.describe()}")
            self.events.append(event)
            if event["event"] == "ready":
                self.processes[event["process"]] = event
            if condition(event):
                return event

    def wait_for_step(self, step):
        return self.wait_for(f"step {step}", lambda e: e["event"] == "progress" and e.get("step", 0) >= step)

    def wait_for_steps(self, count):
        """As many more than there are."""
        seen = max((e.get("step", 0) for e in self.events if e["event"] == "progress"), default=0)
        return self.wait_for_step(seen + count)

    def wait_for_ready(self, process):
        return self.wait_for(f"{process} ready", lambda e: e["event"] == "ready" and e["process"] == process)

    def end(self):
        """The exit code, once it has ended; all events are read then."""
        with contextlib.suppress(AssertionError):
            self.wait_for("an end", lambda _: False)
        try:
            return self.process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end; {self.describe()}") from None

    def last(self, kind):
        return next((e for e in reversed(self.events) if e["event"] == kind), None)

    def ready(self, process):
        """Its latest ready event; a step needs only one worker, so others may still be on their way."""
        return self.processes.get(process) or self.wait_for_ready(process)

    def kill(self, process, how=signal.SIGKILL):
        os.kill(self.ready(process)["pid"], how)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._stderr.close()


class EndToEnd(unittest.TestCase):
    """A folder with a job and a text; everything in it goes with the test."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ballast-e2e-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        (self.folder / "text.txt").write_text(some_text())
        self.write_job()

    def write_job(self, edit=lambda text: text):
        text = JOB.format(text=self.folder / "text.txt", checkpoints=self.folder / "checkpoints")
        (self.folder / "job.yaml").write_text(edit(text))

    def run_job(self, *arguments, **options):
        run = Run(self.folder, arguments, **options)
        self.addCleanup(run.close)
        return run

    def set(self, **values):
        return settings(**values)

    # A run that lasts as long as what a test does with it takes, on a machine of any speed; then `stopped` ends it. Its
    # learning rate does not depend on when.
    ANY_LENGTH = {"training__steps": 1_000_000, "training__schedule__name": "constant",
                  "training__evaluation__everySteps": 0}

    def stopped(self, run):
        """Ends such a run, some steps later. How many it made, and the SHA-256 of its parameters then."""
        run.wait_for_steps(20)
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.end(), 130, run.describe())
        steps = run.last("interrupted")["step"]
        self.assertIn(f"/step-{steps}-", run.last("interrupted")["checkpoint"])
        return steps, self.sha256(self.run_job(
            "--resume", "--sample-tokens", "0", *self.set(**{**self.ANY_LENGTH, "training__steps": steps})))

    def undisturbed(self, steps):
        """The SHA-256 after as many steps that nobody disturbed, by as few processes as there can be."""
        run = self.run_job("--sample-tokens", "0", *self.set(**{
            **self.ANY_LENGTH, "training__steps": steps, "servers__replicas": 1, "servers__replication": 1,
            "workers__replicas": 1, "checkpoint__path": self.folder / "undisturbed",
            "policy__workerBalance__mode": "off"}))
        digest = self.sha256(run)
        self.assertFalse([e for e in run.events if e["event"] == "policy" and e["carriedOut"]])
        return digest

    def sha256(self, run):
        code = run.end()
        self.assertEqual(code, 0, run.describe())
        end = run.last("end")
        self.assertIsNotNone(end, run.describe())
        self.assertRegex(end["parametersSha256"], "^[0-9a-f]{64}$")
        return end["parametersSha256"]

    def assert_fails(self, run, code, *words):
        self.assertEqual(run.end(), code, run.describe())
        said = run.stderr()
        for word in words:
            self.assertIn(word, said)
        return said


def gone(pid):
    """Whether a process has ended (a zombie has)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rsplit(")", 1)[1].split()[0] == "Z"


def wait_until(what, condition):
    """Asks again and again; for conditions of the machine that nobody announces."""
    deadline = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {LIMIT_S} s")
        pause.wait(0.02)
