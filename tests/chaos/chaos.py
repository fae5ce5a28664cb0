"""Chaos on a real run: kills and pauses its processes by a seeded schedule, and compares the parameters with
those of a run that nobody disturbed.

  python3 tests/chaos/chaos.py --seed 7 [--runs 10] [--kills 12] [--every 2] [--servers 3] [--workers 2]
      [--cuts 0.3] [--slow-disk 200] [--kill-run]

--runs plays as many seeds, one after the other, and prints the figures of all of them at the end.

With --cuts each process has a network namespace of its own (root is needed), and that share of the faults cuts a
process off, in one direction or both, until the others have gone on without it. --slow-disk delays every sync of a
checkpoint. --kill-run also kills `ballast run` itself, once, and goes on with --resume.

One process is lost at a time: the next fault comes when the job is whole again, as the promise says. Prints,
for each kind of loss, how long no step was committed (p50, p99, longest; a normal step is part of it), the
goodput (committed steps x undisturbed median ÷ wall time), and steps lost or repeated. A run has as many steps as
its schedule takes on this machine; then SIGTERM ends it with a checkpoint, and it is compared with what an
undisturbed run has after as many. The exit status is 0 only when all bits are the same and no step was repeated.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import ballast_run  # noqa: E402  (where the programs are, and how a run is watched)
import networks  # noqa: E402
from figures import LOCAL_REACH_MS, Stalls  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / "bench_run"))
from watching import NO_END, median_step_ms, reports_for, stop  # noqa: E402

CALM_S = 10


class Chaos:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.begin(options.seed)
        self.environment = {}
        self.networks = None
        if options.slow_disk:
            library = folder / "slow_disk.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).parent / "slow_disk.c"],
                           check=True)
            self.environment = {"LD_PRELOAD": str(library), "BALLAST_SLOW_DISK_MS": str(options.slow_disk)}
        if options.cuts:
            names = [f"ps-{i}" for i in range(options.servers)] + [f"worker-{i}" for i in range(options.workers)]
            self.networks = networks.Networks(names, folder, ballast_run.PROGRAMS)
        (folder / "text.txt").write_text(ballast_run.some_text())
        (folder / "job.yaml").write_text(
            ballast_run.JOB.format(text=folder / "text.txt", checkpoints=folder / "checkpoints"))

    def begin(self, seed):
        """A schedule of its own for each seed."""
        self.seed = seed
        self.random = random.Random(seed)
        self.stalls = Stalls()
        self.faults = 0

    def start(self, steps=NO_END, more=(), network=None, checkpoints=None, every_steps=500):
        options = self.options
        arguments = ballast_run.settings(
            training__steps=steps, training__schedule__name="constant", training__evaluation__everySteps=0,
            model__embedding=options.embedding, model__layers=options.layers, servers__replicas=options.servers,
            servers__replication=2, workers__replicas=options.workers, checkpoint__everySteps=every_steps,
            backoffLimit=1000, checkpoint__path=self.folder / (checkpoints or f"checkpoints-{self.seed}"))
        prefix = []
        if network:
            arguments += ["--network", "tcp-trusted", "--programs", str(network.programs)]
            prefix = network.inside("hub")
        elif options.network != "unix":
            arguments += ["--network", options.network]
        return ballast_run.Run(self.folder, [*arguments, "--sample-tokens", "0", *more], self.environment,
                               prefix=prefix)

    def finish(self, run):
        try:
            code = run.end()
            if code != 0:
                raise AssertionError(f"the run ended with {code}; {run.describe()}")
            return run.last("end")
        finally:
            run.close()

    def coordinator(self, run):
        return run.last("appointed")["coordinator"]

    def victim(self, run, kind):
        if kind == "worker":
            return f"worker-{self.random.randrange(self.options.workers)}"
        if kind == "coordinator":
            return self.coordinator(run)
        return self.random.choice([name for name in (f"ps-{i}" for i in range(self.options.servers))
                                   if name != self.coordinator(run)])

    def show(self, event):
        if self.options.show and event["event"] == "progress" and "loss" in event:
            print(f"step {event['step']}  loss {event['loss']:.4f}  {event['workers']} workers"
                  f"{'  degraded' if event['degraded'] else ''}", flush=True)

    def make_fault(self, run):
        """One loss, and until the job is whole again."""
        if self.options.show:
            kind = ["server", "worker"][self.faults % 2]
        else:
            kind = self.random.choice(["worker", "server", "coordinator"])
        how = "pause" if kind != "worker" and self.random.random() < self.options.pauses else "kill"
        if self.networks and self.random.random() < self.options.cuts:
            how = "cut"
        name = self.victim(run, kind)
        ready = run.ready(name)
        step = run.last("progress")["step"]
        if how == "cut":
            return self.cut_off(run, kind, name, ready, step)
        os.kill(ready["pid"], signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        seen = set() if kind != "worker" else {"whole"}

        def over(event):
            self.show(event)
            if event["event"] == "removed" and event["process"] == name and how == "pause":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(ready["pid"], signal.SIGCONT)  # it comes back, and must harm nothing
            if event["event"] == "ready" and event["process"] == name:
                seen.add("ready")
            if event["event"] == "whole":
                seen.add("whole")
            if event["event"] == "recovered" and event["process"] == name:
                seen.add("recovered")
                self.stalls.add(f"{kind} {how}", event["stalledMs"])
                print(f"  step {step}: {how} {name}{' (coordinator)' if kind == 'coordinator' else ''}: "
                      f"{event['stalledMs']} ms without a committed step", flush=True)
            return seen >= {"ready", "whole", "recovered"}
        run.wait_for(f"recovery from {how} of {name}", over)
        self.faults += 1

    def cut_off(self, run, kind, name, ready, step):
        """Until the others have gone on without it; then the link is there again."""
        direction = self.random.choice(["in", "out", "both"])
        self.networks.isolate(name, direction)
        workers = self.options.workers
        if kind == "worker":
            run.wait_for(f"a run without {name}",
                         lambda e: self.show(e) or e["event"] == "progress" and e.get("workers") == workers - 1)
            self.networks.heal()
            run.wait_for(f"{name} again",
                         lambda e: self.show(e) or e["event"] == "progress" and e.get("workers") == workers)
            print(f"  step {step}: cut {name} ({direction}): it works again", flush=True)
        else:
            seen = set()

            def over(event):
                self.show(event)
                if event["event"] == "removed" and event["process"] == name:
                    self.networks.heal()
                if event["event"] in ("ready", "recovered") and event["process"] == name:
                    seen.add(event["event"])
                if event["event"] == "recovered" and event["process"] == name:
                    self.stalls.add(f"{kind} cut", event["stalledMs"])
                    print(f"  step {step}: cut {name} ({direction}): {event['stalledMs']} ms without a committed step",
                          flush=True)
                if event["event"] == "whole":
                    seen.add("whole")
                return seen >= {"ready", "whole", "recovered"}
            run.wait_for(f"recovery from the cut of {name}", over)
        self.faults += 1

    def kill_run(self, run):
        """Its processes end with it, and another goes on from the last checkpoint."""
        step = run.last("progress")["step"]
        pids = [ready["pid"] for ready in run.processes.values()]
        run.process.kill()
        for pid in pids:
            ballast_run.wait_until(f"process {pid} ends", lambda: ballast_run.gone(pid))
        run.close()
        again = self.start(more=["--resume"], network=self.networks)
        found = again.wait_for("the checkpoint", lambda e: e["event"] == "resume")["checkpoint"]
        print(f"  step {step}: kill -9 of ballast run; --resume goes on from {Path(found).name}", flush=True)
        again.wait_for("a step", lambda e: e["event"] == "progress" and e.get("step", 0) > 0)
        self.mark(again)
        return again

    def mark(self, run):
        """Where goodput is counted from; anew where `ballast run` itself was killed."""
        self.began, self.first = time.monotonic(), run.last("progress")["step"]

    def disturbed(self):
        run = self.start(network=self.networks)
        run_lives = not self.options.kill_run
        try:
            run.wait_for_step(20)
            self.mark(run)
            until = time.monotonic()
            while self.faults < self.options.kills:
                until += self.options.every
                while time.monotonic() < until:
                    self.show(run.wait_for("progress", lambda e: e["event"] == "progress"))
                self.make_fault(run)
                if not run_lives and self.faults >= self.options.kills / 2 and run.last("checkpoint"):
                    run, run_lives = self.kill_run(run), True
        except BaseException:
            run.close()
            raise
        return run

    def end_here(self, run):
        """The steps that it made, the SHA-256 of its parameters then, and how often it went back."""
        made = run.last("progress")["step"]
        run.wait_for("some steps more", lambda e: self.show(e) or e.get("step", 0) >= made + 20)
        run.process.send_signal(signal.SIGTERM)
        if run.end() != 130:
            raise AssertionError(f"the run did not stop; {run.describe()}")
        run.close()
        steps = run.last("interrupted")["step"]
        seen = [e["step"] for e in run.events if e["event"] == "progress" and "step" in e]
        end = self.finish(self.start(steps, ["--resume"]))
        return steps, end["parametersSha256"], sum(1 for a, b in zip(seen, seen[1:]) if b < a)

    def undisturbed(self, stops):
        """The SHA-256 after each of these numbers of steps: a run that goes on from one to the next."""
        digests = {}
        for steps in sorted(stops):
            more = ["--resume"] if digests else []
            run = self.start(steps, more, checkpoints="undisturbed", every_steps=0)
            digests[steps] = self.finish(run)["parametersSha256"]
        return digests

    def one_seed(self, seed, step_ms):
        self.begin(seed)
        print(f"seed {seed}", flush=True)
        run = self.disturbed()
        good = (run.last("progress")["step"] - self.first) * step_ms / 1000 / (time.monotonic() - self.began)
        steps, digest, back = self.end_here(run)
        for line in self.stalls.lines(LOCAL_REACH_MS):
            print(line)
        print(f"goodput            {100 * good:.1f} % of an undisturbed run\n"
              f"steps              {steps} committed, {back} times back", flush=True)
        return steps, digest, back

    def run(self):
        options = self.options
        calm = self.start(checkpoints="calm")
        try:
            calm.wait_for_step(20)
            step_ms = median_step_ms(reports_for(calm, CALM_S))
        finally:
            stop(calm)
        print(f"{options.servers} servers, {options.workers} workers, replication 2, {options.kills} faults, one every "
              f"{options.every:g} s; a step of an undisturbed run takes {step_ms:.1f} ms", flush=True)
        if self.networks:
            self.networks.make()
        seen, faults, stalls = {}, 0, Stalls()
        for seed in range(options.seed, options.seed + options.runs):
            seen[seed] = self.one_seed(seed, step_ms)
            faults += self.faults
            stalls.merge(self.stalls)
        if options.runs > 1:
            print(f"all {options.runs} seeds: {faults} faults")
            for line in stalls.lines(LOCAL_REACH_MS):
                print(line)
        digests = self.undisturbed({steps for steps, _, _ in seen.values()})
        bad = []
        for seed, (steps, digest, back) in seen.items():
            same = digest == digests[steps]
            print(f"seed {seed}, {steps} steps\n  undisturbed    {digests[steps]}\n"
                  f"  with faults    {digest}  {'the same' if same else 'DIFFERENT'}", flush=True)
            bad += [seed] if not same or back else []
        print(f"seeds that broke a promise: {bad or 'none'}")
        return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="seeds, from --seed on")
    parser.add_argument("--kills", type=int, default=12, help="faults of a seed")
    parser.add_argument("--every", type=float, default=2, help="seconds between the end of one and the next")
    parser.add_argument("--pauses", type=float, default=0.25, help="share of servers' faults that are pauses")
    parser.add_argument("--cuts", type=float, default=0, help="share of faults that cut a process off")
    parser.add_argument("--slow-disk", type=int, default=0, help="delay of a sync, milliseconds at most")
    parser.add_argument("--kill-run", action="store_true", help="kill ballast run itself once, and resume")
    parser.add_argument("--network", default="unix", choices=["unix", "tcp", "tcp-trusted"], help="without cuts")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="print the progress; kill a server, then a worker")
    parser.add_argument("--embedding", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    if options.cuts and not networks.may_be_made():
        parser.error("--cuts makes network namespaces, for which it must run as root")
    with tempfile.TemporaryDirectory(prefix="ballast-chaos-") as folder:
        chaos = Chaos(options, Path(folder))
        try:
            return 0 if chaos.run() else 1
        finally:
            if chaos.networks:
                chaos.networks.remove()


if __name__ == "__main__":
    sys.exit(main())
