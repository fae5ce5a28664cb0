"""Starts a real ballast-ps and holds docs/metrics.md, promtool and the health pages against it.

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


if __name__ == "__main__":
    PROGRAMS, PAGE = Path(sys.argv[1]), Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
