"""What policies bring to pods that are held back: a worker with half a core, one with too little memory, a server
with a tenth and with a fiftieth of a core.

python3 -B tests/cluster/cluster.py run --nodes 1 --image IMAGE -- python3 -B tests/bench_cluster/bench_policies.py

IMAGE is localhost/ballast:test (see tests/cluster/images.py). Never fails because of time.
"""

import re
import statistics
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
            {"type": "Container", "default": {"cpu": limit}, "defaultRequest": {"cpu": "10m"}}]}})
        self.addCleanup(run, "kubectl", "delete", "limitrange", "tight", "--ignore-not-found")

    def hold_back(self, pod, limit):
        """Its next life has so much of a core."""
        self.limit_cpu(limit)
        uid = self.uid("pod", pod)
        self.assertEqual(run("kubectl", "delete", "pod", pod, "--grace-period=0", "--force").returncode, 0)
        self.wait_until(f"another {pod}", lambda: self.uid("pod", pod) not in ("", uid))

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
        self.hold_back(f"{name}-worker-1", "500m")
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

    def begin_with_a_slow_server(self, name, limit, balance):
        """Four servers, of which the last comes back with so little of a core; steps of so few tokens that servers are
        most of them."""
        self.limit_cpu("1")
        self.begin(name, FOREVER, spec={
            "model": {"layers": 4, "heads": 4, "embedding": 192, "context": 32},
            "policy": {**OFF, "serverBalance": balance}, "workers": {"replicas": 1, "template": host_volume(
                "data", self.folder / "data", "/data")},
            "training": {"steps": FOREVER, "seed": 7, "batch": 4, "microbatches": 4,
                         "schedule": {"lengthSteps": 4000}, "evaluation": {"everySteps": 0}},
            "servers": {"replicas": 4, "segmentElements": 16384, "template": host_volume(
                "checkpoints", self.folder / "checkpoints", "/checkpoints")}})
        self.wait_for_step(name, 1)
        self.hold_back(f"{name}-ps-3", limit)
        self.wait_until("it is primary again, or is to be of nothing", lambda: (
            balance.get("weights", {}).get("ps-3") == 0 or self.primaries(name)[3] > 0))
        self.wait_for(name, "condition=Degraded=False")

    def primaries(self, name):
        try:
            return [int(self.metrics(f"{name}-ps-{index}")["ballast_primary_segments"]) for index in range(4)]
        except (OSError, KeyError):
            return [0] * 4  # one is not there yet

    def held(self, name):
        """Segments of each, primaries and backups."""
        return [int(self.metrics(f"{name}-ps-{index}")["ballast_segments"]) for index in range(4)]

    def steps(self, name, seconds):
        """How long each took that ended within so much time."""
        took, step, since = [], None, None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = self.worker(name, 0)["step"]
            if now != step:
                if since is not None:
                    took.append((time.monotonic() - since) / (now - step))
                step, since = now, time.monotonic()
        return took

    def fixed(self, name, limit, weight):
        """The median step where the slow one has this weight, and the others 6."""
        self.begin_with_a_slow_server(name, limit, {"method": "weighted", "weights": {
            "ps-0": 6, "ps-1": 6, "ps-2": 6, "ps-3": weight}})
        median = statistics.median(self.steps(name, SECONDS))
        print(f"{name}: primaries {self.primaries(name)}, segments {self.held(name)}, a step takes {median:.3f} s",
              flush=True)
        run("kubectl", "delete", "tjob", name, "--timeout=120s")
        return median

    def test_a_server_with_a_tenth_of_a_core(self):
        self.move_away_from_a_server_with("100m")

    def test_a_server_with_a_fiftieth_of_a_core(self):
        self.move_away_from_a_server_with("20m")

    def move_away_from_a_server_with(self, limit):
        medians = {weight: self.fixed(f"fixed-{weight}", limit, weight) for weight in (6, 3, 1, 0)}
        self.begin_with_a_slow_server("moved", limit, {})
        before, took, placed = self.primaries("moved"), [], 0
        # Two looks in a row, of longer than a change lasts that another must not follow sooner: nothing moves any more.
        while placed < 2:
            took += self.steps("moved", 75)
            after = self.primaries("moved")
            placed, before = (placed + 1, after) if after == before else (0, after)
            print(f"moved: primaries {after}, segments {self.held('moved')}", flush=True)
        median = statistics.median(self.steps("moved", SECONDS))
        run("kubectl", "delete", "tjob", "moved", "--timeout=120s")
        # The machine may have become faster or slower meanwhile: the best is looked at before and after.
        best = min(medians, key=medians.get)
        ideal = (medians[best] + self.fixed(f"again-{best}", limit, best)) / 2
        print(f"moved: a step takes {median:.3f} s, {median / ideal:.2f}x the best of the fixed ones, before and after "
              f"(reach 1.15), {median / medians[6]:.2f}x an even placement; the longest step meanwhile "
              f"{max(took):.3f} s, {max(took) / medians[6]:.2f}x what one took before anything moved (reach 2), "
              f"{max(took) / statistics.median(took):.2f}x the median of all", flush=True)

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
