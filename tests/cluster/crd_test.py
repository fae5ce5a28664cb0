"""The schema of TrainingJobs on a real API server: refuses what `ballast validate` refuses, with the same reasons.

crd_test.py, with KUBECONFIG of a cluster that may be used for tests and BALLAST_PROGRAMS (a folder with `ballast`).
"""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from commands import define_training_jobs
from jobs import BAD, CHANGES, GOOD, job

ROOT = Path(__file__).resolve().parents[2]
BALLAST = Path(os.environ.get("BALLAST_PROGRAMS") or ROOT / "build" / "release" / "bin") / "ballast"
NAMESPACE = f"ballast-crd-test-{os.getpid()}"


def kubectl(*arguments, given=None):
    return subprocess.run(["kubectl", "--namespace", NAMESPACE, *arguments], input=given, capture_output=True,
                          text=True, check=False)


def create(made, *arguments):
    return kubectl("create", "--filename=-", "--validate=strict", *arguments, given=json.dumps(made))


def validate(made):
    # A job in JSON is one in YAML, too.
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(made, file)
        file.flush()
        return subprocess.run([BALLAST, "validate", file.name], capture_output=True, text=True, check=False)


class Schema(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        define_training_jobs()
        made = kubectl("create", "namespace", NAMESPACE)
        if made.returncode != 0:
            raise AssertionError(made.stderr)

    @classmethod
    def tearDownClass(cls):
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")

    def test_good_jobs_are_good_for_both(self):
        for what, changes in GOOD.items():
            with self.subTest(what):
                made = job(changes)
                self.assertEqual(validate(made).returncode, 0, validate(made).stdout + validate(made).stderr)
                created = create(made, "--dry-run=server", "--output=json")
                self.assertEqual(created.returncode, 0, created.stderr)
                # With the server's defaults it is a good job, still: what `ballast` reads back from a cluster.
                stored = json.loads(created.stdout)
                self.assertEqual(validate(stored).returncode, 0, validate(stored).stdout + validate(stored).stderr)

    def test_bad_jobs_are_bad_for_both(self):
        for what, (changes, field, words) in BAD.items():
            with self.subTest(what):
                made = job(changes)
                ours = validate(made)
                self.assertEqual(ours.returncode, 2, ours.stdout + ours.stderr)
                theirs = create(made, "--dry-run=server")
                self.assertNotEqual(theirs.returncode, 0, "the API server takes it")
                for who, said in [("ballast validate", ours.stdout + ours.stderr), ("the API server", theirs.stderr)]:
                    for word in [field, *words]:
                        self.assertIn(word, said, f"{who} does not say it")

    def test_what_may_change(self):
        for number, (what, (before, changes, field, words)) in enumerate(CHANGES.items()):
            with self.subTest(what):
                name = {"metadata.name": f"change-{number}"}
                created = create(job({**name, **before}))
                self.assertEqual(created.returncode, 0, created.stderr)
                after = json.dumps(job({**name, **before, **changes}))
                changed = kubectl("replace", "--filename=-", given=after)
                if field is None:
                    self.assertEqual(changed.returncode, 0, changed.stderr)
                else:
                    self.assertNotEqual(changed.returncode, 0, "the API server takes it")
                    for word in [field, *words]:
                        self.assertIn(word, changed.stderr)

    def test_every_field_is_described(self):
        explained = kubectl("explain", "tjob", "--recursive", "--output=plaintext-openapiv2")
        self.assertEqual(explained.returncode, 0, explained.stderr)
        for field in ["gradientClip", "segmentElements", "observedGeneration"]:
            self.assertIn(field, explained.stdout)

        def undescribed(schema, path):
            for name, value in schema.get("properties", {}).items():
                if "description" not in value and path and path[0] != "metadata" and name != "metadata":
                    yield ".".join([*path, name])
                yield from undescribed(value, [*path, name])
            if "items" in schema:
                yield from undescribed(schema["items"], [*path, "[]"])

        stored = json.loads(kubectl("get", "crd/trainingjobs.ballast.dev", "--output=json").stdout)
        schema = stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self.assertEqual(list(undescribed(schema, [])), [])

    def test_columns_and_scale(self):
        made = create(job({"metadata.name": "columns"}))
        self.assertEqual(made.returncode, 0, made.stderr)
        shown = kubectl("get", "tjob", "columns").stdout.split("\n")[0].split()
        self.assertEqual(shown, ["NAME", "STATE", "STEP", "LOSS", "TOKENS/S", "WORKERS", "SERVERS", "AGE"])
        scaled = kubectl("scale", "tjob/columns", "--replicas=3")
        self.assertEqual(scaled.returncode, 0, scaled.stderr)
        self.assertEqual(kubectl("get", "tjob/columns", "--output=jsonpath={.spec.workers.replicas}").stdout, "3")
        too_many = kubectl("scale", "tjob/columns", "--replicas=9")
        self.assertIn("minReplicas to maxReplicas", too_many.stderr)


if __name__ == "__main__":
    unittest.main()
