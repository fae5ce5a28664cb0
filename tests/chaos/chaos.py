"""Chaos on a real run: kills and pauses its processes by a seeded schedule, and compares the parameters with
those of a run that nobody disturbed.

  python3 tests/chaos/chaos.py --seed 7 [--kills 12] [--every 2] [--servers 3] [--workers 2]

One process is lost at a time: the next fault comes when the job is whole again, as the promise says. Prints,
for each kind of loss, how long no step was committed (p50, p99, longest; a normal step is part of it), the
goodput (committed steps x undisturbed median ÷ wall time), and steps lost or repeated. The exit status is 0
only when all bits are the same, no step was lost or repeated, and every fault of the schedule was made.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import ballast_run  # noqa: E402  (where the programs are, and how a run is watched)

class Chaos:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.random = random.Random(options.seed)
        self.stalls = {}  # kind of fault -> milliseconds
        self.faults = 0
        (folder / "text.txt").write_text(ballast_run.some_text())
        (folder / "job.yaml").write_text(
            ballast_run.JOB.format(text=folder / "text.txt", checkpoints=folder / "checkpoints"))

    def start(self, steps=None):
        options = self.options
        values = {"training.steps": steps or options.steps, "training.evaluation.everySteps": 0,
                  "model.embedding": options.embedding, "model.layers": options.layers,
                  "servers.replicas": options.servers, "servers.replication": 2,
                  "workers.replicas": options.workers, "checkpoint.everySteps": (steps or options.steps) // 5,
                  "backoffLimit": 1000}
        arguments = [part for key, value in values.items() for part in ("--set", f"spec.{key}={value}")]
        return ballast_run.Run(self.folder, [*arguments, "--sample-tokens", "0"])

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
            print(f"step {event['step']}/{event['steps']}  loss {event['loss']:.4f}  {event['workers']} workers"
                  f"{'  degraded' if event['degraded'] else ''}", flush=True)

    def make_fault(self, run):
        """One loss, and until the job is whole again."""
        if self.options.show:
            kind = ["server", "worker"][self.faults % 2]
        else:
            kind = self.random.choice(["worker", "server", "coordinator"])
        how = "pause" if kind != "worker" and self.random.random() < self.options.pauses else "kill"
        name = self.victim(run, kind)
        ready = run.ready(name)
        step = run.last("progress")["step"]
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
                self.stalls.setdefault(f"{kind} {how}", []).append(event["stalledMs"])
                print(f"  step {step}: {how} {name}{' (coordinator)' if kind == 'coordinator' else ''}: "
                      f"{event['stalledMs']} ms without a committed step", flush=True)
            return seen >= {"ready", "whole", "recovered"}
        run.wait_for(f"recovery from {how} of {name}", over)
        self.faults += 1

    def disturbed(self):
        run = self.start()
        try:
            run.wait_for_step(self.options.steps // 100 + 2)
            until = time.monotonic()
            while self.faults < self.options.kills:
                until += self.options.every
                while time.monotonic() < until:
                    self.show(run.wait_for("progress", lambda e: e["event"] == "progress"))
                    if run.last("progress")["step"] > self.options.steps * 0.9:
                        return run
                self.make_fault(run)
        except BaseException:
            run.close()
            raise
        return run

    def report(self, calm, end, steps):
        for kind, stalls in sorted(self.stalls.items()):
            stalls.sort()
            p50, p99 = stalls[(len(stalls) - 1) // 2], stalls[min(len(stalls) - 1, int(0.99 * len(stalls)))]
            print(f"{kind:18} {len(stalls):3} times  p50 {p50} ms  p99 {p99} ms  longest {stalls[-1]} ms")
        training_ms = [e["durationMs"] - e["toFirstStepMs"] for e in (calm, end)]
        repeated = sum(1 for a, b in zip(steps, steps[1:]) if b < a)
        lost = self.options.steps - end["steps"]
        print(f"goodput            {100 * training_ms[0] / training_ms[1]:.1f} % of an undisturbed run")
        print(f"steps              {end['steps']} committed, {lost} lost, {repeated} times back")
        same = calm["parametersSha256"] == end["parametersSha256"]
        print(f"undisturbed        {calm['parametersSha256']}")
        print(f"after {self.faults:3} faults   {end['parametersSha256']}  {'the same' if same else 'DIFFERENT'}")
        return same and lost == 0 and repeated == 0 and self.faults == self.options.kills

    def enough_steps(self):
        """As many as take twice the time of the schedule on this machine, which others may load meanwhile."""
        options = self.options
        probe = self.finish(self.start(steps=300))
        seconds = options.kills * (options.every + 3 + 8 * options.pauses)
        return max(900, int(600_000 / (probe["durationMs"] - probe["toFirstStepMs"]) * seconds))

    def run(self):
        options = self.options
        options.steps = options.steps or self.enough_steps()
        print(f"seed {options.seed}: {options.servers} servers, {options.workers} workers, replication 2, "
              f"{options.steps} steps, {options.kills} faults, one every {options.every} s", flush=True)
        calm = self.finish(self.start())
        run = self.disturbed()
        if options.show:
            run.wait_for("the end", lambda e: self.show(e) or e["event"] == "end")
        end = self.finish(run)
        steps = [e["step"] for e in run.events if e["event"] == "progress" and "step" in e]
        return self.report(calm, end, steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=12, help="faults in all")
    parser.add_argument("--every", type=float, default=2, help="seconds between the end of one and the next")
    parser.add_argument("--pauses", type=float, default=0.25, help="share of servers' faults that are pauses")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0, help="0: as many as the schedule takes")
    parser.add_argument("--show", action="store_true", help="print the progress; kill a server, then a worker")
    parser.add_argument("--embedding", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-chaos-") as folder:
        return 0 if Chaos(options, Path(folder)).run() else 1


if __name__ == "__main__":
    sys.exit(main())
