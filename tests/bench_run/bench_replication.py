"""What the second replica costs: the step time of a job of two servers with replication 2 against replication 1.

  python3 tests/bench_run/bench_replication.py [--rounds 3] [--steps 12] [--job compute|transfer]

Runs of one and the other take turns, so that what else the machine does falls on both. "compute" is the GPT 6L/6H/384
with 4,096 tokens a step, whose workers have enough to compute; "transfer" the same parameters with 32 tokens a step,
where a step is little but its transfers. Prints a median a run, and the ratio of each pair. Time fails nothing.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from watching import median_step_ms, progress, running, write_job

JOBS = {
    "compute": {"model__context": 256, "training__batch": 16, "training__microbatches": 4},
    "transfer": {"model__context": 16, "training__batch": 2, "training__microbatches": 2},
}
WARM_UP_STEPS = 3


def step_ms(folder, job, replication, steps):
    with running(folder, model__layers=6, model__heads=6, model__embedding=384, servers__replicas=2,
                 servers__replication=replication, servers__segmentElements=262144, workers__replicas=2,
                 **JOBS[job]) as run:
        run.wait_for_step(WARM_UP_STEPS)
        reports, last = [], run.last("progress")["step"] + steps
        while run.last("progress")["step"] < last:
            report = progress(run)
            if report["medianStepMs"] > 0:
                reports.append(report)
        return median_step_ms(reports)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help="of a run, at least")
    parser.add_argument("--job", choices=JOBS, action="append", help="default: both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        write_job(folder)
        for job in options.job or JOBS:
            ratios = []
            for number in range(options.rounds):
                # Whoever goes second has no advantage in the long run.
                order = (1, 2) if number % 2 == 0 else (2, 1)
                times = {replication: step_ms(folder, job, replication, options.steps) for replication in order}
                ratios.append(times[2] / times[1])
                print(f"{job}-bound: replication 1 {times[1]:.0f} ms, 2 {times[2]:.0f} ms, {ratios[-1]:.3f}x",
                      flush=True)
            reach = " (reach 1.10)" if job == "compute" else ""
            print(f"{job}-bound: replication 2 takes {statistics.median(ratios):.3f}x the time of 1{reach}",
                  flush=True)


if __name__ == "__main__":
    main()
