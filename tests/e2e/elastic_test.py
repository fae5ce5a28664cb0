"""Workers and servers join and leave while a job trains: the run goes on, nothing restarts, and the parameters are
those of a run that nobody disturbed."""

import json
import re
import signal
import subprocess
import sys
import unittest
import urllib.request

from ballast_run import PROGRAMS, EndToEnd, gone, wait_until


class Elastic(EndToEnd):
    def job(self, **more):
        return self.set(**{**self.ANY_LENGTH, "servers__replicas": 2, "servers__replication": 2, **more})

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

    def segments(self, run, server):
        """That it holds, those that are on their way to it included."""
        with urllib.request.urlopen(f"http://{run.ready(server)['metricsAddress']}/metrics", timeout=10) as answer:
            return int(re.search(r"^ballast_segments (\d+)$", answer.read().decode(), re.M).group(1))

    def share(self, run, servers):
        """Each holds about as many segments as every other."""
        def even():
            held = [self.segments(run, f"ps-{i}") for i in range(servers)]
            return max(held) - min(held) <= 1
        wait_until(f"{servers} servers hold equal shares", even)

    def check(self, run, what, losses=0):
        made, digest = self.stopped(run)
        end = run.last("interrupted")
        self.assertEqual(end["losses"], losses, run.describe())
        self.assertEqual(digest, self.undisturbed(made), what)
        print(f"{what}: at most {end['longestStallMs']} ms without a committed step after a loss", file=sys.stderr)


class Workers(Elastic):
    def test_scale_of_workers(self):
        run = self.run_job(*self.job(workers__replicas=1))
        run.wait_for_step(20)
        self.scale(run, "--workers", "3")
        self.workers(run, 3)
        run.wait_for_steps(20)
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
        self.share(run, 4)
        self.scale(run, "--servers", "2")
        run.wait_for("two have left", lambda _: len([e for e in run.events if e["event"] == "left"]) == 2)
        self.assertFalse([e for e in run.events if e["event"] == "removed"])
        self.check(run, "2, 4, 2 servers")

    def test_kill_in_the_middle_of_moves(self):
        """A server that receives, and one that gives away, are killed while segments move."""
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.scale(run, "--servers", "4")
        run.kill("ps-3")
        run.wait_for("a new ps-3", lambda e: e["event"] == "ready" and e["process"] == "ps-3")
        wait_until("ps-2 holds segments", lambda: self.segments(run, "ps-2") > 0)
        since = len(run.events)
        self.scale(run, "--servers", "2")
        run.kill("ps-1")
        run.wait_for("two have left", lambda _: len([e for e in run.events if e["event"] == "left"]) == 2)
        run.wait_for("a whole job",
                     lambda _: [e["event"] for e in run.events[since:] if e["event"] in ("degraded", "whole")][-1:]
                     == ["whole"])
        self.check(run, "kills while segments move", losses=2)


class Suspension(Elastic):
    def suspend(self, run):
        code, said = self.ballast("suspend", run.events[0]["runFolder"])
        self.assertEqual(code, 0, said)
        return run.wait_for("its suspension", lambda e: e["event"] == "suspended")

    def test_suspend_and_resume(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.suspend(run)
        wait_until("every process ends", lambda: all(gone(ready["pid"]) for ready in run.processes.values()))
        code, said = self.ballast("status", run.events[0]["runFolder"])
        self.assertIn("suspended", said)
        code, said = self.ballast("resume", run.events[0]["runFolder"])
        self.assertEqual(code, 0, said)
        resumed = run.wait_for("its resumption", lambda e: e["event"] == "resumed")
        self.assertRegex(resumed["checkpoint"], "step-[0-9]+-term-1")
        self.check(run, "suspended and resumed")

    def test_suspend_by_the_file_and_resume_by_another_run(self):
        run = self.run_job(*self.job())
        run.wait_for_step(20)
        self.write_job(lambda text: text + "  suspend: true\n")
        run.wait_for("its suspension", lambda e: e["event"] == "suspended")
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.end(), 130, run.describe())
        self.write_job()
        self.check(self.run_job("--resume", *self.job()), "suspended, resumed by another run")

    def test_a_stop_writes_a_checkpoint(self):
        run = self.run_job(*self.job())
        step = run.wait_for_step(20)["step"]
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.end(), 130, run.describe())
        resumed = self.run_job("--resume", *self.job())
        start = resumed.wait_for("its start", lambda e: e["event"] == "resume")
        written = int(re.search("step-([0-9]+)-", start["checkpoint"]).group(1))
        self.assertGreaterEqual(written, step)
        self.check(resumed, "stopped and resumed")


class Wishes(Elastic):
    def test_status_tells_of_a_run(self):
        run = self.run_job(*self.job())
        run.wait_for_step(5)
        code, said = self.ballast("status", "e2e")
        if code != 0:  # other runs of jobs with this name may be under way on the machine
            code, said = self.ballast("status", run.events[0]["runFolder"])
        self.assertEqual(code, 0, said)
        for word in ("e2e: trains, step", "of 1000000", "ps-0, ps-1 (2 wanted)", "ps-0, term 1", "Running"):
            self.assertIn(word, said)
        code, said = self.ballast("status", run.events[0]["runFolder"], "--json")
        self.assertEqual(json.loads(said)["term"], 1)
        code, said = self.ballast("scale", run.events[0]["runFolder"], "--workers", "9")
        self.assertEqual(code, 2)
        self.assertIn("9 workers need 16", said)
        code, said = self.ballast("scale", "no-such-job", "--workers", "3")
        self.assertEqual(code, 2)
        self.assertIn("no run of a job named no-such-job", said)

    def test_steps_grow_and_checkpoints_come_by_time(self):
        constant = "    schedule: {name: constant}\n  servers"
        def job(steps, checkpoint=""):
            return lambda text: (text.replace("steps: 40", f"steps: {steps}").replace("  servers", constant)
                                 .replace("everySteps: 20", "everySteps: 0")
                                 .replace("checkpoint: {", "checkpoint: {" + checkpoint))
        self.write_job(job(1000))
        run = self.run_job()
        run.wait_for_step(20)
        self.write_job(job(999))
        refused = run.wait_for("a refusal", lambda e: e["event"] == "warning")
        self.assertIn("the steps of a running job only grow", refused["message"])
        self.write_job(job(1_000_000, "everySeconds: 1, keep: 2, "))
        run.wait_for("a change", lambda e: e["event"] == "changed")
        run.wait_for("checkpoints", lambda _: len([e for e in run.events if e["event"] == "checkpoint"]) == 2)
        run.wait_for_step(1001)
        made, grown = self.stopped(run)
        self.assertEqual(grown, self.undisturbed(made))


if __name__ == "__main__":
    unittest.main()
