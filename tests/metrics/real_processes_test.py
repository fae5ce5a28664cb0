"""Holds docs/metrics.md, promtool and the health pages against a real ballast-ps and a real ballast-operator.

real_processes_test.py BUILD_BIN_FOLDER METRICS_PAGE
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import metrics_documentation  # noqa: E402

PROGRAMS = Path("bin")
PAGE = Path("docs/metrics.md")
PATIENCE_SECONDS = 60
# Nobody listens at port 1.
NOBODY = {
    "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {"token": "t"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
}


def wait_for(what, condition, process):
    """The first true value of condition(); fails when the time is over or the process has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        if process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with {process.returncode}: {process.stderr.read()}")
        time.sleep(0.02)  # between two looks
    raise AssertionError(f"{what}: not within {PATIENCE_SECONDS} s")


def get(address, path):
    """(status, text)"""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class ServerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ballast-")
        ready = Path(self.folder.name) / "ready"
        self.process = subprocess.Popen(
            [
                PROGRAMS / "ballast-ps", "--name", "ps-0", "--job-uid", "test-uid",
                "--listen", f"unix:{self.folder.name}/ps-0.sock", "--metrics-listen", "127.0.0.1:0",
                "--ready-file", ready,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ready = json.loads(wait_for("ready-file", lambda: ready.exists() and ready.read_text(), self.process))
        self.address = self.ready["metrics_address"]

    def tearDown(self):
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def test_metrics_are_those_of_the_page(self):
        status, text = get(self.address, "/metrics")
        self.assertEqual(status, 200)
        problems = list(metrics_documentation.check(PAGE.read_text(), {"ballast-ps": text}))
        self.assertEqual(problems, [], "\n".join(problems))

    def test_health_and_readiness(self):
        self.assertEqual(get(self.address, "/healthz"), (200, "ok\n"))
        wait_for("readiness", lambda: get(self.address, "/readyz")[0] == 200, self.process)
        self.assertEqual(get(self.address, "/")[0], 404)

    def test_ends_when_asked_and_frees_its_port(self):
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=PATIENCE_SECONDS), 130)
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(f"http://{self.address}/healthz", timeout=10)

    def test_a_taken_metrics_port_is_a_clear_end(self):
        second = subprocess.run(
            [
                PROGRAMS / "ballast-ps", "--name", "ps-1", "--job-uid", "test-uid",
                "--listen", f"unix:{self.folder.name}/ps-1.sock", "--metrics-listen", self.address,
            ],
            capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        )
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"listening at {self.address} for metrics: Address already in use", second.stderr)


class OperatorTest(unittest.TestCase):
    """ballast-operator with an API server that is away."""

    def start(self, *flags):
        folder = tempfile.TemporaryDirectory(prefix="ballast-")
        self.addCleanup(folder.cleanup)
        config = Path(folder.name) / "kubeconfig"
        config.write_text(json.dumps(NOBODY), encoding="ascii")
        log = Path(folder.name) / "log"
        with open(log, "w", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                [PROGRAMS / "ballast-operator", "--kubeconfig", config, "--image", "none",
                 "--metrics-listen", "127.0.0.1:0", *flags], stderr=stderr)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.process.stderr = open(log, encoding="utf-8")
        self.addCleanup(self.process.stderr.close)

        def started():
            lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
            return next((line for line in lines if line["message"] == "started"), None)

        return wait_for("start", started, self.process)

    def test_metrics_are_those_of_the_page(self):
        address = self.start("--leader-election", "false")["metrics"]

        def page():
            status, text = get(address, "/metrics")
            return status == 200 and "ballast_watch_interruptions_total{" in text and text

        text = wait_for("an interrupted watch", page, self.process)
        problems = list(metrics_documentation.check(PAGE.read_text(), {"ballast-operator": text}))
        self.assertEqual(problems, [], "\n".join(problems))

    def test_is_healthy_and_not_ready_while_the_api_server_is_away(self):
        address = self.start()["metrics"]
        wait_for("a request", lambda: "rest_client_requests_total{" in get(address, "/metrics")[1], self.process)
        self.assertEqual(get(address, "/healthz"), (200, "ok\n"))
        self.assertEqual(get(address, "/readyz")[0], 503)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=PATIENCE_SECONDS), 0)

    def test_tells_its_configuration_once(self):
        told = json.loads(self.start("--threads", "3", "--lease-name", "another")["configuration"])
        self.assertEqual((told["threads"], told["leaderElection"]["name"]), (3, "another"))

    def refused(self, *arguments):
        done = subprocess.run([PROGRAMS / "ballast-operator", *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_SECONDS, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_tells_all_that_is_wrong_with_a_file_or_flags(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("image: i\nthread: 3\nleaderElection: {enabled: maybe}\n")
            file.flush()
            told = self.refused("--config", file.name)
        self.assertIn(f"{file.name}:2: thread: unknown field; did you mean threads?", told)
        self.assertIn(f"{file.name}:3: leaderElection.enabled: found", told)
        told = self.refused("--threads", "0", "--metrics-listen", "nowhere")
        for name in ("image", "threads", "metricsListen"):
            self.assertIn(f"{name}: ", told)
        self.assertIn("--imgae", self.refused("--imgae", "i"))


if __name__ == "__main__":
    PROGRAMS, PAGE = Path(sys.argv[1]), Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
