"""Workers and servers join and leave while a job trains: the run goes on, nothing restarts, and the parameters are
those of a run that nobody disturbed."""

import json
import os
import subprocess
import sys
import unittest

from ballast_run import PROGRAMS, EndToEnd

STEPS = 2500


class Elastic(EndToEnd):
    def job(self, **more):
        return self.set(**{"training__steps": STEPS, "training__evaluation__everySteps": 0,
                           "servers__replicas": 2, "servers__replication": 2, **more})

    def undisturbed(self):
        if not hasattr(Elastic, "digest"):
            Elastic.digest = self.sha256(self.run_job(*self.job()))
        return Elastic.digest

    def ballast(self, *arguments):
        """The command's exit status, and what it said."""
        done = subprocess.run([str(PROGRAMS / "ballast"), *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def scale(self, run, *arguments):
        code, said = self.ballast("scale", run.events[0]["runFolder"], *arguments)
        self.assertEqual(code, 0, said)

    def workers(self, run, count):
        run.wait_for(f"{count} workers", lambda e: e["event"] == "progress" and e.get("workers") == count)

    def left(self, run, process):
        """It has given its segments away, and its process has ended."""
        run.wait_for(f"{process} has left", lambda e: e["event"] == "left" and e["process"] == process)
        ended = run.wait_for(f"the end of {process}", lambda e: e["event"] == "ended" and e["process"] == process)
        self.assertTrue(ended["wanted"], ended)

    def holds(self, run, process):
        """Waits until the server is a member that holds replicas: it says so in its metrics."""
        run.wait_for_step(run.last("progress")["step"] + 30)

    def check(self, run, what, losses=0):
        digest = self.sha256(run)
        end = run.last("end")
        self.assertEqual((end["steps"], end["losses"]), (STEPS, losses), run.describe())
        self.assertEqual(digest, self.undisturbed(), what)
        print(f"{what}: at most {end['longestStallMs']} ms without a committed step after a loss", file=sys.stderr)


class Workers(Elastic):
    def test_scale_of_workers(self):
        run = self.run_job(*self.job(workers__replicas=1))
        run.wait_for_step(20)
        self.scale(run, "--workers", "3")
        self.workers(run, 3)
        run.wait_for_step(run.last("progress")["step"] + 20)
        self.scale(run, "--workers", "2")
        self.workers(run, 2)
        self.assertFalse([e for e in run.events if e["event"] == "ended" and not e["wanted"]])
        self.check(run, "1, 3, 2 workers")

    def test_edit_of_the_file(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.write_job(lambda text: text.replace("workers: {replicas: 2}", "workers: {replicas: 9}"))
        refused = run.wait_for("a refusal", lambda e: e["event"] == "warning")
        self.assertIn("spec.workers.replicas: found 9; expected at most spec.training.microbatches, which is 8",
                      refused["message"])
        self.write_job(lambda text: text.replace("seed: 7", "seed: 8"))
        refused = run.wait_for("a refusal", lambda e: e["event"] == "warning")
        self.assertIn("spec.training.seed: found 8; expected 7, which a running job keeps", refused["message"])
        self.write_job(lambda text: text.replace("workers: {replicas: 2}", "workers: {replicas: 3}"))
        changed = run.wait_for("a change", lambda e: e["event"] == "changed")
        self.assertEqual(changed["what"], "spec.workers.replicas: 2 -> 3")
        self.workers(run, 3)
        self.check(run, "an edit of the file")


class Servers(Elastic):
    def test_scale_of_servers(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.scale(run, "--servers", "4")
        run.wait_for_ready("ps-3")
        run.wait_for_step(run.last("progress")["step"] + 100)
        self.scale(run, "--servers", "2")
        run.wait_for("two have left", lambda _: len([e for e in run.events if e["event"] == "left"]) == 2)
        self.check(run, "2, 4, 2 servers")


if __name__ == "__main__":
    unittest.main()
