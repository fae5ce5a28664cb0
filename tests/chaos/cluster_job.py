"""A TrainingJob in a test cluster as chaos sees it: its pods and their processes, its status, its steps.

The steps are those that the servers' own metrics tell, asked several times a second: what an operator or an API server
that is down cannot hide. Runs within the cluster (tests/cluster/cluster.py run), whose pods' addresses can be reached
and whose processes can be seen.
"""

import json
import re
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

LIMIT_S = 180
ASK_EVERY_S = 0.05
METRICS_PORT = 9600


def kubectl(*words, check=True):
    done = subprocess.run(["kubectl", *map(str, words)], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


class Steps:
    """Follows the committed steps of the pods at these addresses; a thread of its own."""

    def __init__(self):
        self.addresses = set()
        self.latest = 0
        self.commits = []  # (time, steps), whenever the number was seen to grow
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        while not self._stop.wait(ASK_EVERY_S):
            for address in list(self.addresses):
                step = step_at(address)
                if step is not None and step > self.latest:
                    self.latest = step
                    self.commits.append((time.monotonic(), step))

    def longest_gap_ms(self, since, until):
        """Between two times at which steps were seen: from the last one before `since`."""
        before = [at for at, _ in self.commits if at <= since][-1:]
        times = before + [at for at, _ in self.commits if since < at <= until]
        return max((1000 * (b - a) for a, b in zip(times, times[1:])), default=0)

    def step_ms(self, since, until):
        """Mean time of a step."""
        seen = [commit for commit in self.commits if since <= commit[0] <= until]
        if len(seen) < 2 or seen[-1][1] == seen[0][1]:
            return None
        return 1000 * (seen[-1][0] - seen[0][0]) / (seen[-1][1] - seen[0][1])

    def stop(self):
        self._stop.set()
        self._thread.join()


def step_at(address):
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=0.5) as answer:
            found = re.search(r"^ballast_step (\S+)$", answer.read().decode(), re.M)
    except OSError:
        return None  # it is gone, or paused
    return int(float(found.group(1))) if found else None


class ClusterJob:
    def __init__(self, name):
        self.name = name
        self.steps = Steps()

    def get(self):
        """None: the API server does not answer."""
        text = kubectl("get", "tjob", self.name, "--output=json", check=False)
        return json.loads(text) if text else None

    def record(self):
        """What the status says of members, terms and origins."""
        job = self.get()
        text = ((job or {}).get("status") or {}).get("authority", {}).get("record")
        return json.loads(text) if text else None

    def condition(self, kind):
        conditions = ((self.get() or {}).get("status") or {}).get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == kind), None)

    def pods(self):
        """By the name within the job, as "ps-0"; the servers' metrics are followed from then on."""
        text = kubectl("get", "pods", f"--selector=ballast.dev/job={self.name}", "--output=json", check=False)
        if not text:
            return {}
        pods = {}
        for pod in json.loads(text)["items"]:
            pods[pod["metadata"]["name"].removeprefix(self.name + "-")] = {
                "uid": pod["metadata"]["uid"], "phase": pod["status"].get("phase"),
                "address": pod["status"].get("podIP"), "node": pod["spec"].get("nodeName"),
                "leaving": "deletionTimestamp" in pod["metadata"]}
        self.steps.addresses = {f"{pod['address']}:{METRICS_PORT}" for name, pod in pods.items()
                                if name.startswith("ps-") and pod["address"]}
        return pods

    def wait_until(self, what, condition):
        deadline = time.monotonic() + LIMIT_S
        while True:
            pods = self.pods()
            found = condition(pods)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {LIMIT_S} s; pods {json.dumps(pods, indent=1)}\n"
                                     f"status {json.dumps((self.get() or {}).get('status'), indent=1)}")
            time.sleep(0.2)  # between two looks at a condition

    def wait_for_step(self, step):
        self.wait_until(f"step {step}", lambda _: self.steps.latest >= step)

    def is_whole(self, pods, servers, workers):
        """Every pod runs, every server is a member, every segment has its replicas."""
        names = [f"ps-{i}" for i in range(servers)] + [f"worker-{i}" for i in range(workers)]
        if not all(pods.get(name, {}).get("phase") == "Running" and not pods[name]["leaving"] for name in names):
            return False
        job = self.get()
        status = (job or {}).get("status") or {}
        if "authority" not in status:
            return False
        record = json.loads(status["authority"]["record"])
        degraded = next((c["status"] for c in status["conditions"] if c["type"] == "Degraded"), None)
        return (len(record["members"]) == servers and not record["removed"] and degraded != "True"
                and status["workers"]["ready"] == workers and status["servers"]["ready"] == servers)


def process_of(uid):
    """The process id of a pod's ballast program: its control group tells whose it is."""
    marks = (uid, uid.replace("-", "_"))
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            group = (folder / "cgroup").read_text()
            command = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue  # it has just ended
        if any(mark in group for mark in marks) and Path(command.decode()).name.startswith("ballast-"):
            return int(folder.name)
    return None
