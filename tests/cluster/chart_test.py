"""The chart on a real cluster: installed, tested, upgraded and uninstalled with jobs at work, in restricted namespaces.

chart_test.py, within a test cluster with helm and kubeconform (--with), whose nodes have the image
localhost/ballast:test with all programs (BALLAST_TEST_IMAGE and BALLAST_TEST_JOB_IMAGE name others).
"""

import json
import os
import tempfile
import time
import unittest
from pathlib import Path

import yaml
from commands import read, run, said
from schemas import LOCATION, write_schemas

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "ballast"
OPERATOR_IMAGE = os.environ.get("BALLAST_TEST_IMAGE") or "localhost/ballast:test"
JOB_IMAGE = os.environ.get("BALLAST_TEST_JOB_IMAGE") or OPERATOR_IMAGE
SYSTEM, JOBS = "ballast-system", "ballast-jobs"  # where the operator is, and where jobs are
LIMIT_SECONDS = 600
LIMIT = f"{LIMIT_SECONDS}s"
# An API server that checks owners (OwnerReferencesPermissionEnforcement) learns kinds every 30 s, and until then takes
# nothing that belongs to an object of a new one, whatever the rights. The operator tries again.
KIND_IS_NEW = "cannot find RESTMapping for APIVersion ballast.dev/v1alpha1 Kind TrainingJob"
OPERATORS = "--selector=app.kubernetes.io/name=ballast-operator"


def image_values():
    """As --set wants them."""
    for name, image in [("operator", OPERATOR_IMAGE), ("job", JOB_IMAGE)]:
        repository, _, tag = image.rpartition(":")
        yield f"--set=images.{name}.repository={repository}"
        yield f"--set-string=images.{name}.tag={tag}"


def helm(verb, *arguments, namespace=SYSTEM):
    return said("helm", verb, "ballast", f"--namespace={namespace}", *arguments)


def install(*arguments, namespace=SYSTEM):
    # The schema may be another release's, who left it there.
    helm("install", CHART, "--take-ownership", "--wait", f"--timeout={LIMIT}", *image_values(), *arguments,
         namespace=namespace)


def job(name, steps):
    """Restricted namespaces know no folders of nodes: the text is a config map, the checkpoints are one server's."""
    def mounting(volume, path):
        mounts = [{"name": volume["name"], "mountPath": path}]
        return {"spec": {"containers": [{"name": "main", "volumeMounts": mounts}], "volumes": [volume]}}

    return {
        "apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name},
        "spec": {
            "model": {"layers": 1, "heads": 2, "embedding": 32, "context": 32},
            "data": {"train": ["/data/text.txt"]},
            "training": {"steps": steps, "evaluation": {"batches": 1}},
            "servers": {"replicas": 1, "template": mounting({"name": "checkpoints", "emptyDir": {}}, "/checkpoints")},
            "workers": {"replicas": 2, "template": mounting(
                {"name": "text", "configMap": {"name": "text"}}, "/data")},
            "checkpoint": {"path": "/checkpoints"},
        },
    }


def make_namespace(name):
    labels = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")}
    said("kubectl", "apply", "--filename=-", given=json.dumps(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))
    text = "the quick brown fox jumps over a lazy dog. " * 200
    said("kubectl", "apply", f"--namespace={name}", "--filename=-", given=json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "text"}, "data": {"text.txt": text}}))


class Denied:
    """What the API server denies the chart's accounts, where the cluster keeps an audit log."""

    def __init__(self):
        self.log = Path(os.environ.get("BALLAST_CLUSTER", "/nowhere")) / "audit.log"
        self.accounts = tuple(f"system:serviceaccount:{namespace}:" for namespace in (SYSTEM, JOBS))
        self.seen = 0

    def since_last_time(self):
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        new, self.seen = lines[self.seen:], len(lines)
        denied = set()
        for request in map(json.loads, new):
            user, answer = request["user"]["username"], request.get("responseStatus", {})
            if user.startswith(self.accounts) and answer.get("code") == 403 and KIND_IS_NEW not in answer["message"]:
                denied.add(f"{user}: {request['verb']} {request['requestURI']}: {answer['message']}")
        return sorted(denied)


def lives(selector, namespace):
    """uid -> how often its containers were started again"""
    return {pod["metadata"]["uid"]: sum(state["restartCount"] for state in pod["status"].get("containerStatuses", []))
            for pod in read("pods", "", selector, f"--namespace={namespace}")["items"]}


