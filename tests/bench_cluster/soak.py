"""An operator for a while, with an API server that fails: nothing may grow, and all jobs must end well.

python3 -B tests/cluster/cluster.py run --fake-nodes 2 -- python3 -B tests/cluster/fault_proxy.py \\
  python3 -B tests/bench_cluster/soak.py SECONDS [SEED]

Jobs come, train, end and are deleted all the while; every few seconds requests of the operator are broken in another
way, and sometimes the API server is killed. Prints memory, threads and descriptors over time.
"""

import json
import os
import random
import socket
import statistics
import sys
import time
import urllib.request
from pathlib import Path

from api import JOBS, job, wait_until
from operator_process import OperatorProcess
from world import World

NAMESPACE = "soak"
AT_ONCE = 20  # jobs
LOOK_EVERY_SECONDS = 5
FAULT_EVERY_SECONDS = 4
KILL_EVERY_SECONDS = 120
MATCHES = ["GET", "PUT", "POST", "DELETE", "PATCH", "watch=true", "limit=", "pods", "trainingjobs"]
FAULTS = [{"fault": "cut"}, {"fault": "half"}, {"fault": "garbage"}] + [
    {"fault": "status", "status": code} for code in (409, 410, 429, 500, 503)] + [
    {"fault": "status", "status": 429, "retryAfter": 1}]


def proxied(world):
    """A kubeconfig that leads through the proxy, which has rights of its own."""
    config = json.loads(Path(world.kubeconfig).read_text(encoding="ascii"))
    config["clusters"][0]["cluster"] = {"server": os.environ["BALLAST_PROXY"]}
    path = Path(os.environ["BALLAST_CLUSTER"]) / "proxied.kubeconfig"
    path.write_text(json.dumps(config), encoding="ascii")
    return path


def break_requests(faults):
    body = json.dumps(faults).encode()
    request = urllib.request.Request(os.environ["BALLAST_PROXY"] + "/faults", body, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def ask_cluster(request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["BALLAST_CLUSTER"] + "/control")
        connection.sendall(request.encode() + b"\n")
        answer = connection.makefile().read()
        if answer != "ok\n":
            raise RuntimeError(f"{request}: {answer}")


class Soak:
    def __init__(self, seconds, seed):
        self.seconds, self.random = seconds, random.Random(seed)
        self.world = World()
        self.world.namespace(NAMESPACE)
        self.operator = OperatorProcess(proxied(self.world))
        self.operator.wait_until_leading()
        self.looks, self.made, self.ended, self.broken, self.killed, self.breaks = [], 0, 0, 0, 0, False

    def jobs(self):
        return self.world.api.items(f"{JOBS}/namespaces/{NAMESPACE}/trainingjobs")

    def turn_jobs_over(self):
        """Those that have ended go, and others come."""
        present = self.jobs()
        for one in present:
            state = one.get("status", {}).get("state")
            if state in ("Succeeded", "Failed"):
                if state == "Failed":
                    raise AssertionError(f"{one['metadata']['name']} failed: {one['status']['conditions']}")
                self.world.api.must("DELETE", f"{JOBS}/namespaces/{NAMESPACE}/trainingjobs/{one['metadata']['name']}")
                self.ended += 1
        for _ in range(AT_ONCE - len(present)):
            self.made += 1
            steps = self.random.choice([1, 5, 30])
            self.world.api.apply_jobs([job(f"s{self.made}", NAMESPACE, 2, self.random.choice([1, 2, 4]), steps)])

    def break_something(self):
        """And lets it be every other time: who always meets a fault tries ever more rarely, as it should."""
        self.breaks = not self.breaks
        count = self.random.randint(1, 12) if self.breaks else 0
        self.broken += count
        break_requests([{**self.random.choice(FAULTS), "match": self.random.choice(MATCHES), "count": 1}
                        for _ in range(count)])

    def look(self):
        threads, descriptors = self.operator.counts()
        resident = self.operator.resident_bytes()
        if self.operator.get("/healthz") != "ok\n":
            raise AssertionError("the operator is not healthy")
        self.looks.append((resident, threads, descriptors))
        print(f"{len(self.looks) * LOOK_EVERY_SECONDS:>6} s  {resident / 1e6:7.1f} MB  {threads:>4} threads  "
              f"{descriptors:>4} descriptors  {self.made:>5} jobs made, {self.ended:>5} ended, "
              f"{self.broken:>5} requests broken, {self.killed} kills", flush=True)

    def run(self):
        begin = time.monotonic()
        due = {self.turn_jobs_over: 1, self.break_something: FAULT_EVERY_SECONDS, self.look: LOOK_EVERY_SECONDS,
               self.kill_the_server: KILL_EVERY_SECONDS}
        following = {what: begin + every for what, every in due.items()}
        while time.monotonic() < begin + self.seconds:
            what = min(following, key=following.get)
            time.sleep(max(0, following[what] - time.monotonic()))  # sleeps: until its time
            what()
            following[what] += due[what]
        break_requests([])
        wait_until("the end of all jobs", self.all_ended)
        wait_until("no pods", lambda: self.world.pods(NAMESPACE) == 0)

    def kill_the_server(self):
        ask_cluster("kill kube-apiserver")
        ask_cluster("start kube-apiserver")
        self.killed += 1

    def all_ended(self):
        present = self.jobs()
        for one in present:
            if one.get("status", {}).get("state") == "Succeeded":
                self.world.api.must("DELETE", f"{JOBS}/namespaces/{NAMESPACE}/trainingjobs/{one['metadata']['name']}")
        return not present

    def growth(self):
        """From the second quarter to the last, of each figure: before that caches fill."""
        quarter = len(self.looks) // 4
        early, late = self.looks[quarter:2 * quarter], self.looks[-quarter:]
        for index, (what, unit, allowed) in enumerate([("memory", 1e6, 0.1), ("threads", 1, 0.05),
                                                       ("descriptors", 1, 0.1)]):
            before, after = (statistics.median(look[index] for look in part) for part in (early, late))
            print(f"{what}: {before / unit:.1f} -> {after / unit:.1f} ({after / before - 1:+.1%})")
            if after > before * (1 + allowed) + 2 * unit:
                yield what


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    soak = Soak(seconds, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    try:
        soak.run()
        grown = list(soak.growth())
    finally:
        soak.world.end()
        soak.operator.stop()
    if grown:
        sys.exit(f"soak: {', '.join(grown)} grew")
    print(f"soak: nothing grew in {seconds} s; {soak.ended} jobs ended, {soak.broken} requests were broken")


if __name__ == "__main__":
    main()
