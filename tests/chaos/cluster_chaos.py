"""Chaos on pods: a TrainingJob in a test cluster loses processes, pods, operators and the API server by a seeded
schedule, and its parameters are those of `ballast run` of the same file, which nobody disturbs.

  make chaos-cluster SEED=7
  cluster_chaos.py --seed 7 [--kills 10] [--every 4] [--servers 3] [--workers 2]     within a test cluster

The faults: kill -9 of a container's process; a pod deleted by force; a process paused (SIGSTOP) until it was removed;
a node with one server, and whatever workers it has, cut off the network until the others have gone on without it; kill
-9 of the operator that leads, with another standing by; the API server killed and started again. One loss at a time:
the next comes when the job is whole again.

The job's steps grow while there are faults to come (its schedule has a length of its own), so that it does not matter
how fast the machine is. Prints, for each kind of fault, how long no step was committed; goodput (steps x their time
between the faults ÷ wall time); steps lost. The exit status is 0 only when all bits are the same, the job never went
back, and every fault of the schedule was made.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster_job import LIMIT_S, ClusterJob, kubectl, process_of
from figures import Stalls

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from ask import ask  # noqa: E402
from ballast_run import PROGRAMS, some_text  # noqa: E402
from commands import define_training_jobs  # noqa: E402
from training import IMAGE, host_volume  # noqa: E402  (how a pod reaches folders of the node)

NAME = "chaos"
STEPS_AHEAD = 400  # so far before the end the job is given more
REACH_MS = {f"coordinator {how}": 5000 for how in ("kill", "delete")}


def job(options, text, checkpoints, steps):
    return {
        "apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": NAME},
        "spec": {
            "model": {"layers": options.layers, "heads": 2, "embedding": options.embedding, "context": 32},
            "data": {"train": [str(text)]},
            "training": {"steps": steps, "seed": 7, "evaluation": {"everySteps": 0},
                         "schedule": {"name": "warmupCosine", "lengthSteps": 1_000_000}},
            "servers": {"replicas": options.servers, "replication": 2, "segmentElements": 4096},
            "workers": {"replicas": options.workers},
            "checkpoint": {"path": str(checkpoints), "everySteps": 2000},
            "backoffLimit": 1000,
        },
    }


class Operators:
    """One leads, one stands by."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.running = [self._start(), self._start()]  # (process, its log)

    def _start(self):
        self.count += 1
        log = self.folder / f"operator-{self.count}.log"
        with open(log, "wb") as stream:
            flags = ["--image", IMAGE, "--metrics-listen", "127.0.0.1:0"]  # any port: several of them run here
            return subprocess.Popen([PROGRAMS / "ballast-operator", *flags], stderr=stream), log

    def lease(self):
        """Who leads, and when they last said so."""
        text = kubectl("get", "lease", "ballast-operator", "--output=json", check=False)
        spec = json.loads(text)["spec"] if text else {}
        return spec.get("holderIdentity"), spec.get("renewTime")

    def kill_leader(self):
        """The other takes over, and a new one stands by."""
        holder, _ = self.lease()
        lost = next(one for one in self.running if holder and holder in one[1].read_text(errors="replace"))
        self.running.remove(lost)
        lost[0].kill()
        lost[0].wait()
        self.running.append(self._start())
        return holder

    def stop(self):
        for operator, _ in self.running:
            operator.kill()
            operator.wait()

    def told(self):
        return "".join(f"{log.name}:\n{log.read_text(errors='replace')[-3000:]}\n"
                       for log in sorted(self.folder.glob("operator-*.log")))


