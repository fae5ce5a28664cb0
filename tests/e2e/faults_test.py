"""What goes wrong while a job runs: each a clear message, the right exit code, nothing left behind."""

import json
import os
import signal
import subprocess
import unittest
from pathlib import Path

from ballast_run import PROGRAMS, EndToEnd, gone, wait_until


def long_job(test):
    return test.set(**test.ANY_LENGTH)


class Faults(EndToEnd):
    def pids(self, run):
        return [ready["pid"] for ready in run.processes.values()]

    def assert_nothing_runs(self, run):
        for pid in self.pids(run):
            wait_until(f"process {pid} ends", lambda pid=pid: gone(pid))

    def test_a_lost_worker_is_started_again_and_the_run_goes_on(self):
        run = self.run_job(*long_job(self))
        step = run.wait_for_step(3)["step"]
        before = run.ready("worker-0")["incarnation"]
        run.kill("worker-0")
        again = run.wait_for_ready("worker-0")
        self.assertNotEqual(again["incarnation"], before)
        run.wait_for_step(step + 50)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 130, run.describe())

    def test_ctrl_c_ends_in_order_and_says_where_things_are(self):
        run = self.run_job(*long_job(self), "--keep-run-dir")
        run.wait_for_step(3)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 130, run.describe())
        self.assertIn("interrupted", run.stderr())
        self.assertTrue(Path(run.last("interrupted")["logs"]).is_dir())
        ended = [e["process"] for e in run.events if e["event"] == "ended"]
        self.assertEqual([name.split("-")[0] for name in ended], ["worker"] * 2 + ["ps"] * 2)
        self.assert_nothing_runs(run)

    def test_children_never_outlive_a_killed_run(self):
        run = self.run_job(*long_job(self))
        run.wait_for_step(3)
        run.process.kill()
        self.assert_nothing_runs(run)

    def test_several_runs_at_once_do_not_collide(self):
        runs = [self.run_job() for _ in range(3)]
        self.assertEqual(len({self.sha256(run) for run in runs}), 1)
        self.assertEqual(len({run.last("end")["checkpoint"] for run in runs}), 3)

    def test_steps_that_are_not_finite_are_skipped_and_counted(self):
        run = self.run_job(environment={"BALLAST_TEST_NAN_STEP": "3"})
        self.sha256(run)
        self.assertEqual(run.last("end")["skipped"], 1)

    def test_ten_steps_in_a_row_that_are_not_finite_stop_the_job(self):
        steps = ",".join(str(step) for step in range(5, 15))
        run = self.run_job(environment={"BALLAST_TEST_NAN_STEP": steps})
        self.assert_fails(run, 1, "10 steps in a row", "not finite")

    def test_nine_in_a_row_do_not(self):
        steps = ",".join(str(step) for step in range(5, 14))
        run = self.run_job(environment={"BALLAST_TEST_NAN_STEP": steps})
        self.sha256(run)
        self.assertEqual(run.last("end")["skipped"], 9)

    def test_a_full_disk_for_tokens_is_told_and_leaves_nothing_half_written(self):
        self.mount_small("cache")
        run = self.run_job()
        self.assert_fails(run, 1, "No space left", "cache")
        # The other worker may be ended while it tries again: what it leaves has no final name, and the next run
        # removes it.
        left = [p.name for p in (self.folder / "cache").rglob("*") if p.is_file()]
        self.assertEqual([name for name in left if not name.endswith((".lock", ".partial"))], [])

    def test_a_full_disk_for_checkpoints_is_told_and_leaves_nothing_half_written(self):
        self.mount_small("checkpoints")
        run = self.run_job()
        self.assert_fails(run, 1, "No space left", "checkpoint")
        self.assertEqual(list((self.folder / "checkpoints").rglob("manifest.json")), [])

    def test_a_full_disk_in_the_middle_does_not_stop_training(self):
        """Checkpoints that do not fit are told; the last one may fit again, and then the job is done."""
        folder = self.mount_small("checkpoints")
        run = self.run_job(*self.set(**self.ANY_LENGTH, checkpoint__everySteps=20))
        run.wait_for("a warning", lambda e: e["event"] == "warning" and "No space left" in e["message"])
        step = run.last("progress")["step"]
        run.wait_for_step(step + 20)
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        self.stopped(run)
        whole = {manifest.parent for manifest in folder.rglob("manifest.json")}
        self.assertGreater(len(whole), 0)
        self.assertEqual(set(folder.glob("run-*/step-*")) - whole, set(), "what was never completed is deleted")

    def mount_small(self, name):
        """A file system of 32 KiB, when we may mount one."""
        folder = self.folder / name
        folder.mkdir()
        if os.geteuid() != 0:
            self.skipTest("mounting a small file system needs root")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "ballast-e2e", str(folder)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(folder)], check=True)
        return folder

    def test_a_damaged_token_file_is_refused_by_byte_or_made_again(self):
        """One that the user names is refused; one of the cache is made again from the text."""
        two_steps = self.set(training__steps=2)
        digest = self.sha256(self.run_job(*two_steps))
        (cached,) = (self.folder / "cache").glob("*.tokens")
        named = self.folder / "corpus.tokens"
        whole = cached.read_bytes()
        for name, damage, word in [
            ("a flipped bit", whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:], "byte"),
            ("truncated", whole[: len(whole) // 2], "byte"),
            ("empty", b"", "empty"),
        ]:
            with self.subTest(name):
                named.write_bytes(damage)
                run = self.run_job(*two_steps, "--set", f"spec.data.train=[{named}]")
                self.assert_fails(run, 2, named.name, word)
                cached.write_bytes(damage)
                self.assertEqual(self.sha256(self.run_job(*two_steps)), digest)
                self.assertEqual(cached.read_bytes(), whole)


class Strangers(EndToEnd):
    """Processes that do not belong to the job."""

    def setUp(self):
        super().setUp()
        self.run_under_test = self.run_job(*long_job(self))
        self.run_under_test.wait_for_step(3)
        self.server = self.run_under_test.processes["ps-0"]["address"]

    def worker(self, edit=lambda job: job, name="worker-7"):
        (spec,) = self.run_folder().glob("job*.json")
        job = edit(json.loads(spec.read_text()))
        (self.folder / "stranger.json").write_text(json.dumps(job))
        return subprocess.run(
            [PROGRAMS / "ballast-worker", "--name", name, "--job", self.folder / "stranger.json",
             "--servers", self.server, "--cache-dir", self.folder / "cache2",
             "--metrics-listen", "127.0.0.1:0", "--ready-file", self.folder / "ready.json"],
            capture_output=True, text=True, timeout=200)

    def run_folder(self):
        return Path(self.run_under_test.events[0]["runFolder"])

    def assert_goes_on(self):
        step = self.run_under_test.last("progress")["step"]
        self.run_under_test.wait_for_step(step + 20)

    def test_a_worker_of_another_job_is_refused(self):
        stranger = self.worker(lambda job: {**job, "uid": "00000000-0000-4000-8000-000000000000"})
        self.assertEqual(stranger.returncode, 3, stranger.stderr)
        self.assertIn("job", stranger.stderr)
        self.assert_goes_on()

    def test_a_worker_with_another_model_is_refused(self):
        def other(job):
            job["model"]["layers"] = 1
            return job
        stranger = self.worker(other)
        self.assertEqual(stranger.returncode, 3, stranger.stderr)
        self.assertIn("layout", stranger.stderr)
        self.assert_goes_on()

    def test_a_worker_with_other_data_is_refused(self):
        (self.folder / "other.txt").write_text("another text " * 3000)

        def other(job):
            job["data"]["train"] = [str(self.folder / "other.txt")]
            return job
        stranger = self.worker(other)
        self.assertEqual(stranger.returncode, 3, stranger.stderr)
        self.assertIn("data", stranger.stderr)
        self.assert_goes_on()

    def test_a_server_whose_socket_is_taken_says_so(self):
        server = subprocess.run(
            [PROGRAMS / "ballast-ps", "--name", "ps-0", "--job-uid", "other", "--listen", self.server,
             "--metrics-listen", "127.0.0.1:0", "--ready-file", self.folder / "ready.json"],
            capture_output=True, text=True, timeout=200)
        self.assertNotEqual(server.returncode, 0)
        self.assertIn("a live process listens at " + self.server.removeprefix("unix:"), server.stderr)
        self.assert_goes_on()

    def test_a_server_whose_port_is_taken_says_so(self):
        taken = self.run_under_test.processes["ps-0"]["metricsAddress"]
        server = subprocess.run(
            [PROGRAMS / "ballast-ps", "--name", "ps-9", "--job-uid", "other",
             "--listen", f"unix:{self.run_folder()}/ps-9.sock",
             "--metrics-listen", taken, "--ready-file", self.folder / "ready.json"],
            capture_output=True, text=True, timeout=200)
        self.assertNotEqual(server.returncode, 0)
        self.assertIn(taken.rsplit(":", 1)[1], server.stderr)
        self.assertRegex(server.stderr, "taken|in use")
        self.assert_goes_on()


if __name__ == "__main__":
    unittest.main()
