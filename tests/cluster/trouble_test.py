"""What becomes of a TrainingJob when a cluster does not do what it wants, and how its life ends.

trouble_test.py, within a test cluster of two nodes that have the image localhost/ballast:test (see images.py).
"""

import json
import os
import re
import time
import unittest

from ask import ask
from training import IMAGE, LIMIT, OPERATOR, PROGRAMS, TrainingCase, host_volume, merged, run

FOR_EVER = 10**6  # steps: a test ends it by suspending the job
LENGTH = {"lengthSteps": 4000}
CHANGING = ("create", "update", "patch", "delete")


class Trouble(TrainingCase):
    def test_an_image_that_is_missing_is_told_and_can_be_mended(self):
        broken = {"spec": {"containers": [{"name": "main", "image": "localhost/none:1", "imagePullPolicy": "Never"}]}}
        self.begin("pull", 20, servers=broken)
        condition = self.wait_for_reason("pull", "Running", "False", "ErrImageNeverPull")
        self.assertIn("pull", condition["message"])
        self.assertRegex(condition["message"], "^ps-[01]: ")
        self.assertEqual(self.status("pull")["restarts"], 0, "waiting is no failure")
        self.assertIn("ErrImageNeverPull", self.events("pull"))
        # What to do about it: suspend, mend the template, go on.
        image = {"spec": {"containers": [{"name": "main", "image": IMAGE, "imagePullPolicy": "Never"}]}}
        mended = merged(host_volume("checkpoints", self.folder / "checkpoints", "/checkpoints"), image)
        for patch in [{"suspend": True}, {"servers": {"template": mended}}, {"suspend": False}]:
            self.patch("pull", patch)
            if patch.get("suspend"):
                self.wait_for("pull", "condition=Suspended")
        self.wait_for("pull", "condition=Succeeded")

    def test_a_job_that_no_node_can_take_says_so(self):
        self.begin("nowhere", 20, servers={"spec": {"nodeSelector": {"disk": "of-gold"}}})
        condition = self.wait_for_reason("nowhere", "Running", "False", "Unschedulable")
        self.assertIn("nodes", condition["message"])
        self.assertEqual(run("kubectl", "delete", "tjob", "nowhere", f"--timeout={LIMIT}").returncode, 0)

    def test_an_eviction_is_no_failure_of_the_job(self):
        self.begin("evicted", FOR_EVER, schedule=LENGTH, spec={"backoffLimit": 0})
        self.wait_for_step("evicted", 1)
        for pod in ("evicted-ps-1", "evicted-worker-0"):
            uid = self.uid("pod", pod)
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction",
                        "metadata": {"name": pod, "namespace": "default"}}
            path = self.folder / "eviction.json"
            path.write_text(json.dumps(eviction), encoding="ascii")
            done = run("kubectl", "create", "--raw", f"/api/v1/namespaces/default/pods/{pod}/eviction", "-f", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.wait_until(f"another {pod}", lambda pod=pod, uid=uid: self.uid("pod", pod) not in ("", uid))
            self.wait_for("evicted", "condition=Running")
            self.wait_for("evicted", "condition=Degraded=False")
        step = self.suspend("evicted")
        self.assert_same_bits_as_a_local_run("evicted", step, LENGTH)

    def test_a_process_that_cannot_start_fails_the_job(self):
        def with_command(*command):
            return {"spec": {"containers": [{"name": "main", "command": list(command)}]}}

        self.begin("nothing", 20, workers=with_command("/no/such/program"), spec={"backoffLimit": 1})
        self.assertIn("worker-", self.wait_for_reason("nothing", "Failed", "True", "BackoffLimitExceeded")["message"])
        # Which no other start can help.
        self.begin("misread", 20, workers=with_command("/usr/bin/ballast-worker", "--no-such-flag"))
        self.assertIn("worker-", self.wait_for_reason("misread", "Failed", "True", "BadConfiguration")["message"])

    def test_a_namespace_goes_with_the_jobs_in_it(self):
        self.assertEqual(run("kubectl", "create", "namespace", "doomed").returncode, 0)
        self.addCleanup(run, "kubectl", "delete", "namespace", "doomed", "--ignore-not-found", "--wait=false")
        self.begin("doomed", FOR_EVER, namespace="doomed")
        ready = run("kubectl", "wait", "--for=condition=Running", "tjob/doomed", "--namespace=doomed",
                    f"--timeout={LIMIT}")
        self.assertEqual(ready.returncode, 0, ready.stderr + self.told())
        done = run("kubectl", "delete", "namespace", "doomed", f"--timeout={LIMIT}")
        self.assertEqual(done.returncode, 0, done.stderr + self.told())
        self.assertIsNone(self.operator.poll(), "the operator lives")
        self.begin("after", 20)
        self.wait_for("after", "condition=Succeeded")

    def test_a_quota_is_told_and_waited_for(self):
        quota = run("kubectl", "create", "quota", "few", "--hard=pods=3")
        self.assertEqual(quota.returncode, 0, quota.stderr)
        self.addCleanup(run, "kubectl", "delete", "quota", "few", "--ignore-not-found")
        self.begin("poor", 20)
        condition = self.wait_for_reason("poor", "Created", "False", "QuotaExceeded")
        self.assertIn("exceeded quota: few", condition["message"])
        run("kubectl", "delete", "quota", "few")
        self.wait_for("poor", "condition=Created")
        self.wait_for("poor", "condition=Succeeded")

    def test_what_is_somebody_elses_is_left_alone(self):
        theirs = run("kubectl", "run", "taken-worker-1", f"--image={IMAGE}", "--image-pull-policy=Never",
                     "--command", "--", "sleep", "1000")
        self.assertEqual(theirs.returncode, 0, theirs.stderr)
        uid = self.uid("pod", "taken-worker-1")
        self.begin("taken", 2000)
        condition = self.wait_for_reason("taken", "Created", "False", "NameTaken")
        self.assertIn("taken-worker-1", condition["message"])
        self.wait_for_step("taken", 1)  # the others train
        self.assertEqual(self.uid("pod", "taken-worker-1"), uid)
        run("kubectl", "delete", "pod", "taken-worker-1", "--now")
        self.wait_for("taken", "condition=Running")

    def test_suspend_resume_and_scale_change_no_bit(self):
        self.begin("moved", FOR_EVER, schedule=LENGTH)
        self.wait_for_step("moved", 50)
        scaled = run("kubectl", "scale", "tjob/moved", "--replicas=3")
        self.assertEqual(scaled.returncode, 0, scaled.stderr)
        self.wait_for_pods("moved", 5)
        self.wait_for("moved", "condition=Scaling=False")
        self.assertRegex(self.told_by_ballast("moved"), r"^moved: trains, step \d+ of 1000000, loss \d")
        logs = run("kubectl", "logs", "moved-ps-0").stdout.splitlines()
        self.assertTrue(logs and all("message" in json.loads(line) for line in logs), logs)
        step = self.suspend("moved")
        self.assertIn(f"moved: suspended, step {step} of", self.told_by_ballast("moved"))
        self.assertNotEqual(self.status("moved").get("lastCheckpoint", ""), "")
        self.patch("moved", {"suspend": False, "servers": {"replicas": 3}})
        self.wait_for_step("moved", step + 50)
        step = self.suspend("moved")
        self.assert_same_bits_as_a_local_run("moved", step, LENGTH)
        self.assertLessEqual({"Scaling", "Suspended", "Resumed", "Running"}, self.events("moved"))

    def test_a_node_that_dies_costs_no_bit(self):
        spread = {"spec": {"topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"ballast.dev/job": "node", "ballast.dev/role": "worker"}}}]}}
        self.begin("node", FOR_EVER, workers=spread, schedule=LENGTH)
        self.wait_for_step("node", 1)
        nodes = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in self.pods("node")}
        self.assertNotEqual(nodes["node-ps-0"], nodes["node-ps-1"], "servers keep apart")
        self.addCleanup(ask, "start", "node2")
        self.assertEqual(ask("kill", "node2"), "ok")
        self.wait_for_reason("node", "Restarting", "True", "NodeNotReady")
        self.wait_for("node", "condition=Running")
        self.wait_for("node", "condition=Degraded=False")
        self.assertEqual({pod["spec"]["nodeName"] for pod in self.pods("node")}, {"node1"})
        step = self.suspend("node")
        self.assert_same_bits_as_a_local_run("node", step, LENGTH)
        self.assertIn("NodeNotReady", self.events("node"))

    def test_the_end_of_a_job_and_what_it_costs(self):
        self.begin("short", 20)
        self.wait_for("short", "condition=Succeeded")
        shown = run("kubectl", "get", "tjob", "short", "--output=wide").stdout
        for column in ("Succeeded", "20"):
            self.assertIn(column, shown)
        self.assertRegex(self.status("short").get("loss", ""), r"^\d+\.\d+$")
        self.assertIn("Succeeded", self.events("short"))
        writes = self.writes_until_succeeded("short")
        self.assertLessEqual(len(writes), 4 + 16, writes)
        self.wait_until("the operator rests", self.no_turn_for_a_while)
        self.patch("short", {"ttlSecondsAfterFinished": 0})
        gone = run("kubectl", "wait", "--for=delete", "tjob/short", f"--timeout={LIMIT}")
        self.assertEqual(gone.returncode, 0, gone.stderr + self.told())
        nothing = run(PROGRAMS / "ballast", "status", "short", "--namespace=default")
        self.assertEqual(nothing.returncode, 2)
        self.assertIn("TrainingJob short of namespace default", nothing.stderr)

    def no_turn_for_a_while(self):
        def turns():
            return re.findall(r"^workqueue_adds_total.* (\d+)$", self.operator_metrics(), re.M)

        before = turns()
        self.assertTrue(before)
        time.sleep(3)  # sleeps: this long is measured
        return turns() == before

    def told_by_ballast(self, name):
        done = run(PROGRAMS / "ballast", "status", name, "--namespace=default")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def writes_until_succeeded(self, name):
        """Requests of the operator that were to change something of this job, and not its Lease."""
        counted = []
        with open(os.path.join(os.environ["BALLAST_CLUSTER"], "audit.log"), encoding="utf-8") as lines:
            for line in lines:
                request = json.loads(line)
                what = request.get("objectRef", {})
                if request["user"]["username"] != OPERATOR or request["verb"] not in CHANGING:
                    continue
                if what.get("resource") == "leases" or not what.get("name", name).startswith(name):
                    continue
                counted.append(f"{request['verb']} {what.get('resource')}/{what.get('subresource', '')}")
                if counted[-1] == "delete pods/":
                    break
        return counted


if __name__ == "__main__":
    unittest.main()
