"""The command line as people use it, with stand-ins for the processes of a job.

Every test starts the real `ballast`; tests/local/fake_process.cc plays ballast-ps and ballast-worker.
"""

import argparse
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BALLAST = ""
FAKE = ""
DEADLINE_S = 60

JOB = """\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {name: tiny}
spec:
  data: {train: [text]}
  training: {steps: 3}
  servers: {replicas: 2, replication: 1}
  workers: {replicas: 2}
"""


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], 0.005)
    return True


class CliTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="ballast-cli-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for name in ("ballast-ps", "ballast-worker"):
            (self.programs / name).symlink_to(FAKE)
        (self.folder / "runtime").mkdir(mode=0o700)
        (self.folder / "job.yaml").write_text(JOB)
        self.environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "HOME": str(self.folder),
        }

    def command(self, *arguments):
        return [BALLAST, *arguments]

    def run_arguments(self, *more):
        return self.command("run", "job.yaml", "--programs", str(self.programs), *more)

    def ballast(self, arguments):
        return subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def start(self, *more, **options):
        return subprocess.Popen(
            self.run_arguments("--json", *more),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def events_until(self, process, wanted):
        """Reads events until one fulfils `wanted`; returns all."""
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if wanted(events[-1]):
                return events
        self.fail(f"the output ended: {events} {process.stderr.read()}")

    def training(self, process):
        """Events until a step was made and all processes are ready; their pids by name.

        A step needs only one worker, so the two come in any order."""
        seen = {"ready": set(), "wanted": 1, "step": 0}

        def trains(event):
            if event["event"] == "start":
                spec = event["job"]["spec"]
                seen["wanted"] = spec["servers"]["replicas"] + spec["workers"]["replicas"]
            if event["event"] == "ready":
                seen["ready"].add(event["process"])
            seen["step"] = max(seen["step"], event.get("step", 0))
            return seen["step"] > 0 and len(seen["ready"]) == seen["wanted"]

        events = self.events_until(process, trains)
        return {event["process"]: event["pid"] for event in events if event["event"] == "ready"}, events

    def run_folders(self):
        base = self.folder / "runtime" / "ballast"
        return sorted(base.iterdir()) if base.exists() else []

    # ---- validate

    def test_validate_tells_all_problems(self):
        (self.folder / "bad.yaml").write_text(
            JOB.replace("steps: 3", "stepps: 3, batch: 10").replace("replicas: 2,", "replicas: x,", 1)
        )
        result = self.ballast(self.command("validate", "job.yaml", "bad.yaml"))
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, "job.yaml: valid\n")
        self.assertIn("bad.yaml:6: spec.training.stepps: unknown field; did you mean steps?", result.stderr)
        self.assertIn("bad.yaml:6: spec.training.batch: found 10; expected a multiple of", result.stderr)
        self.assertIn("bad.yaml:7: spec.servers.replicas: found the string \"x\"", result.stderr)

    def test_validate_names_a_missing_file(self):
        result = self.ballast(self.command("validate", "nothing.yaml"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("nothing.yaml", result.stderr)

    def test_set_overrides(self):
        result = self.ballast(self.command("validate", "job.yaml", "--set", "spec.workers.replicas=99"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("spec.workers.replicas: found 99", result.stderr)

    def test_an_unknown_flag_is_named(self):
        for command in (["run", "--frob"], ["generate", "--frob", "5"], ["export", "--frob"], ["validate", "-x"]):
            done = subprocess.run([BALLAST, *command], capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertEqual(done.returncode, 2)
            self.assertIn(command[1], done.stderr)
            self.assertNotIn("required", done.stderr)
        done = subprocess.run([BALLAST, "run"], capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 2)
        self.assertIn("JOB is required", done.stderr)

    def test_bad_flags_are_refused(self):
        for arguments in (
            ["run"],
            ["run", "job.yaml", "--network", "pigeon"],
            ["run", "job.yaml", "--threads", "-1"],
            ["run", "job.yaml", "--set", "spec"],
            ["train", "job.yaml"],
            [],
        ):
            self.assertEqual(self.ballast(self.command(*arguments)).returncode, 2, arguments)

    # ---- run

    def test_runs_to_the_end_and_leaves_nothing(self):
        result = self.ballast(self.run_arguments())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("done: 3 steps", result.stdout)
        self.assertEqual(self.run_folders(), [])

    def test_json_lines_are_for_machines(self):
        result = self.ballast(self.run_arguments("--json", "--keep-run-dir"))
        self.assertEqual(result.returncode, 0, result.stderr)
        events = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(events[0]["event"], "start")
        self.assertEqual(events[-1]["event"], "end")
        self.assertEqual(events[-1]["steps"], 3)
        job = events[0]["job"]
        self.assertEqual(job["spec"]["data"]["train"], [str(self.folder / "text")], "relative to where it was started")
        self.assertEqual(len(self.run_folders()), 1)
        status = json.loads((self.run_folders()[0] / "status.json").read_text())
        self.assertEqual([c["type"] for c in status["conditions"] if c["status"] == "True"], ["Created", "Succeeded"])

    def test_a_lost_worker_is_told_and_started_again(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        process = self.start()
        pids, _ = self.training(process)
        os.kill(pids["worker-1"], signal.SIGKILL)
        again = lambda event: event["event"] == "ready" and event["process"] == "worker-1"
        events = self.events_until(process, again)
        self.assertIn({"event": "ended", "process": "worker-1", "code": 0, "signal": 9, "wanted": False}, events)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 130)

    def test_a_lost_server_without_replicas_brings_the_job_back(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        process = self.start()
        pids, _ = self.training(process)
        os.kill(pids["ps-1"], signal.SIGKILL)
        events = self.events_until(process, lambda event: event["event"] == "appointed" and event["term"] == 2)
        self.assertIn({"event": "back", "checkpoint": ""}, events)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 130)

    def test_a_refused_worker_shows_its_log(self):
        self.environment["BALLAST_FAKE_WORKER_0"] = "exit:3"
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        result = self.ballast(self.run_arguments())
        self.assertEqual(result.returncode, 3)
        self.assertIn("worker-0 ended with code 3: the job refused it for good", result.stderr)
        self.assertIn("worker-0.1.jsonl", result.stderr)
        self.assertIn('"behaviour":"exit:3"', result.stderr)

    def test_an_interrupt_ends_in_order_and_says_where_things_are(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start()
            pids, _ = self.training(process)
            process.send_signal(number)
            output, _ = process.communicate(timeout=DEADLINE_S)
            self.assertEqual(process.returncode, 130)
            events = [json.loads(line) for line in output.splitlines()]
            ended = [event["process"].split("-")[0] for event in events if event["event"] == "ended"]
            self.assertEqual(ended, ["worker", "worker", "ps", "ps"])
            self.assertEqual(events[-1]["event"], "interrupted")
            self.assertTrue(pathlib.Path(events[-1]["logs"]).is_dir())
            self.assertFalse(any(alive(pid) for pid in pids.values()))

    def test_the_second_interrupt_ends_at_once(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        self.environment["BALLAST_FAKE_WORKER_0"] = "stubborn"
        process = self.start()
        pids, _ = self.training(process)
        process.send_signal(signal.SIGINT)
        self.events_until(process, lambda event: event["event"] == "stopping")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 130)
        self.assertFalse(any(alive(pid) for pid in pids.values()))

    def test_nothing_survives_a_killed_run(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        process = self.start()
        pids, _ = self.training(process)
        process.kill()
        process.communicate(timeout=DEADLINE_S)
        self.assertTrue(eventually(lambda: not any(alive(pid) for pid in pids.values())))

    def test_several_runs_at_once_do_not_collide(self):
        runs = [self.start() for _ in range(3)]
        for run in runs:
            _, errors = run.communicate(timeout=DEADLINE_S)
            self.assertEqual(run.returncode, 0, errors)

    def test_a_run_folder_in_use_is_refused(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        process = self.start("--run-dir", "here")
        self.training(process)
        second = self.ballast(self.run_arguments("--run-dir", "here"))
        self.assertEqual(second.returncode, 2)
        self.assertIn("is not empty", second.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)

    def test_missing_programs_are_named(self):
        (self.programs / "ballast-worker").unlink()
        result = self.ballast(self.run_arguments())
        self.assertEqual(result.returncode, 1)
        self.assertIn("ballast-worker", result.stderr)
        self.assertEqual(self.run_folders(), [])

    def test_a_suspended_job_is_not_run(self):
        result = self.ballast(self.run_arguments("--set", "spec.suspend=true"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("spec.suspend is true", result.stderr)

    def test_a_terminal_gets_a_live_line_and_ctrl_c_works(self):
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        self.environment["TERM"] = "xterm"
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execve(BALLAST, self.run_arguments(), self.environment)
        output = b""
        asked = False
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            output += piece
            if b"\r\x1b[Kstep 2/3" in output and not asked:
                asked = True
                os.write(terminal, b"\x03")
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 130)
        self.assertIn(b"stopping: workers first", output)
        self.assertIn(b"run folder: ", output)

    def test_as_the_first_process_of_a_container(self):
        """PID 1 gets no default action of signals, and all orphans."""
        unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
        if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("this machine lets nobody make a PID namespace")
        result = self.ballast([*unshare, *self.run_arguments()])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.environment["BALLAST_FAKE_PS_0"] = "hold"
        result = self.ballast([*unshare, *self.run_arguments("--set", "spec.activeDeadlineSeconds=1")])
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("spec.activeDeadlineSeconds, which is 1, has passed", result.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ballast", required=True)
    parser.add_argument("--fake", required=True)
    flags, rest = parser.parse_known_args()
    BALLAST, FAKE = flags.ballast, flags.fake
    unittest.main(argv=[sys.argv[0], *rest])
