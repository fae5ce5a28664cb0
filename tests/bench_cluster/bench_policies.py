"""What policies bring to pods that are held back: a worker with half a core, one with too little memory.

python3 -B tests/cluster/cluster.py run --nodes 1 --image IMAGE -- python3 -B tests/bench_cluster/bench_policies.py

IMAGE is localhost/ballast:test (see tests/cluster/images.py). Never fails because of time.
"""

import re
import sys
import time
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
from training import TrainingCase, host_volume, run  # noqa: E402  (of the cluster's tests)

FOREVER = 10**6  # steps
MICROBATCHES = 16
SECONDS = 60  # of each measurement
OFF = {"workerBalance": {"mode": "off"}, "serverBalance": {"mode": "off"}, "straggler": {"mode": "off"}}
METRICS_PORT = 9600


def ideal_step_seconds(speeds):
    """Of the best whole shares of two workers."""
    return min(max(first / speeds[0], (MICROBATCHES - first) / speeds[1]) for first in range(1, MICROBATCHES))


class Policies(TrainingCase):
    def metrics(self, pod):
        address = run("kubectl", "get", "pod", pod, "--output=jsonpath={.status.podIP}").stdout
        with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.M)}

    def worker(self, name, index):
        seen = self.metrics(f"{name}-worker-{index}")
        return {"step": seen["ballast_worker_step"], "microbatches": seen["ballast_worker_microbatches_total"],
                "assigned": seen["ballast_worker_assigned_microbatches"],
                "computing": seen['ballast_worker_time_seconds_total{part="compute"}']}

    def at_a_new_step(self, name):
        """Right after a step began: when, and what both workers tell."""
        before = self.worker(name, 0)["step"]
        self.wait_until("a step", lambda: self.worker(name, 0)["step"] > before)
        return time.monotonic(), self.worker(name, 0), self.worker(name, 1)

    def measure(self, name):
        """Seconds of a step, and microbatches each worker computes in a second of computing."""
        begin, *before = self.at_a_new_step(name)
        self.wait_until("time", lambda: time.monotonic() - begin >= SECONDS)
        end, *after = self.at_a_new_step(name)
        seconds = (end - begin) / (after[0]["step"] - before[0]["step"])
        speeds = [(now["microbatches"] - then["microbatches"]) / (now["computing"] - then["computing"])
                  for then, now in zip(before, after)]
        return seconds, speeds, [int(one["assigned"]) for one in after]

    def limit_cpu(self, limit):
        """Of containers that begin from now on and whose templates have none."""
        self.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": [
            {"type": "Container", "default": {"cpu": limit}, "defaultRequest": {"cpu": "50m"}}]}})
        self.addCleanup(run, "kubectl", "delete", "limitrange", "tight", "--ignore-not-found")

    def begin_held_back(self, name, policy):
        """Two workers with a core each, of which one comes back with half."""
        self.limit_cpu("1")
        self.begin(name, FOREVER, schedule={"lengthSteps": 4000}, spec={
            "model": {"layers": 6, "heads": 6, "embedding": 192, "context": 128}, "policy": policy,
            "training": {"steps": FOREVER, "seed": 7, "batch": 4 * MICROBATCHES, "microbatches": MICROBATCHES,
                         "schedule": {"lengthSteps": 4000}, "evaluation": {"everySteps": 0}},
            "servers": {"replicas": 1, "template": host_volume("checkpoints", self.folder / "checkpoints",
                                                               "/checkpoints")}})
        self.wait_for_step(name, 1)
        self.limit_cpu("500m")
        pod = f"{name}-worker-1"
        uid = self.uid("pod", pod)
        self.assertEqual(run("kubectl", "delete", "pod", pod, "--grace-period=0", "--force").returncode, 0)
        self.wait_until(f"another {pod}", lambda: self.uid("pod", pod) not in ("", uid))
        self.wait_until("it is given work", lambda: self.given(name, 1) > 0)
        return self.worker(name, 0)["step"]

    def given(self, name, index):
        try:
            return self.worker(name, index)["assigned"]
        except (OSError, KeyError):
            return 0  # not there yet

    def test_a_worker_with_half_a_core(self):
        for name, policy in (("plain", OFF), ("balanced", {})):
            begun = self.begin_held_back(name, policy)
            if policy != OFF:
                # Half as fast: the best shares are 11 and 5, and one more or less costs 3 to 9 %.
                self.wait_until("shares", lambda name=name: 10 <= self.given(name, 0) <= 12)
                print(f"{name}: {self.given(name, 0):.0f} of {MICROBATCHES} microbatches for the faster one "
                      f"{self.worker(name, 0)['step'] - begun:.0f} steps after the other came back (reach 20)")
            seconds, speeds, assigned = self.measure(name)
            ideal = ideal_step_seconds(speeds)
            print(f"{name}: {assigned[0]} and {assigned[1]} microbatches, {speeds[0]:.1f} and {speeds[1]:.1f} a second;"
                  f" a step takes {seconds:.3f} s, the ideal for those speeds {ideal:.3f} s: {ideal / seconds:.1%} of "
                  f"its tokens/s{' (reach 92 %)' if policy != OFF else ''}", flush=True)
            run("kubectl", "delete", "tjob", name, "--timeout=120s")

    def test_a_worker_with_too_little_memory(self):
        limit = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"memory": "48Mi"}}}]}}
        self.begin("hungry", FOREVER, workers=limit, schedule={"lengthSteps": 4000}, spec={
            "model": {"layers": 4, "heads": 4, "embedding": 256, "context": 64},
            "policy": {"memory": {"factorPercent": 1000, "cap": "2Gi"}}})
        killed, ready = {}, {}

        def look():
            now = time.monotonic()
            for pod in self.pods("hungry"):
                name = pod["metadata"]["name"]
                for container in pod.get("status", {}).get("containerStatuses", []):
                    if container.get("state", {}).get("terminated", {}).get("reason") == "OOMKilled":
                        killed.setdefault(name, now)
                    elif name in killed and container.get("state", {}).get("running") and container.get("ready"):
                        ready.setdefault(name, now)
            return len(ready) == 2

        self.wait_until("both workers run with more memory", look)
        took = [ready[name] - killed[name] for name in sorted(ready)]
        print("out-of-memory kill until the replacement is ready: "
              f"{', '.join(f'{seconds:.1f} s' for seconds in took)} (reach 10 s)", flush=True)


if __name__ == "__main__":
    unittest.main()
