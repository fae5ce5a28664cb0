"""Checkpoints while a job trains, and what they are for: a run that is killed goes on with --resume, a job that
loses parameters goes back, and both end with the parameters of a run that nobody disturbed."""

import json
import signal
import subprocess
import unittest
from pathlib import Path

from ballast_run import PROGRAMS, EndToEnd, gone, wait_until


class Checkpoints(EndToEnd):
    def job(self, **more):
        return self.set(**{**self.ANY_LENGTH, "checkpoint__everySteps": 100, "checkpoint__keep": 2, **more})

    def check(self, run):
        made, digest = self.stopped(run)
        self.assertEqual(digest, self.undisturbed(made))

    def wait_for_checkpoints(self, run, count):
        for _ in range(count):
            found = run.wait_for("a checkpoint", lambda e: e["event"] == "checkpoint")
        return Path(found["directory"])

    def listed(self, folder):
        said = subprocess.run([PROGRAMS / "ballast", "checkpoints", folder, "--json"], capture_output=True,
                              text=True, timeout=120)
        return said.returncode, [json.loads(line) for line in said.stdout.splitlines()]

    def kill_run(self, run):
        pids = [ready["pid"] for ready in run.processes.values()]
        run.process.kill()
        for pid in pids:
            wait_until(f"process {pid} ends", lambda pid=pid: gone(pid))

    def test_as_many_as_the_job_keeps_and_the_same_bits(self):
        run = self.run_job(*self.job(training__steps=320))
        self.assertEqual(self.sha256(run), self.undisturbed(320))
        folder = Path(run.last("end")["checkpoint"]).parent
        code, lines = self.listed(folder)
        self.assertEqual(code, 0)
        self.assertEqual([(line["step"], line["state"]) for line in lines],
                         [(300, "whole"), (320, "whole")])

    def test_a_killed_run_goes_on_with_the_same_bits(self):
        """Also on other numbers of servers and workers, and with another replication; twice."""
        run = self.run_job(*self.job())
        self.wait_for_checkpoints(run, 2)
        self.kill_run(run)
        second = self.run_job(*self.job(servers__replicas=3, servers__replication=3, workers__replicas=1), "--resume")
        self.wait_for_checkpoints(second, 3)
        self.kill_run(second)
        third = self.run_job(*self.job(servers__replicas=1, servers__replication=1, workers__replicas=3), "--resume")
        self.check(third)
        steps = [e["step"] for e in third.events if e["event"] == "progress" and e.get("step", 0) > 0]
        self.assertGreaterEqual(steps[0], 300, "it did not begin anew")

    def test_a_job_that_wishes_it_goes_on_where_there_is_a_checkpoint(self):
        run = self.run_job(*self.job(checkpoint__resume="true"))
        self.wait_for_checkpoints(run, 2)
        self.assertEqual([e for e in run.events if e["event"] == "resume"], [], "there was none")
        self.kill_run(run)
        again = self.run_job(*self.job(checkpoint__resume="true"))
        self.check(again)
        self.assertIn("step-", again.last("resume")["checkpoint"])

    def test_a_damaged_checkpoint_is_passed_over(self):
        run = self.run_job(*self.job())
        newest = self.wait_for_checkpoints(run, 3)
        run.wait_for_step(320)
        self.kill_run(run)
        newest = max(newest.parent.glob("step-*/manifest.json"), key=lambda m: int(m.parent.name.split("-")[1])).parent
        part = sorted(newest.glob("*.safetensors"))[0]
        whole = part.read_bytes()
        part.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        code, lines = self.listed(self.folder / "checkpoints")
        self.assertEqual(code, 1)
        self.assertIn("damaged", [line["state"] for line in lines])
        again = self.run_job(*self.job(), "--resume")
        self.check(again)
        self.assertIn(part.name, next(e for e in again.events if e["event"] == "passedOver")["reason"])
        self.assertNotEqual(again.last("resume")["checkpoint"], str(newest))

    def test_another_optimizer_cannot_go_on(self):
        run = self.run_job(*self.job())
        self.wait_for_checkpoints(run, 1)
        self.kill_run(run)
        other = self.run_job(*self.job(training__optimizer__name="sgd"), "--resume")
        self.assert_fails(other, 1, "adamw", "sgd")

    def test_another_model_cannot_go_on(self):
        """Also where its parameters have the same shapes."""
        self.sha256(self.run_job(*self.set(training__steps=5)))
        for field, value in [("heads", 1), ("activation", "gelu"), ("layers", 1)]:
            other = self.run_job(*self.set(training__steps=10, **{f"model__{field}": value}), "--resume")
            self.assert_fails(other, 2, f"spec.model.{field} is {value}, but the checkpoint is of a model with")

    def test_nothing_to_go_on_from(self):
        self.assert_fails(self.run_job("--resume"), 2, "--resume", "checkpoint")

    def test_two_runs_cannot_go_on_from_the_same(self):
        run = self.run_job(*self.job())
        self.wait_for_checkpoints(run, 1)
        self.assert_fails(self.run_job(*self.job(), "--resume"), 2, "another run")
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 130, run.describe())
        self.assertIn("--resume", run.stderr())

    def test_a_lost_server_without_replicas_brings_the_job_back_to_its_checkpoint(self):
        run = self.run_job(*self.job(servers__replication=1))
        self.wait_for_checkpoints(run, 2)
        run.wait_for_step(250)
        run.kill("ps-1")
        back = run.wait_for("the way back", lambda e: e["event"] == "back")
        self.assertIn("/step-", back["checkpoint"])
        self.check(run)

    def test_without_a_checkpoint_to_the_beginning(self):
        run = self.run_job(*self.job(servers__replication=1, checkpoint__everySteps=0))
        run.wait_for_step(20)
        run.kill("ps-0")
        self.assertEqual(run.wait_for("the way back", lambda e: e["event"] == "back")["checkpoint"], "")
        self.check(run)

    def test_all_replicas_lost_at_once(self):
        run = self.run_job(*self.job())
        self.wait_for_checkpoints(run, 2)
        run.wait_for_step(220)
        for name in ["ps-0", "ps-1"]:
            run.kill(name)
        run.wait_for("the way back", lambda e: e["event"] == "back")
        self.check(run)


if __name__ == "__main__":
    unittest.main()
