"""A TrainingJob on a real cluster: applied, trained by pods, and its parameters those of `ballast run`, bit for bit.

operator_test.py, within a test cluster whose nodes have the image localhost/ballast:test (see images.py).
"""

import unittest

from ask import ask
from training import TrainingCase, run


class Operator(TrainingCase):
    def test_pods_train_what_ballast_run_trains(self):
        self.begin("e2e", 40)
        self.wait_for("e2e", "condition=Succeeded")
        self.assertIn("Succeeded", run("kubectl", "get", "tjob", "e2e").stdout)
        self.assert_same_bits_as_a_local_run("e2e", 40)

        # Whoever deletes the job deletes all that was made for it.
        self.assertEqual(run("kubectl", "delete", "tjob", "e2e", "--wait").returncode, 0)
        gone = run("kubectl", "wait", "--for=delete", "pods,configmaps,secrets", "--selector=ballast.dev/job=e2e",
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
        uid = self.uid("pod", name)
        done = run("kubectl", "delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
        self.assertEqual(done.returncode, 0, done.stderr + self.told())
        self.assertNotEqual(uid, "")
        return uid


if __name__ == "__main__":
    unittest.main()