class Chart(unittest.TestCase):
    maxDiff = None

    denied = Denied()

    @classmethod
    def setUpClass(cls):
        for namespace in (SYSTEM, JOBS):
            make_namespace(namespace)

    def tearDown(self):
        for namespace in (SYSTEM, JOBS):
            run("helm", "uninstall", "ballast", f"--namespace={namespace}", "--wait", "--ignore-not-found")
        run("kubectl", "delete", "tjob", "--all", f"--namespace={JOBS}")

    def uninstall(self, namespace=SYSTEM):
        """Whose rights go with it, so that an operator that ends may be denied something: asked before."""
        self.assertEqual(self.denied.since_last_time(), [], "rights that the chart does not give")
        helm("uninstall", "--wait", namespace=namespace)
        self.wait_until("the operators are gone", lambda: not lives(OPERATORS, namespace))
        self.denied.since_last_time()

    def told(self):
        """What a person would look at after a failure."""
        parts = []
        for command in [["get", "tjob,pods,events", "--all-namespaces", "-o", "wide"],
                        ["describe", "tjob", f"--namespace={JOBS}"],
                        ["logs", OPERATORS, "--tail=40", "--prefix", f"--namespace={SYSTEM}"],
                        ["logs", "--selector=ballast.dev/job", "--tail=20", "--prefix", f"--namespace={JOBS}"]]:
            done = run("kubectl", *command)
            parts.append(done.stdout[-6000:] + done.stderr)
        return "\n----\n".join(parts)

    def apply(self, made):
        said("kubectl", "apply", f"--namespace={JOBS}", "--filename=-", given=json.dumps(made))

    def wait_for_success(self, name):
        waited = run("kubectl", "wait", "--for=condition=Succeeded", f"tjob/{name}", f"--namespace={JOBS}",
                     f"--timeout={LIMIT}")
        self.assertEqual(waited.returncode, 0, waited.stderr + self.told())

    def wait_until(self, what, condition):
        deadline = time.monotonic() + LIMIT_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"not within {LIMIT}: {what}\n{self.told()}")
            time.sleep(0.1)

    def wait_for_step(self, name, step):
        """Until the status shows it, and the job has not yet ended."""
        def reached():
            status = read("tjob", name, f"--namespace={JOBS}").get("status", {})
            self.assertNotIn(status.get("state"), ("Succeeded", "Failed"), self.told())
            return status.get("step", 0) >= step

        self.wait_until(f"{name} is at step {step}", reached)

    def test_install_test_upgrade_uninstall(self):
        install()
        explained = said("kubectl", "explain", "trainingjob.spec.training.steps")
        self.assertRegex(explained, r"FIELD: steps <integer>[\s\S]*DESCRIPTION:\s+\w")
        self.assertIn("Succeeded", helm("test", f"--timeout={LIMIT}"))
        self.assertEqual(read("tjob", "", f"--namespace={SYSTEM}")["items"], [])  # it leaves nothing

        # It would train for days: whatever is done to the operator, it is at work.
        self.apply(job("long", 10**9))
        self.wait_until("all pods are there", lambda: len(self.pods_of("long")) == 3)
        self.wait_for_step("long", 1)
        before, operators = self.pods_of("long"), lives(OPERATORS, SYSTEM)
        helm("upgrade", CHART, "--wait", f"--timeout={LIMIT}", "--reuse-values", "--set=podAnnotations.round=two")
        self.wait_until("the old operators are gone", lambda: not set(operators) & set(lives(OPERATORS, SYSTEM)))
        self.assert_goes_on("long", before)

        self.uninstall()
        self.assertEqual(self.pods_of("long"), before, self.told())
        self.assertEqual(read("lease", "", f"--namespace={SYSTEM}")["items"], [])  # nobody waits for its end
        install("--set=test.steps=10")
        self.assert_goes_on("long", before)

        said("kubectl", "delete", "tjob", "long", f"--namespace={JOBS}", "--wait")
        gone = run("kubectl", "wait", "--for=delete", "pods,configmaps,secrets,services",
                   "--selector=ballast.dev/job", f"--namespace={JOBS}", f"--timeout={LIMIT}")
        self.assertEqual(gone.returncode, 0, gone.stderr + self.told())
        self.uninstall()

    def pods_of(self, name):
        return lives(f"--selector=ballast.dev/job={name}", JOBS)

    def assert_goes_on(self, name, pods):
        """An operator tells of new steps, and they are the same pods, none started again."""
        self.wait_for_step(name, read("tjob", name, f"--namespace={JOBS}")["status"]["step"] + 1)
        self.assertEqual(self.pods_of(name), pods, self.told())

    def test_one_namespace(self):
        install(f"--set=watchNamespace={JOBS}", namespace=JOBS)
        self.assertIn("Succeeded", helm("test", f"--timeout={LIMIT}", namespace=JOBS))
        # The README's job, which needs no volume of the cluster.
        said("kubectl", "apply", f"--namespace={JOBS}", "--filename", ROOT / "crds" / "examples" / "cluster.yaml")
        self.wait_for_success("cluster")
        self.uninstall(namespace=JOBS)

    def test_kubeconform_finds_nothing(self):
        said("kubectl", "apply", "--server-side", "--filename", ROOT / "crds" / "trainingjobs.yaml")
        made = said("helm", "template", "ballast", CHART, f"--namespace={SYSTEM}",
                    "--set=networkPolicy.egress.enabled=true", "--api-versions=monitoring.coreos.com/v1")
        kinds = {(each["apiVersion"], each["kind"]) for each in yaml.safe_load_all(made) if each}
        monitors = {(version, kind) for version, kind in kinds if version.startswith("monitoring.coreos.com/")}
        with tempfile.TemporaryDirectory() as folder:
            write_schemas(Path(folder), sorted(kinds - monitors))
            checking = ["kubeconform", "-strict", "-summary", f"-schema-location={folder}/{LOCATION}",
                        "-skip=ServiceMonitor,PodMonitor,PrometheusRule"]
            for what in [made, *[path.read_text(encoding="utf-8")
                                 for path in sorted((ROOT / "crds" / "examples").glob("*.yaml"))]]:
                self.assertRegex(said(*checking, given=what), r"Invalid: 0, Errors: 0, Skipped: [03]")
            wrong = made.replace("replicas: 2", "replica: 2")
            self.assertNotEqual(wrong, made)
            self.assertNotEqual(run(*checking, given=wrong).returncode, 0)


if __name__ == "__main__":
    unittest.main()
