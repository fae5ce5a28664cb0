"""Goodput of a run that loses a process every so often: committed steps x undisturbed median ÷ wall time.

  python3 tests/chaos/goodput.py [--every 60] [--minutes 10] [--seed 1] [--calm 40]

Kills a worker, a server, the coordinator in a seeded order with kill -9, one every so many seconds. The undisturbed
median of a step is that of two runs that nobody disturbs, one before and one after, and beside it that of the seconds
of the same run in which the job was whole and nothing had been killed for a while: what else the machine does shows in
the difference. Never fails because of time; it does when a step is lost.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import chaos
from figures import LOCAL_REACH_MS

sys.path.insert(0, str(Path(__file__).parents[1] / "bench_run"))
from watching import median_step_ms, reports_for, stop  # noqa: E402

REACH = {60: 97, 20: 92}
SETTLED_S = 6  # after a fault


class Goodput(chaos.Chaos):
    def calm(self):
        run = self.start()
        try:
            run.wait_for_step(20)
            return median_step_ms(reports_for(run, self.options.calm))
        finally:
            stop(run)

    def disturb(self, run):
        """Seconds, steps, and the reports of the seconds in which nothing happened."""
        options = self.options
        run.wait_for_step(20)
        first = run.wait_for("progress", lambda e: e["event"] == "progress")["step"]
        began, settled = time.monotonic(), []
        while True:
            at = (self.faults + 1) * options.every
            if at >= options.minutes * 60:
                break
            spent = time.monotonic() - began
            reports_for(run, min(SETTLED_S, at - spent))
            settled += reports_for(run, at - (time.monotonic() - began))
            self.make_fault(run)
        reports_for(run, options.minutes * 60 - (time.monotonic() - began))
        return time.monotonic() - began, run.last("progress")["step"] - first, settled

    def run(self):
        options = self.options
        before = self.calm()
        run = self.start()
        try:
            seconds, steps, settled = self.disturb(run)
            back = [e for e in run.events if e["event"] == "back"]
        finally:
            stop(run)
        after = self.calm()
        for line in self.stalls.lines(LOCAL_REACH_MS):
            print(line)
        calm_ms, own_ms = (before + after) / 2, median_step_ms(settled)
        print(f"undisturbed median of a step: {before:.1f} ms before, {after:.1f} ms after, "
              f"{own_ms:.1f} ms in this run's own calm seconds")
        reach = f" (reach {REACH[options.every]} %)" if options.every in REACH else ""
        print(f"{self.faults} kills, one every {options.every:g} s: {steps} steps in {seconds:.0f} s, goodput "
              f"{steps * calm_ms / seconds / 10:.1f} % by the undisturbed runs, "
              f"{steps * own_ms / seconds / 10:.1f} % by its own calm seconds{reach}")
        print(f"{len(back)} times back to a checkpoint")
        return not back


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=60, help="seconds from one kill to the next")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--calm", type=float, default=40, help="seconds of each undisturbed run")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--embedding", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    vars(options).update(cuts=0, pauses=0, slow_disk=0, kill_run=False, show=False, network="unix")
    with tempfile.TemporaryDirectory(prefix="ballast-goodput-") as folder:
        return 0 if Goodput(options, Path(folder)).run() else 1


if __name__ == "__main__":
    sys.exit(main())
