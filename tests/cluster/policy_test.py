"""Policies of a job on a real cluster: a worker that is throttled gets less of each step, workers come and go within
their bounds, servers are lost meanwhile, and the parameters are those of a run without policies, bit for bit.

policy_test.py, within a test cluster of one node that has the image localhost/ballast:test (see images.py).
"""

import json
import re
import unittest
import urllib.request

from training import TrainingCase, host_volume, run

FOR_EVER = 10**6  # steps: a test ends it by suspending the job
LENGTH = {"lengthSteps": 4000}
# Large enough that computing is most of a step.
MODEL = {"model": {"layers": 4, "heads": 4, "embedding": 96, "context": 64}}
NO_POLICY = {"policy": {"workerBalance": {"mode": "off"}, "serverBalance": {"mode": "off"},
                        "straggler": {"mode": "off"}}}
METRICS_PORT = 9600


class Policies(TrainingCase):
    def plan(self, name):
        return json.loads(self.status(name).get("authority", {}).get("record", "{}")).get("plan", {})

    def metrics(self, pod):
        address = run("kubectl", "get", "pod", pod, "--output=jsonpath={.status.podIP}").stdout
        with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/metrics", timeout=60) as answer:
            return answer.read().decode()

    def assigned(self, pod):
        return int(re.search(r"^ballast_worker_assigned_microbatches (\d+)", self.metrics(pod), re.M).group(1))

    def decisions(self, **labels):
        """Counted by the operator so far."""
        text = self.operator_metrics()
        found = re.findall(r"^ballast_policy_decisions_total\{(.*)\} (\d+)$", text, re.M)
        self.assertTrue(found, text)
        return sum(int(count) for have, count in found
                   if all(f'{name}="{value}"' in have for name, value in labels.items()))

    def audit(self):
        """The decisions that the operator has logged, each with its numbers."""
        self.log.flush()
        lines = (self.folder / "operator.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(json.loads(line)["decision"]) for line in lines if '"policy decided"' in line]

    def throttle(self, pod, limit):
        """Its next life has this CPU limit, which the namespace sets where templates have none; later ones do not."""
        self.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [
            {"type": "Container", "default": {"cpu": limit}, "defaultRequest": {"cpu": "10m"}}]}})
        self.addCleanup(run, "kubectl", "delete", "limitrange", "tight", "--ignore-not-found")
        self.lose(pod)
        path = "{.spec.containers[0].resources.limits.cpu}"
        self.assertEqual(run("kubectl", "get", "pod", pod, f"--output=jsonpath={path}").stdout, limit)
        self.assertEqual(run("kubectl", "delete", "limitrange", "tight").returncode, 0)

    def lose(self, pod):
        uid = self.uid("pod", pod)
        self.assertEqual(run("kubectl", "delete", "pod", pod, "--grace-period=0", "--force").returncode, 0)
        self.wait_until(f"another {pod}", lambda: self.uid("pod", pod) not in ("", uid))

    def primaries(self, pod):
        return int(re.search(r"^ballast_primary_segments (\d+)", self.metrics(pod), re.M).group(1))

    def test_what_is_throttled_gets_less_and_no_bit_changes(self):
        """All policies as they are by default."""
        workers = {"replicas": 2, "minReplicas": 1, "maxReplicas": 3,
                   "template": host_volume("data", self.folder / "data", "/data")}
        self.begin("balanced", FOR_EVER, spec={**MODEL, "workers": workers}, schedule=LENGTH)
        self.wait_for_step("balanced", 1)
        self.throttle("balanced-worker-1", "60m")
        shares = self.wait_until("worker-0 is given more than worker-1", lambda: (
            lambda given: given.get("worker-0", 0) > given.get("worker-1", 9) and given)(
                self.plan("balanced").get("workerShares", {})))
        print(f"shares {shares}", flush=True)
        self.wait_until("the workers follow", lambda: (
            self.assigned("balanced-worker-0") > self.assigned("balanced-worker-1")))
        self.assertEqual(sum(shares.values()), 8)
        self.assertIn("SpeedsDiffer", self.events("balanced"))
        self.assertGreater(self.decisions(policy="workerBalance", action="change"), 0)
        audited = [one for one in self.audit() if one["policy"] == "workerBalance" and one["carriedOut"]]
        # The first one may only have given a worker that came late its first microbatches.
        self.assertTrue(any("speed.worker-1" in one["inputs"] for one in audited), audited)

        self.lose("balanced-worker-1")  # its next life may take what it needs: nobody waits for it, but for servers
        self.throttle("balanced-ps-1", "30m")
        wanted = self.wait_until("ps-1 is relieved", lambda: (
            lambda wanted: wanted.get("ps-0", 0) > wanted.get("ps-1", 0) and wanted)(
                self.plan("balanced").get("serverShares", {})))
        print(f"primaries {wanted}", flush=True)
        self.wait_until("the servers follow", lambda: (
            self.primaries("balanced-ps-0") > self.primaries("balanced-ps-1")))
        self.assertIn("HotServer", self.events("balanced"))

        self.lose("balanced-ps-1")
        self.wait_for("balanced", "condition=Running")
        self.wait_for("balanced", "condition=Degraded=False")
        beyond = run("kubectl", "scale", "tjob/balanced", "--replicas=4")
        self.assertIn("minReplicas to maxReplicas", beyond.stderr)
        self.assertEqual(run("kubectl", "scale", "tjob/balanced", "--replicas=3").returncode, 0)
        self.wait_for_pods("balanced", 5)
        self.wait_for("balanced", "condition=Scaling=False")
        step = self.suspend("balanced")
        self.assert_same_bits_as_a_local_run("balanced", step, LENGTH, {**MODEL, **NO_POLICY})

    def test_the_number_of_workers_is_tried_until_somebody_else_decides_on_it(self):
        workers = {"replicas": 1, "minReplicas": 1, "maxReplicas": 3,
                   "template": host_volume("data", self.folder / "data", "/data")}
        self.begin("climbs", FOR_EVER, schedule=LENGTH, spec={
            **MODEL, "workers": workers, "policy": {"workers": {"mode": "act"}, "serverBalance": {"mode": "off"}}})
        desired = self.wait_until("more workers are tried", lambda: (
            lambda number: number > 1 and number)(self.status("climbs").get("workers", {}).get("desired", 0)))
        self.assertLessEqual(desired, 3)
        self.wait_for_pods("climbs", 2 + desired)
        self.assertIn("TryMore", self.events("climbs"))
        replicas = run("kubectl", "get", "tjob", "climbs", "--output=jsonpath={.spec.workers.replicas}").stdout
        self.assertEqual(replicas, "1", "the spec is the user's")

        self.apply({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "climbs"},
                    "spec": {"scaleTargetRef": {"apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob",
                                                "name": "climbs"}, "minReplicas": 1, "maxReplicas": 3}})
        self.addCleanup(run, "kubectl", "delete", "hpa", "climbs", "--ignore-not-found")
        told = self.wait_for_reason("climbs", "PoliciesHeld", "True", "HorizontalAutoscaler")
        self.assertIn("workerCount", told["message"])
        self.assertEqual(self.status("climbs")["workers"]["desired"], 1, "its own wish is withdrawn")
        self.wait_for_pods("climbs", 3)
        step = self.suspend("climbs")
        self.assert_same_bits_as_a_local_run("climbs", step, LENGTH, {**MODEL, **NO_POLICY})

    def test_a_worker_that_needs_more_memory_gets_it(self):
        # Of 3.3 million parameters a worker holds five times 13 MiB and more.
        model = {"model": {"layers": 4, "heads": 4, "embedding": 256, "context": 64}}
        limit = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"memory": "48Mi"}}}]}}
        self.begin("hungry", FOR_EVER, workers=limit, schedule=LENGTH,
                   spec={**model, "policy": {"memory": {"factorPercent": 1000, "cap": "2Gi"}}})
        self.wait_for("hungry", "condition=Running")
        self.wait_for_step("hungry", 1)
        self.assertEqual(self.status("hungry")["memory"]["worker-0"], "480Mi")
        self.assertLessEqual({"OOMKilled", "OutOfMemory"}, self.events("hungry"))
        limits = run("kubectl", "get", "pod", "hungry-worker-0",
                     "--output=jsonpath={.spec.containers[0].resources.limits.memory}").stdout
        self.assertEqual(limits, "480Mi")
        step = self.suspend("hungry")
        self.assert_same_bits_as_a_local_run("hungry", step, LENGTH, model)


if __name__ == "__main__":
    unittest.main()
