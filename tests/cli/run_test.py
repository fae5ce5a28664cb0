"""Whole jobs with the real processes, small enough for a test: the same bits from every division of the
work, over every connection, and after a worker was killed; and every kind of bad input has a clear end.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

BALLAST = ""
DEADLINE_S = 120

JOB = """\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny}
spec:
  model: {layers: 2, heads: 2, embedding: 32, context: 16}
  data: {train: [text]}
  training:
    steps: 40
    batch: 16
    microbatches: 8
    evaluation: {everySteps: 20, batches: 8}
  servers: {replicas: 1, segmentElements: 4096}
  workers: {replicas: 1}
  checkpoint: {path: checkpoints}
"""


class RunTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="ballast-run-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        (self.folder / "runtime").mkdir(mode=0o700)
        (self.folder / "job.yaml").write_text(JOB)
        words = ["anchor", "keel", "mast", "sail", "rope", "deck"]
        text = " ".join(words[(i * i + i // 7) % len(words)] for i in range(4000))
        (self.folder / "text").write_text(text + "\n")
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "HOME": str(self.folder),
        }

    def arguments(self, *more):
        return [BALLAST, "run", "job.yaml", "--json", "--sample-tokens", "20", *more]

    def run_job(self, *more, **environment):
        result = subprocess.run(
            self.arguments(*more),
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        events = [json.loads(line) for line in result.stdout.splitlines()]
        return result, events

    def finished(self, *more, **environment):
        result, events = self.run_job(*more, **environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return events[-1]

    @staticmethod
    def division(servers, workers):
        return ["--set", f"spec.servers.replicas={servers}", "--set", f"spec.workers.replicas={workers}"]

    def test_a_run_learns_and_ends_with_everything(self):
        end = self.finished(*self.division(2, 2))
        self.assertEqual(end["steps"], 40)
        self.assertLess(end["validationLoss"], 4.5)
        self.assertAlmostEqual(end["bitsPerByte"], end["validationLoss"] / 0.6931471805599453)
        self.assertEqual(len(end["parametersSha256"]), 64)
        self.assertTrue((pathlib.Path(end["checkpoint"]) / "manifest.json").exists())
        self.assertGreater(len(end["sample"]), 0)
        self.assertGreater(end["pushedBytes"], 0)
        self.assertGreater(end["pulledBytes"], 0)

    def test_the_same_bits_from_every_division_of_the_work(self):
        expected = self.finished(*self.division(1, 1))
        for servers, workers, threads, network in (
            (2, 2, 2, "unix"),
            (3, 5, 1, "unix"),
            (2, 2, 1, "tcp"),
            (1, 2, 4, "tcp-trusted"),
        ):
            end = self.finished(*self.division(servers, workers), "--threads", str(threads), "--network", network)
            case = f"{servers} servers, {workers} workers, {threads} threads, {network}"
            self.assertEqual(end["parametersSha256"], expected["parametersSha256"], case)
            self.assertEqual(end["validationLoss"], expected["validationLoss"], case)

    def test_the_same_bits_after_a_worker_was_killed(self):
        steps = ["--set", "spec.training.steps=400"]
        expected = self.finished(*self.division(1, 1), *steps)
        pids = {}
        killed = False
        events = []
        with subprocess.Popen(
            self.arguments(*self.division(2, 2), *steps),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            for line in process.stdout:
                event = json.loads(line)
                events.append(event)
                if event["event"] == "ready":
                    pids[event["process"]] = event["pid"]
                if event.get("step", 0) > 0 and not killed:
                    killed = True
                    os.kill(pids["worker-1"], signal.SIGKILL)
        self.assertEqual(process.returncode, 0)
        self.assertTrue(any(e["event"] == "ended" and e["signal"] == 9 for e in events))
        self.assertEqual(events[-1]["parametersSha256"], expected["parametersSha256"])

    def test_bad_data_has_a_clear_end(self):
        (self.folder / "empty").write_text("")
        (self.folder / "short").write_text("short")
        for path, expected in (("nothing-*.txt", "nothing-"), ("empty", "empty"), ("short", "context")):
            result, events = self.run_job("--set", f"spec.data.train=[{path}]")
            self.assertIn(result.returncode, (1, 2, 3), path)
            self.assertIn(expected, result.stderr)
            self.assertEqual(events[-1]["event"], "failed")

    def test_ten_steps_that_are_not_finite_stop_the_job(self):
        result, _ = self.run_job(BALLAST_TEST_NAN_STEP=",".join(str(step) for step in range(3, 20)))
        self.assertEqual(result.returncode, 1)
        self.assertIn("finite", result.stderr)

    def test_one_step_that_is_not_finite_is_skipped(self):
        end = self.finished(BALLAST_TEST_NAN_STEP="3")
        self.assertEqual(end["skipped"], 1)

    def test_a_checkpoint_that_cannot_be_written_is_told(self):
        (self.folder / "checkpoints").write_text("a file in the way")
        result, _ = self.run_job()
        self.assertEqual(result.returncode, 1)
        self.assertIn("checkpoint", result.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ballast", required=True)
    flags, rest = parser.parse_known_args()
    BALLAST = flags.ballast
    unittest.main(argv=[sys.argv[0], *rest])