class ClusterChaos:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.random = random.Random(options.seed)
        self.stalls = Stalls()
        self.steps_wanted = 2 * STEPS_AHEAD
        self.calm = []  # milliseconds a step, between faults
        for name in ("data", "checkpoints", "local"):
            (folder / name).mkdir()
        (folder / "checkpoints").chmod(0o777)  # pods run as nobody
        (folder / "data" / "text.txt").write_text(some_text(), encoding="ascii")

    def begin(self):
        define_training_jobs()
        self.operators = Operators(self.folder)
        made = job(self.options, "/data/text.txt", "/checkpoints", self.steps_wanted)
        made["spec"]["servers"]["template"] = host_volume("checkpoints", self.folder / "checkpoints", "/checkpoints")
        made["spec"]["workers"]["template"] = host_volume("data", self.folder / "data", "/data")
        path = self.folder / "job.json"
        path.write_text(json.dumps(made), encoding="ascii")
        kubectl("create", "--filename", path)
        self.job = ClusterJob(NAME)
        self.job.wait_until("a whole job", self.whole)
        self.job.wait_for_step(1)  # before that the job may have no origin yet
        self.origin = self.job.record()["origin"]

    def whole(self, pods):
        return self.job.is_whole(pods, self.options.servers, self.options.workers)

    def keep_going(self):
        """More steps before the job comes to its end."""
        if self.job.steps.latest > self.steps_wanted - STEPS_AHEAD:
            self.steps_wanted += 2 * STEPS_AHEAD
            kubectl("patch", "tjob", NAME, "--type=merge", "--patch",
                    json.dumps({"spec": {"training": {"steps": self.steps_wanted}}}), check=False)

    def watch_for(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.keep_going()
            time.sleep(0.1)  # the load of this test; no condition

    # ---- faults ----

    def victim(self):
        kind = self.random.choice(["worker", "server", "coordinator"])
        coordinator = self.job.record()["coordinator"]["name"]
        if kind == "coordinator":
            return kind, coordinator
        if kind == "worker":
            return kind, f"worker-{self.random.randrange(self.options.workers)}"
        servers = [f"ps-{i}" for i in range(self.options.servers)]
        return kind, self.random.choice([name for name in servers if name != coordinator])

    def lose(self, how, kind, name):
        """A process or a pod; until another life has its place and the job is whole."""
        pod = self.job.pods()[name]
        process = process_of(pod["uid"])
        if process is None:
            raise AssertionError(f"{name}: no process of its pod {pod} is there")
        if how == "kill":
            os.kill(process, signal.SIGKILL)
        elif how == "pause":
            os.kill(process, signal.SIGSTOP)
        else:
            kubectl("delete", "pod", f"{NAME}-{name}", "--grace-period=0", "--force", "--wait=false")
        if how == "pause" and kind != "worker":
            self.until(f"{name} is no member", lambda pods: self.not_member(name, pod["uid"], pods))
        elif how == "pause":
            before = self.job.steps.latest
            self.until("steps without it", lambda _: self.job.steps.latest > before + 3)
        if how == "pause":
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)  # it comes back, and must harm nothing
        if how != "pause" or kind != "worker":
            self.until(f"another {name}", lambda pods: name in pods and pods[name]["uid"] != pod["uid"])

    def lose_node(self, node, server, uid):
        self.ask("cut", node)
        self.until(f"{server} on {node} is no member", lambda pods: self.not_member(server, uid, pods))
        before = self.job.steps.latest
        self.until(f"steps without {node}", lambda _: self.job.steps.latest > before + 20)
        self.ask("join", node)  # what lives there comes back, and must harm nothing

    def node_with_one_server(self):
        """(node, server, its pod's uid); None: replicas of a segment may be on one node, or there is only one."""
        pods = self.job.pods()
        servers = {}
        for name, pod in pods.items():
            if name.startswith("ps-"):
                servers.setdefault(pod["node"], []).append((name, pod["uid"]))
        alone = sorted((node, *found[0]) for node, found in servers.items() if len(found) == 1)
        return self.random.choice(alone) if len(servers) > 1 and alone else None

    def not_member(self, name, uid, pods):
        record = self.job.record()
        return (pods.get(name, {}).get("uid") != uid
                or record and name not in {member["name"] for member in record["members"]})

    def until(self, what, condition):
        return self.job.wait_until(what, lambda pods: (self.keep_going(), condition(pods))[1])

    def lose_operator(self):
        lost = self.operators.kill_leader()
        self.until("another operator that leads", lambda _: self.operators.lease()[0] not in (None, lost))

    def ask(self, verb, name):
        answer = ask(verb, name)
        if answer != "ok":
            raise AssertionError(f"{verb} {name}: {answer}")

    def lose_api_server(self):
        self.ask("kill", "kube-apiserver")
        before = self.job.steps.latest
        deadline = time.monotonic() + LIMIT_S
        while self.job.steps.latest < before + 20 and time.monotonic() < deadline:
            time.sleep(0.1)  # training goes on without it
        self.ask("start", "kube-apiserver")
        left_over = self.until("a lease", lambda _: (None, None) != self.operators.lease() and self.operators.lease())
        self.until("an operator that leads", lambda _: self.operators.lease() not in ((None, None), left_over))

    def make_fault(self):
        how = self.random.choice(["kill", "kill", "delete", "pause", "cut", "operator", "api server"])
        kind, name = self.victim()
        node = self.node_with_one_server()
        if how == "cut" and node is None:
            how = "kill"
        of_process = how in ("kill", "delete", "pause")
        label = f"{kind} {how}" if of_process else "node cut" if how == "cut" else how
        began, step = time.monotonic(), self.job.steps.latest
        if how == "operator":
            self.lose_operator()
        elif how == "api server":
            self.lose_api_server()
        elif how == "cut":
            self.lose_node(*node)
        else:
            self.lose(how, kind, name)
        self.until("a whole job", self.whole)
        after = self.job.steps.latest
        self.until("more steps", lambda _: self.job.steps.latest > after + 5)
        gap = self.job.steps.longest_gap_ms(began, time.monotonic())
        self.stalls.add(label, gap)
        what = f"{how} {name} ({kind})" if of_process else f"cut {node[0]} ({node[1]})" if how == "cut" else how
        print(f"  step {step}: {what}: {gap:.0f} ms without a committed step, whole after "
              f"{time.monotonic() - began:.1f} s", flush=True)

    # ---- the end ----

    def checksum(self, checkpoints, name):
        target = self.folder / f"export-{name}"
        subprocess.run([PROGRAMS / "ballast", "export", checkpoints, target], check=True, capture_output=True)
        return hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()

    def undisturbed(self):
        path = self.folder / "local.json"
        path.write_text(json.dumps(job(self.options, self.folder / "data" / "text.txt", self.folder / "local",
                                       self.steps_wanted)), encoding="ascii")
        subprocess.run([PROGRAMS / "ballast", "run", path], check=True, capture_output=True)
        return self.checksum(self.folder / "local", "local")

    def report(self, seconds, steps):
        for line in self.stalls.lines(REACH_MS):
            print(line)
        record = self.job.record()
        if self.calm:
            step_ms = statistics.median(self.calm)
            print(f"goodput            {steps * step_ms / seconds / 10:.1f} % over {seconds:.0f} s, a step of "
                  f"{step_ms:.1f} ms between the faults")
        back = record["origin"] != self.origin
        lost = self.steps_wanted - record["progress"]["step"]
        print(f"steps              {record['progress']['step']} committed, {lost} lost, "
              f"{'WENT BACK to a checkpoint' if back else 'never back'}")
        ours, theirs = self.checksum(self.folder / "checkpoints", "cluster"), self.undisturbed()
        print(f"undisturbed        {theirs}")
        print(f"after {self.options.kills:3} faults   {ours}  {'the same' if ours == theirs else 'DIFFERENT'}",
              flush=True)
        return ours == theirs and lost == 0 and not back

    def run(self):
        print(f"seed {self.options.seed}: pods of {self.options.servers} servers, {self.options.workers} workers, "
              f"replication 2, {self.options.kills} faults, one every {self.options.every} s", flush=True)
        self.begin()
        began, first = time.monotonic(), self.job.steps.latest
        for _ in range(self.options.kills):
            calm_since = time.monotonic()
            self.watch_for(self.options.every)
            step_ms = self.job.steps.step_ms(calm_since, time.monotonic())
            if step_ms is not None:
                self.calm.append(step_ms)
            self.make_fault()
        seconds, steps = time.monotonic() - began, self.job.steps.latest - first
        kubectl("wait", "--for=condition=Succeeded", f"tjob/{NAME}", f"--timeout={LIMIT_S}s")
        return self.report(seconds, steps)

    def close(self):
        if hasattr(self, "job"):
            self.job.steps.stop()
        if hasattr(self, "operators"):
            self.operators.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=10, help="faults in all")
    parser.add_argument("--every", type=float, default=4, help="seconds between the end of one and the next")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-cluster-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        chaos = ClusterChaos(options, folder)
        try:
            return 0 if chaos.run() else 1
        except BaseException:
            if hasattr(chaos, "operators"):
                print(chaos.operators.told(), file=sys.stderr)
            raise
        finally:
            chaos.close()


if __name__ == "__main__":
    sys.exit(main())
