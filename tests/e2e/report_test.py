"""The report of a real run: while it goes on, after a loss, over a resumption, and when its record is damaged."""

import html
import json
import re
import subprocess
import time
import unittest

from ballast_run import LIMIT_S, PROGRAMS, EndToEnd


class Report(EndToEnd):
    def ballast(self, *arguments):
        return subprocess.run([str(PROGRAMS / "ballast"), *map(str, arguments)], cwd=self.folder, text=True,
                              capture_output=True, timeout=LIMIT_S)

    def report(self, run, output="page.html"):
        """The page, and its charts by name."""
        done = self.ballast("report", run, "--output", output)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.strip(), str((self.folder / output).resolve()))
        page = (self.folder / output).read_text()
        data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S).group(1)
        return html.unescape(page), {chart["id"]: chart for chart in json.loads(data)["charts"]}, done.stderr

    def wait_until_recorded(self, run, kind):
        """A thread of its own writes the record: what stdout has told may not be in it yet."""
        deadline = time.monotonic() + LIMIT_S
        (events,) = (self.folder / "checkpoints").glob("*/record/events.jsonl")
        while f'"event":"{kind}"' not in events.read_text():
            self.assertLess(time.monotonic(), deadline, f"{events.read_text()[-2000:]}\n{run.describe()}")
            time.sleep(0.02)

    def test_a_run_that_loses_a_server_and_is_resumed(self):
        job = self.set(training__steps=100_000, training__evaluation__everySteps=50, checkpoint__everySteps=100)
        run = self.run_job(*job)
        run.wait_for_step(60)
        page, charts, _ = self.report(run.events[0]["runFolder"])
        self.assertIn("It goes on:", page)
        self.assertIn("of 100000 steps", page)
        self.assertIn("Nothing was lost", page)
        self.assertGreater(len(charts["loss"]["rows"]), 0)

        since = len(run.events)
        run.kill("ps-0")
        run.wait_for("a recovery and all replicas again",  # in either order
                     lambda _: {"recovered", "whole"} <= {e["event"] for e in run.events[since:]})
        run.wait_for("a checkpoint", lambda e: e["event"] == "checkpoint")
        self.wait_until_recorded(run, "checkpoint")
        run.process.kill()
        run.end()
        page, charts, _ = self.report(self.folder / "checkpoints")
        self.assertIn("It ended without a word", page)
        self.assertIn("ps-0 was ended by signal 9", page)
        self.assertIn("step-", page)

        resumed = self.run_job(*job, "--resume")
        resumed.wait_for_step(run.last("progress")["step"] + 200)
        resumed.process.terminate()
        self.assertEqual(resumed.end(), 130, resumed.describe())
        page, charts, _ = self.report(self.folder / "job.yaml")
        self.assertIn("It was interrupted", page)
        self.assertIn("ps-0 was ended by signal 9", page)  # of the first part
        steps = [row[0] for row in charts["loss"]["rows"]]
        self.assertEqual(steps, sorted(steps))
        self.assertGreater(steps[-1], run.last("progress")["step"])
        for chart, labels in {"shares": ["worker-0", "worker-1"], "primaries": ["ps-0", "ps-1"],
                              "parts": ["compute", "push", "wait", "pull"]}.items():
            self.assertEqual(charts[chart]["labels"], labels)
        # The run was not there for a while: the line is broken.
        self.assertIn([None], [row[1:] for row in charts["gap"]["rows"]])

    def test_a_record_that_is_damaged_is_told_and_shown(self):
        self.sha256(self.run_job())
        record = next((self.folder / "checkpoints").glob("*/record"))
        page, charts, said = self.report(record)
        self.assertIn("It succeeded: 40 of 40 steps", page)
        self.assertEqual(said, "")
        with (record / "events.jsonl").open("a") as events, (record / "progress.jsonl").open("a") as points:
            events.write('{"event":"mystery","unixTimeMs":1,"what":"<b>later</b>"}\n{"event":"torn","unix')
            points.write("\x00\x00\n")
        page, damaged, said = self.report(record)
        self.assertIn("mystery", page)
        self.assertIn("events.jsonl: its last line is not whole", page)
        self.assertIn("progress.jsonl: 1 lines cannot be read", said)
        self.assertEqual(damaged["loss"], charts["loss"])

    def test_a_job_file_finds_its_own_run(self):
        """Though the run of another job of the same name goes on."""
        self.sha256(self.run_job())
        other = self.run_job(*self.set(training__steps=100_000, checkpoint__path=self.folder / "others"))
        other.wait_for_step(5)
        page, _, _ = self.report("job.yaml")
        self.assertIn("It succeeded: 40 of 40 steps", page)

    def test_what_is_no_run_is_told(self):
        for run, words in [("nobody", "no run of a job named nobody"), (self.folder, "has no record of a run"),
                           ("text.txt", "text.txt"), ("", "must not be empty")]:
            done = self.ballast("report", run)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(words, done.stderr)
        self.sha256(self.run_job())
        done = self.ballast("report", "checkpoints", "--output", "no/such/folder/page.html")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/such/folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
