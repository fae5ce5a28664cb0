"""Checkpoints of TrainingJobs on a volume that only servers see: read back, deleted, gone on from.

checkpoints_test.py, with KUBECONFIG of a cluster whose nodes have the image of tests/cluster/images.py and see the
folders of this machine, and BALLAST_PROGRAMS (a folder with `ballast-operator` and `ballast`).
"""

import json
import unittest

from training import TrainingCase, run

STEPS = 1200
EVERY = 200


class Checkpoints(TrainingCase):
    def begin_with_checkpoints(self, name, spec=None, **checkpoint):
        given = {"path": "/checkpoints", "everySteps": EVERY, **checkpoint}
        self.begin(name, STEPS, spec={"checkpoint": given, **(spec or {})})

    def complete(self):
        """The folders of complete checkpoints, by step."""
        found = [path.parent for path in (self.folder / "checkpoints").glob("step-*/manifest.json")]
        return sorted(found, key=lambda path: int(path.name.split("-")[1]))

    def wait_for_checkpoints(self, count):
        self.wait_until(f"{count} checkpoints", lambda: len(self.complete()) >= count)

    def record(self, name):
        return json.loads(self.status(name)["authority"]["record"])

    def events(self, name, reason):
        shown = run("kubectl", "get", "events", "--output=json",
                    f"--field-selector=involvedObject.name={name},reason={reason}")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        return [event["message"] for event in json.loads(shown.stdout)["items"]]

    def delete(self, name):
        done = run("kubectl", "delete", "tjob", name)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.wait_for_pods(name, 0)

    def test_as_many_are_kept_as_the_spec_says_and_all_of_them_were_read(self):
        self.begin_with_checkpoints("kept", keep=2)
        self.wait_for("kept", "condition=Succeeded")
        # The servers go when everything was read and deleted.
        self.wait_until("no pod runs", lambda: not [
            pod for pod in self.pods("kept") if pod["status"]["phase"] == "Running"])
        left = [path.name for path in self.complete()]
        self.assertEqual([int(name.split("-")[1]) for name in left], [STEPS - EVERY, STEPS], self.told())
        everything = sorted(path.name for path in (self.folder / "checkpoints").glob("step-*"))
        self.assertEqual(everything, sorted(left), "what was begun is gone, too")
        record = self.record("kept")
        self.assertEqual([(entry["directory"], entry["verified"]) for entry in record["checkpoints"]],
                         [(f"/checkpoints/{name}", True) for name in left])
        self.assertEqual(record["deletable"], [])

    def test_a_job_made_anew_goes_on_from_the_newest_that_is_whole(self):
        self.begin_with_checkpoints("again", keep=10)
        self.wait_for_checkpoints(2)
        self.delete("again")
        *_, before, newest = self.complete()
        part = max(newest.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
        self.begin_with_checkpoints("again", keep=10, resume=True)
        self.wait_for("again", "condition=Succeeded")
        self.assertIn(f"training goes on from /checkpoints/{before.name}", self.events("again", "GoesOn"), self.told())
        damaged = self.events("again", "CheckpointDamaged")
        self.assertEqual(len(damaged), 1, damaged)
        self.assertIn(f"/checkpoints/{newest.name}/{part.name}", damaged[0])
        self.assert_same_bits_as_a_local_run("again", STEPS)
        # One of another model is refused by the name of the field.
        self.delete("again")
        self.begin_with_checkpoints("again", spec={"model": {"layers": 3, "heads": 2, "embedding": 32, "context": 32}},
                                    resume=True)
        self.wait_for("again", "condition=Failed")
        failed = [each for each in self.status("again")["conditions"] if each["type"] == "Failed"][0]
        self.assertEqual((failed["reason"], failed["message"]),
                         ("Refused", "spec.checkpoint.resume: spec.model.layers is 3, "
                                     "but the checkpoint is of a model with 2"))

    def test_all_replicas_lost_the_job_returns_to_what_is_whole(self):
        self.begin_with_checkpoints("lost")
        self.wait_for_checkpoints(1)
        killed = run("kubectl", "delete", "pod", "lost-ps-0", "lost-ps-1", "--force", "--grace-period=0")
        self.assertEqual(killed.returncode, 0, killed.stderr)
        self.wait_until("it went back", lambda: self.events("lost", "WentBack"))
        self.wait_for("lost", "condition=Succeeded")
        record = self.record("lost")
        self.assertIn("/checkpoints/step-", record["restoreFrom"])
        self.assert_same_bits_as_a_local_run("lost", STEPS)


if __name__ == "__main__":
    unittest.main()
