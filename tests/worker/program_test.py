"""ballast-worker as a program: what it refuses before it asks any server, with which words and exit code,
and that a signal ends it while it waits for servers."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

WORKER = Path(os.environ["BALLAST_PROGRAMS"]) / "ballast-worker"
LIMIT_S = 120
JOB = {
    "name": "tiny", "uid": "u-1",
    "model": {"family": "gpt", "layers": 1, "heads": 2, "embedding": 16, "context": 8},
    "data": {"train": ["TEXT"], "validationPercent": 10, "tokenizer": "byte"},
    "training": {"steps": "3", "batch": 4, "microbatches": 2, "seed": "1", "mode": "synchronous"},
}


class Worker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ballast-worker-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "text").write_text("a line of text\n" * 100)

    def command(self, job=None, **flags):
        job = json.loads(json.dumps(job or JOB).replace("TEXT", str(self.folder / "text")))
        (self.folder / "job.json").write_text(json.dumps(job))
        values = {"name": "worker-0", "job": self.folder / "job.json", "servers": f"unix:{self.folder}/no.sock",
                  "cache-dir": self.folder / "cache", "metrics-listen": "127.0.0.1:0", "threads": 1,
                  "ready-file": self.folder / "ready.json"}
        values.update({name.replace("_", "-"): value for name, value in flags.items()})
        return [str(WORKER)] + [str(part) for name, value in values.items() if value is not None
                                for part in ("--" + name, value)]

    def assert_refused(self, words, command, environment=None):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S,
                               env={**os.environ, **(environment or {})})
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertIn(words, ended.stderr)

    def test_bad_flags(self):
        self.assert_refused("--name is required", self.command(name=None))
        self.assert_refused("--colour", self.command(colour="red"))
        self.assert_refused("--threads", self.command(threads="many"))
        self.assert_refused("no port", self.command(metrics_listen="here"))
        self.assert_refused("TCP needs TLS", self.command(servers="127.0.0.1:9"))
        self.assert_refused("/nowhere/", self.command(ready_file="/nowhere/ready"))

    def test_bad_jobs(self):
        command = self.command()
        command[command.index("--job") + 1] = "/nowhere/job"
        self.assert_refused("/nowhere/job", command)
        self.assert_refused("model.layers is 0", self.command({**JOB, "model": {**JOB["model"], "layers": 0}}))
        self.assert_refused("colour", self.command({**JOB, "colour": "red"}))
        other = {**JOB["data"], "tokenizer": "runes"}
        self.assert_refused("runes", self.command({**JOB, "data": other}))

    def test_no_gpu(self):
        """CUDA_VISIBLE_DEVICES hides those that this machine may have."""
        hidden = {"CUDA_VISIBLE_DEVICES": ""}
        self.assert_refused("--device", self.command(device="abacus"))
        self.assert_refused("--device is gpu: ", self.command(device="gpu"), hidden)
        rounded = {**JOB, "workers": {"precision": "bf16"}}
        self.assert_refused("needs a GPU", self.command(rounded), hidden)
        self.assert_refused("needs a GPU", self.command(rounded, device="cpu"))

    def test_bad_data(self):
        self.assert_refused("/nowhere/text", self.command({**JOB, "data": {**JOB["data"], "train": ["/nowhere/text"]}}))
        (self.folder / "text").write_text("ab")
        self.assert_refused("tokens", self.command())

    def test_bad_fault_switch(self):
        self.assert_refused("BALLAST_TEST_NAN_STEP", self.command(), {"BALLAST_TEST_NAN_STEP": "soon"})

    def test_waits_for_servers_until_a_signal_comes(self):
        process = subprocess.Popen(self.command(), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        said = []
        for line in process.stderr:  # up to the last line before it asks servers
            said.append(json.loads(line)["message"])
            if said[-1] == "numerics":
                break
        self.assertIn("memory plan", said)
        ready = json.loads((self.folder / "ready.json").read_text())
        self.assertEqual((ready["name"], ready["pid"], ready["address"]), ("worker-0", process.pid, ""))
        self.assertGreater(ready["incarnation"], 0)
        base = "http://" + ready["metrics_address"]
        with urllib.request.urlopen(base + "/healthz", timeout=LIMIT_S) as answer:
            self.assertEqual(answer.status, 200)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(base + "/readyz", timeout=LIMIT_S)
        refused.exception.close()
        self.assertEqual(refused.exception.code, 503)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT_S), 130)
        self.assertLess(time.monotonic() - began, 30)
        process.stderr.close()


if __name__ == "__main__":
    unittest.main()
