"""The operator at scale on a real API server, with nodes that only pretend.

python3 -B tests/cluster/cluster.py run --fake-nodes 14 --audit -- \\
  python3 -B tests/bench_cluster/bench_operator.py [LINE...]

LINE: one-job, writes, burst, crowd, finished; default: all. Prints what was measured beside what is wished for.
Stamps of creates are the API server's own, from its audit log: from a job's create until its last pod's is answered.
"""

import signal
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from api import JOBS, job, wait_until
from audit import Audit, seconds
from operator_process import USER, OperatorProcess
from world import World, environment_of_machine

FOREVER = 10**6  # steps
RUNS = 3


def tell(what, measured, reach):
    print(f"{what:<58} {measured:<52} {reach}", flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def until_last_pod(world, jobs, namespace, pods):
    """From the first job's create until the last pod's is answered."""
    audit = Audit()
    world.api.apply_jobs(jobs)
    world.wait_for_pods(pods, namespace)
    first = audit.creates("trainingjobs", {namespace})[0][0]
    return max(answered for _, answered in audit.creates("pods", {namespace})) - first


def beside_plain(world, name, count, servers, workers, runs):
    """[(ours, plain)]; the first of each warms the API server up and is not counted."""
    namespace, pairs = world.namespace(name), []
    pods = count * (servers + workers)
    for number in range(runs + 1):
        jobs = [job(f"{name}{number}-{i}", namespace, servers, workers, FOREVER) for i in range(count)]
        ours = until_last_pod(world, jobs, namespace, pods)
        bare = list(world.bare_pods(namespace, f"{name}-plain"))
        world.delete_jobs(namespace)
        pairs.append((ours, world.plain_create(bare, f"{name}-plain")))
        world.delete_pods(f"{name}-plain")
    return pairs[1:]


def tell_pairs(what, pairs, reach):
    ratio = statistics.median(ours / plain for ours, plain in pairs)
    runs = ", ".join(f"{ours:.1f}/{plain:.1f} s" for ours, plain in pairs)
    tell(what, f"{ratio:.2f}x ({runs})", reach)


def one_job(world):
    world.start_operator()
    tell_pairs("1 job of 10 servers + 1,000 workers / plain create",
               beside_plain(world, "one", 1, 10, 1000, RUNS), "<= 1.2x")
    world.operator.stop()


def burst(world):
    world.start_operator()
    tell_pairs("100 jobs x (2 + 8) / plain create", beside_plain(world, "burst", 100, 2, 8, RUNS), "<= 1.5x")
    world.operator.stop()


def state_of(one):
    return one.get("status", {}).get("state")


def writes(world):
    """Of jobs of several sizes, until they have succeeded."""
    world.start_operator()
    for servers, workers, steps in ((1, 1, 3), (2, 8, 3), (2, 98, 3), (2, 8, 30)):
        namespace = world.namespace(f"writes-{servers + workers}-{steps}")
        audit, begin = Audit(), time.time()
        world.api.apply_jobs([job("w", namespace, servers, workers, steps)])
        path = f"{JOBS}/namespaces/{namespace}/trainingjobs/w"
        wait_until("the end", lambda path=path: state_of(world.api.must("GET", path)) == "Succeeded")
        took, made = time.time() - begin, audit.writes(USER, {namespace})
        counted = {}
        for verb, what, code in made:
            counted[f"{verb} {what} {code}"] = counted.get(f"{verb} {what} {code}", 0) + 1
        reach = servers + workers + 16 + int(took / 10)
        tell(f"writes of a job of {servers + workers} pods in {took:.0f} s", f"{len(made)} {counted}", f"<= {reach}")
        world.delete_jobs(namespace)
    world.operator.stop()


class Probes(threading.Thread):
    """One more small job every second, and how long its pods took."""

    def __init__(self, world):
        super().__init__(daemon=True)
        self.world, self.stop, self.number = world, threading.Event(), 0

    def run(self):
        while not self.stop.wait(1):
            namespace = self.world.namespace(f"probe-{self.number}")
            self.world.api.apply_jobs([job("p", namespace, 2, 8, FOREVER)])
            self.number += 1

    def finish(self, audit):
        """Seconds of each."""
        self.stop.set()
        self.join()
        names = [f"probe-{i}" for i in range(self.number)]
        for name in names:
            self.world.wait_for_pods(10, name)
        jobs, pods = audit.creates_by_namespace("trainingjobs"), audit.creates_by_namespace("pods")
        return [max(answered for _, answered in pods[name]) - jobs[name][0][0] for name in names]


class PlainProbes(threading.Thread):
    """What the API server itself needs for a small job: every second the requests that one takes until its last pod,
    in the operator's order, from somebody who decides nothing."""

    def __init__(self, world, sample):
        super().__init__(daemon=True)
        self.world, self.stop, self.took = world, threading.Event(), []
        of = f"/api/v1/namespaces/{sample}"
        self.surroundings = [(kind, world.api.items(f"{of}/{kind}?labelSelector=ballast.dev/job")[0])
                             for kind in ("services", "configmaps")]
        self.status = world.api.items(f"{JOBS}/namespaces/{sample}/trainingjobs")[0]["status"]
        self.pods = list(world.bare_pods(sample, sample))

    def once(self, namespace, pool):
        def create(kind, body, name):
            made = {**body, "metadata": {"name": name, "labels": body["metadata"].get("labels", {})}}
            if kind == "services":
                made["spec"] = {key: body["spec"][key] for key in ("selector", "ports")} | {"clusterIP": "None"}
            self.world.api.must("POST", f"/api/v1/namespaces/{namespace}/{kind}", made)
        begin = time.monotonic()
        path = f"{JOBS}/namespaces/{namespace}/trainingjobs"
        made = self.world.api.must("POST", path, job("p", namespace, 2, 8, FOREVER))
        self.world.api.must("PUT", f"{path}/p/status", {**made, "status": self.status})
        list(pool.map(lambda one: create(one[0], one[1], "p"), self.surroundings))
        list(pool.map(lambda pod: create("pods", pod, pod["metadata"]["name"]), self.pods))
        self.took.append(time.monotonic() - begin)

    def run(self):
        with ThreadPoolExecutor(10) as pool:
            while not self.stop.wait(1):
                self.once(self.world.namespace(f"plain-probe-{len(self.took)}"), pool)

    def finish(self):
        self.stop.set()
        self.join()
        return self.took


def crowd(world):
    """1,000 jobs of 10 pods, and what the operator does and needs while they are there."""
    operator = world.start_operator()
    namespace, audit = world.namespace("crowd"), Audit()
    probes = Probes(world)
    jobs = [job(f"c{i}", namespace, 2, 8, FOREVER) for i in range(1000)]
    probes.start()
    world.api.apply_jobs(jobs)
    world.wait_for_pods(10_000, namespace)
    took = probes.finish(audit)
    applied = audit.creates("trainingjobs", {namespace})
    all_pods = max(answered for _, answered in audit.creates("pods", {namespace})) - applied[0][0]
    request = [answered - received for received, answered in audit.creates("pods", {namespace})]
    tell("1,000 jobs x (2 + 8)", f"{all_pods:.1f} s; jobs applied in {applied[-1][1] - applied[0][0]:.1f} s",
         f"a create took p50 {percentile(request, .5):.3f} s, p99 {percentile(request, .99):.3f} s")
    tell("one more small job meanwhile, apply -> its last pod", f"p50 {percentile(took, .5):.2f} s, "
         f"p99 {percentile(took, .99):.2f} s of {len(took)}", "p50 <= 0.3 s, p99 <= 1 s + the API server's")
    # kwok, and what controllers do for each pod that begins to run, keep both CPUs busy for minutes.
    wait_until("all pods run", world.all_run, every=5, patience=1800)
    settle(world, operator)
    there = 1000 + probes.number
    tell(f"memory at {there:,} jobs / {10 * there:,} pods", f"{operator.resident_bytes() / 1e6:.0f} MB", "<= 200 MB")
    tell("CPU there, jobs running", f"{cpu_share(operator, 20):.1%} of a CPU", "")
    tell("writes a second there, jobs running", f"{writes_a_second(20):.1f}", "<= 20 of progress")
    lose_pods(world, namespace)
    restart(world)
    change_leader(world)
    pods = list(world.bare_pods(namespace, "crowd-plain"))
    world.operator.stop()
    plain = PlainProbes(world, "probe-0")
    world.delete_jobs(namespace)
    for number in range(probes.number):
        world.delete_jobs(f"probe-{number}")
    plain.start()
    took_plain = world.plain_create(pods, "crowd-plain")
    needs = plain.finish()
    world.delete_pods("crowd-plain")
    for number in range(len(needs)):
        world.delete_jobs(f"plain-probe-{number}")
    tell("the same 10,000 pods by a plain create", f"{took_plain:.1f} s", "")
    tell("the requests of one more small job meanwhile", f"p50 {percentile(needs, .5):.2f} s, p99 "
         f"{percentile(needs, .99):.2f} s of {len(needs)}", "what the API server itself needs")


def settle(world, operator):
    """Until it has nothing to do: for three looks in a row no write, and nothing that waits."""
    quiet, before = 0, -1
    deadline = time.monotonic() + 300
    while quiet < 3 and time.monotonic() < deadline:
        now = sum_of_writes(operator)
        quiet = quiet + 1 if now - before <= 5 else 0
        before = now
        time.sleep(2)  # sleeps: between two looks
    if quiet < 3:
        print(f"  it still wrote after 300 s: {before:.0f} writes in all", flush=True)


def sum_of_writes(operator):
    return sum(float(line.rsplit(" ", 1)[1]) for line in operator.get("/metrics").splitlines()
               if line.startswith("rest_client_requests_total{") and 'method="GET"' not in line
               and 'method="PUT"' not in line)


def writes_a_second(for_seconds):
    """Of the operator, to statuses."""
    audit = Audit()
    time.sleep(for_seconds)  # sleeps: this long is measured
    return sum(1 for event in audit.requests() if event["user"]["username"] == USER and event["verb"] == "update"
               and event["objectRef"].get("subresource") == "status") / for_seconds


def cpu_share(operator, for_seconds):
    before, begin = operator.cpu_seconds(), time.monotonic()
    time.sleep(for_seconds)  # sleeps: this long is measured
    return (operator.cpu_seconds() - before) / (time.monotonic() - begin)


def lose_pods(world, namespace):
    """Each is deleted by hand, one after the other; the replacement is a create of the same name."""
    took = []
    for number in range(100):
        audit = Audit()
        path = f"/api/v1/namespaces/{namespace}/pods/c{number}-worker-3"
        uid = world.api.must("GET", path)["metadata"]["uid"]
        world.lose_pod(path)

        def replaced(path=path, uid=uid):
            status, pod = world.api.ask("GET", path)
            return status == 200 and pod["metadata"]["uid"] != uid
        wait_until("a replacement", replaced, 0.01)
        created = wait_until("its line in the audit log", lambda audit=audit: audit.creates("pods", {namespace}))
        deleted = [seconds(event["stageTimestamp"]) for event in audit.requests()
                   if event["verb"] == "delete" and event["objectRef"].get("name") == f"c{number}-worker-3"]
        took.append(created[0][1] - deleted[0])
    tell("pod lost -> its replacement is created", f"p50 {percentile(took, .5):.3f} s, "
         f"p99 {percentile(took, .99):.3f} s of 100", "p99 <= 1 s")


def restart(world):
    """Until a new job has its first pod: then everything is known and decided."""
    world.operator.stop()
    namespace, audit = world.namespace("restarted"), Audit()
    world.api.apply_jobs([job("r", namespace, 1, 1, FOREVER)])
    began = time.time()
    operator = world.start_operator()
    ready = time.time() - began
    world.wait_for_pods(2, namespace)
    first = audit.creates("pods", {namespace})[0][1] - began
    settle(world, operator)
    idle = [one for one in audit.writes(USER, {"crowd"}) if one[1] != "trainingjobs/status"]
    tell("restart of the operator there -> first correct reconcile",
         f"{first:.2f} s (ready after {ready:.2f} s)", "<= 3 s")
    kinds = ", ".join(f"{idle.count(kind)} {' '.join(map(str, kind))}" for kind in sorted(set(idle), key=str))
    tell("  writes to the 1,000 jobs' objects but their progress", f"{len(idle)} {kinds}", "0")
    world.delete_jobs(namespace)


def change_leader(world):
    for number, what, reach in ((signal.SIGTERM, "SIGTERM", "<= 2 s"), (signal.SIGKILL, "kill -9", "<= 17 s")):
        standby = OperatorProcess(world.kubeconfig)
        wait_until("it stands by", lambda standby=standby: standby.get("/readyz"))
        namespace, audit = world.namespace(f"after-{number.name.lower()}"), Audit()
        begin = time.time()
        world.operator.process.send_signal(number)
        world.operator.process.wait(60)
        world.api.apply_jobs([job("l", namespace, 1, 1, FOREVER)])
        world.wait_for_pods(2, namespace)
        took = audit.creates("pods", {namespace})[0][1] - begin
        tell(f"leader lost by {what} -> the other creates a pod", f"{took:.2f} s", reach)
        world.operator = standby
        world.delete_jobs(namespace)


def finished(world):
    """10,000 jobs that are over, and one that is new."""
    operator = world.start_operator()
    before = new_job(world, "before")
    namespace = world.namespace("finished")
    world.api.apply_jobs([job("sample", namespace, 1, 1, 1)])
    path = f"{JOBS}/namespaces/{namespace}/trainingjobs"
    wait_until("the sample's end", lambda: state_of(world.api.must("GET", f"{path}/sample")) == "Succeeded")
    status = world.api.must("GET", f"{path}/sample")["status"]
    operator.stop()

    def finish(body):
        made = world.api.must("POST", path, body)
        world.api.must("PUT", f"{path}/{body['metadata']['name']}/status", {**made, "status": status})
    threads = [threading.Thread(target=lambda part=part: [finish(job(f"f{i}", namespace, 1, 1, 1)) for i in part])
               for part in (range(first, 10_000, 16) for first in range(16))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operator = world.start_operator()
    settle(world, operator)
    share = cpu_share(operator, 30)
    after = new_job(world, "after")
    tell("10,000 finished jobs: a new job's pods, before / with them", f"{before:.3f} / {after:.3f} s", "no delay")
    tell("  idle CPU / memory", f"{share:.2%} / {operator.resident_bytes() / 1e6:.0f} MB", "< 1 %")
    operator.stop()
    world.delete_jobs(namespace)


def new_job(world, name):
    """The median of seconds until all pods of a small job are created."""
    took = []
    for number in range(7):
        namespace = world.namespace(f"new-{name}-{number}")
        took.append(until_last_pod(world, [job("n", namespace, 1, 1, FOREVER)], namespace, 2))
        world.delete_jobs(namespace)
    return statistics.median(took)


LINES = {"one-job": one_job, "writes": writes, "burst": burst, "crowd": crowd, "finished": finished}


def main():
    wanted = sys.argv[1:] or list(LINES)
    print(f"on {environment_of_machine()}", flush=True)
    world = World()
    try:
        for name in wanted:
            begin = time.monotonic()
            LINES[name](world)
            print(f"  {name}: {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        world.end()


if __name__ == "__main__":
    main()
