"""What tests of TrainingJobs on a real cluster have in common: an operator, jobs, a local run to compare with."""

import hashlib
import json
import os
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from ask import ask
from commands import define_training_jobs

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS") or ROOT / "build" / "release" / "bin")
IMAGE = "localhost/ballast:test"
OPERATOR = "ballast-operator"
LIMIT_SECONDS = 600
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


def merged(ours, theirs):
    """Maps field by field, lists of named things item by item."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {**ours, **{key: merged(ours[key], value) if key in ours else value for key, value in theirs.items()}}
    if isinstance(ours, list) and isinstance(theirs, list):
        names = {item["name"]: item for item in ours}
        return list({**names, **{item["name"]: merged(names.get(item["name"], {}), item) for item in theirs}}.values())
    return theirs


def job(name, text, checkpoints, steps, schedule=None):
    made = {
        "apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name},
        "spec": {
            "model": {"layers": 2, "heads": 2, "embedding": 32, "context": 32},
            "data": {"train": [str(text)]},
            "training": {"steps": steps, "seed": 7, "evaluation": {"everySteps": 20, "batches": 4}},
            "servers": {"replicas": 2, "segmentElements": 4096},
            "workers": {"replicas": 2},
            "checkpoint": {"path": str(checkpoints)},
        },
    }
    if schedule:
        made["spec"]["training"]["schedule"] = schedule
    return made


class TrainingCase(unittest.TestCase):
    flags = []  # of the operator

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.folder.chmod(0o755)
        for name in ("data", "checkpoints", "local"):
            (self.folder / name).mkdir()
        (self.folder / "checkpoints").chmod(0o777)  # pods run as nobody
        (self.folder / "data" / "text.txt").write_text(some_text(), encoding="ascii")
        define_training_jobs()
        self.log = open(self.folder / "operator.log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.operator = self.start_operator()

    def start_operator(self):
        # A user of its own: the audit log tells its requests from ours.
        self.assertEqual(ask("user", OPERATOR), "ok")
        kubeconfig = Path(os.environ["BALLAST_CLUSTER"]) / f"{OPERATOR}.kubeconfig"
        flags = ["--kubeconfig", kubeconfig, "--image", IMAGE,
                 "--metrics-listen", "127.0.0.1:0", *self.flags]  # any port: two of them run here
        operator = subprocess.Popen([PROGRAMS / "ballast-operator", *flags], stderr=self.log)
        self.addCleanup(operator.wait, 30)
        self.addCleanup(operator.terminate)
        return operator

    def operator_metrics(self):
        self.log.flush()
        lines = (self.folder / "operator.log").read_text(encoding="utf-8").splitlines()
        address = next(json.loads(line)["metrics"] for line in lines if '"started"' in line)
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
            return answer.read().decode()

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

    def begin(self, name, steps, servers=None, workers=None, spec=None, schedule=None, namespace="default"):
        """Templates go over those that mount the job's folders."""
        made = job(name, "/data/text.txt", "/checkpoints", steps, schedule)
        made["metadata"]["namespace"] = namespace
        made["spec"]["servers"]["template"] = merged(
            host_volume("checkpoints", self.folder / "checkpoints", "/checkpoints"), servers or {})
        made["spec"]["workers"]["template"] = merged(
            host_volume("data", self.folder / "data", "/data"), workers or {})
        made["spec"].update(spec or {})
        self.apply(made)
        self.addCleanup(run, "kubectl", "delete", "tjob", name, f"--namespace={namespace}", "--ignore-not-found",
                        "--wait=false")

    def patch(self, name, spec):
        done = run("kubectl", "patch", "tjob", name, "--type=merge", "--patch", json.dumps({"spec": spec}))
        self.assertEqual(done.returncode, 0, done.stderr)

    def status(self, name):
        shown = run("kubectl", "get", "tjob", name, "--output=json")
        return json.loads(shown.stdout or "{}").get("status", {})

    def pods(self, name):
        shown = run("kubectl", "get", "pods", f"--selector=ballast.dev/job={name}", "--output=json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return json.loads(shown.stdout)["items"]

    def wait_until(self, what, condition):
        """The first value of condition() that is true."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.1)
        return self.fail(f"not within {LIMIT_SECONDS} s: {what}\n{self.told()}")

    def wait_for_pods(self, name, count):
        self.wait_until(f"{count} pods", lambda: len(self.pods(name)) == count)

    def suspend(self, name):
        """Has it come to rest; the step at which it stands."""
        self.patch(name, {"suspend": True})
        self.wait_for(name, "condition=Suspended")
        self.wait_for_pods(name, 0)
        return self.status(name)["step"]

    def condition(self, name, kind):
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                return condition
        return {}

    def wait_for_reason(self, name, kind, status, reason):
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            condition = self.condition(name, kind)
            if (condition.get("status"), condition.get("reason")) == (status, reason):
                return condition
            time.sleep(0.1)
        self.fail(f"{kind} is not {status} for {reason}:\n{self.told()}")

    def events(self, name):
        """Their reasons."""
        found = run("kubectl", "get", "events.events.k8s.io", "--output=json")
        self.assertEqual(found.returncode, 0, found.stderr)
        return {event["reason"] for event in json.loads(found.stdout)["items"] if event["regarding"]["name"] == name}

    def uid(self, kind, name):
        return run("kubectl", "get", kind, name, "--output=jsonpath={.metadata.uid}").stdout

    def wait_for(self, name, condition):
        waited = run("kubectl", "wait", f"--for={condition}", f"tjob/{name}", f"--timeout={LIMIT}")
        self.assertEqual(waited.returncode, 0, waited.stderr + self.told())

    def wait_for_step(self, name, step):
        """Until the status shows it, and the job has not yet ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            status = self.status(name)
            self.assertNotIn(status.get("state"), ("Succeeded", "Failed"), self.told())
            if status.get("step", 0) >= step:
                return
            time.sleep(0.1)
        self.fail(f"not at step {step}:\n{self.told()}")

    def assert_same_bits_as_a_local_run(self, name, steps, schedule=None, spec=None):
        path = self.folder / "local.json"
        made = job(name, self.folder / "data" / "text.txt", self.folder / "local", steps, schedule)
        made["spec"].update(spec or {})
        path.write_text(json.dumps(made), encoding="ascii")
        done = run(PROGRAMS / "ballast", "run", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.checksum(self.folder / "checkpoints", "cluster"),
                         self.checksum(self.folder / "local", "local"))
