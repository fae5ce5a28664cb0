"""A TrainingJob on a real cluster: applied, trained by pods, and its parameters those of `ballast run`, bit for bit.

operator_test.py, within a test cluster whose nodes have the image localhost/ballast:test (see images.py).
"""

import hashlib
import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from ask import ask

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS") or ROOT / "build" / "release" / "bin")
IMAGE = "localhost/ballast:test"
LIMIT_SECONDS = 240
LIMIT = f"{LIMIT_SECONDS}s"


def some_text():
    """The same on every machine."""
    words = "the quick brown fox jumps over a lazy dog while seven wizards make toxic brew".split()
    state, out = 1, []
    for _ in range(12_000):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(words[(state >> 33) % len(words)])
    return " ".join(out)


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def host_volume(name, path, mount):
    """A pod template that mounts a folder of the node."""
    return {"spec": {"containers": [{"name": "main", "volumeMounts": [{"name": name, "mountPath": mount}]}],
                     "volumes": [{"name": name, "hostPath": {"path": str(path)}}]}}


def job(name, text, checkpoints, steps):
    return {
        "apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name},
        "spec": {
            "model": {"layers": 2, "heads": 2, "embedding": 32, "context": 32},
            "data": {"train": [str(text)]},
            "training": {"steps": steps, "seed": 7, "evaluation": {"everySteps": 20, "batches": 4}},
            "servers": {"replicas": 2, "segmentElements": 4096},
            "workers": {"replicas": 2},
            "checkpoint": {"path": str(checkpoints)},
            "network": {"trusted": True},
        },
    }


class Operator(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)
        for name in ("data", "checkpoints", "local"):
            (self.folder / name).mkdir()
        (self.folder / "checkpoints").chmod(0o777)  # pods run as nobody
        (self.folder / "data" / "text.txt").write_text(some_text(), encoding="ascii")
        for command in [["apply", "--server-side", "--filename", ROOT / "crds" / "trainingjobs.yaml"],
                        ["wait", "--for=condition=Established", "crd/trainingjobs.ballast.dev", "--timeout=30s"]]:
            done = run("kubectl", *command)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.log = open(self.folder / "operator.log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.operator = self.start_operator()

    def start_operator(self):
        operator = subprocess.Popen([PROGRAMS / "ballast-operator", "--image", IMAGE], stderr=self.log)
        self.addCleanup(operator.wait, 30)
        self.addCleanup(operator.terminate)
        return operator

    def told(self):
        """What a person would look at after a failure."""
        self.log.flush()
        parts = [(self.folder / "operator.log").read_text(encoding="utf-8")[-6000:]]
        for command in [["get", "tjob,pods", "-o", "wide"], ["get", "events"], ["describe", "tjob"],
                        ["logs", "--selector=ballast.dev/job", "--tail=20", "--prefix"]]:
            done = run("kubectl", *command)
            parts.append(done.stdout[-6000:] + done.stderr)
        return "\n----\n".join(parts)

    def checksum(self, checkpoints, name):
        target = self.folder / f"export-{name}"
        done = run(PROGRAMS / "ballast", "export", checkpoints, target)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()

    def apply(self, made):
        path = self.folder / "job.json"
        path.write_text(json.dumps(made), encoding="ascii")
        done = run("kubectl", "apply", "--filename", path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def begin(self, name, steps):
        made = job(name, "/data/text.txt", "/checkpoints", steps)
        made["spec"]["servers"]["template"] = host_volume("checkpoints", self.folder / "checkpoints", "/checkpoints")
        made["spec"]["workers"]["template"] = host_volume("data", self.folder / "data", "/data")
        self.apply(made)

    def wait_for(self, name, condition):
        waited = run("kubectl", "wait", f"--for={condition}", f"tjob/{name}", f"--timeout={LIMIT}")
        self.assertEqual(waited.returncode, 0, waited.stderr + self.told())

    def wait_for_step(self, name, step):
        """Until the status shows it, and the job has not yet ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            status = json.loads(run("kubectl", "get", "tjob", name, "--output=json").stdout or "{}").get("status", {})
            self.assertNotIn(status.get("state"), ("Succeeded", "Failed"), self.told())
            if status.get("step", 0) >= step:
                return
            time.sleep(0.1)
        self.fail(f"not at step {step}:\n{self.told()}")

    def assert_same_bits_as_a_local_run(self, name, steps):
        path = self.folder / "local.json"
        path.write_text(json.dumps(job(name, self.folder / "data" / "text.txt", self.folder / "local", steps)),
                        encoding="ascii")
        done = run(PROGRAMS / "ballast", "run", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.checksum(self.folder / "checkpoints", "cluster"),
                         self.checksum(self.folder / "local", "local"))

    def test_pods_train_what_ballast_run_trains(self):
        self.begin("e2e", 40)
        self.wait_for("e2e", "condition=Succeeded")
        self.assertIn("Succeeded", run("kubectl", "get", "tjob", "e2e").stdout)
        self.assert_same_bits_as_a_local_run("e2e", 40)

        # Whoever deletes the job deletes all that was made for it.
        self.assertEqual(run("kubectl", "delete", "tjob", "e2e", "--wait").returncode, 0)
        gone = run("kubectl", "wait", "--for=delete", "pods,configmaps", "--selector=ballast.dev/job=e2e",
                   "--timeout=60s")
        self.assertEqual(gone.returncode, 0, gone.stderr)

    def test_the_bits_are_the_same_whatever_is_lost(self):
        steps = 2400
        self.start_operator()  # stands by
        self.begin("lossy", steps)
        self.wait_for_step("lossy", 1)
        lost = [self.delete_pod("lossy-worker-0")]
        self.wait_for_step("lossy", 300)
        lost.append(self.delete_pod("lossy-ps-1"))
        self.wait_for_step("lossy", 600)
        self.assertEqual([ask("kill", "kube-apiserver"), ask("start", "kube-apiserver")], ["ok", "ok"])
        self.wait_for_step("lossy", 900)
        there = run("kubectl", "get", "pods", "--output=jsonpath={.items[*].metadata.uid}").stdout.split()
        self.assertEqual((len(there), set(lost) & set(there)), (4, set()), self.told())
        self.operator.kill()
        self.wait_for("lossy", "condition=Succeeded")
        self.assert_same_bits_as_a_local_run("lossy", steps)

    def delete_pod(self, name):
        uid = run("kubectl", "get", "pod", name, "--output=jsonpath={.metadata.uid}").stdout
        done = run("kubectl", "delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
        self.assertEqual(done.returncode, 0, done.stderr + self.told())
        self.assertNotEqual(uid, "")
        return uid


if __name__ == "__main__":
    unittest.main()
