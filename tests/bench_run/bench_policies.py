"""What policies make of a run: the number of workers that they choose, and servers of which one is held back.

  python3 tests/bench_run/bench_policies.py [--seconds 20] [--most 6]

Prints steps a second with each number of workers, and what a run comes to that may choose it; and how long steps of
four servers take before one of them is stopped two thirds of the time, with that, and once its segments have moved.
Never fails because of time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from watching import ballast_run, median_step_ms, reports_for, running, write_job

CHOICE_S = 180
# A step of few tokens and many parameters: what it takes is moving and summing them.
SERVERS_WORK = {"model__embedding": 256, "model__heads": 4, "model__layers": 2, "model__context": 16,
                "training__batch": 2, "training__microbatches": 2}


def steps_a_second(reports):
    return (reports[-1]["step"] - reports[0]["step"]) / (reports[-1]["timeMs"] - reports[0]["timeMs"]) * 1000


def number_of_workers(folder, options):
    model = {"model__embedding": 96, "model__heads": 4, "model__layers": 4, "model__context": 64}
    fixed = {}
    for count in range(1, options.most + 1):
        with running(folder, workers__replicas=count, **model) as run:
            run.wait_for_step(20)
            fixed[count] = steps_a_second(reports_for(run, options.seconds))
    best = max(fixed, key=fixed.get)
    print("steps a second by number of workers: "
          + ", ".join(f"{count}: {rate:.1f}" for count, rate in fixed.items()), flush=True)
    with running(folder, workers__replicas=1, workers__minReplicas=1, workers__maxReplicas=options.most,
                 policy__workers__mode="act", **model) as run:
        begin, wanted, at = time.monotonic(), 1, 0.0
        while time.monotonic() - begin < CHOICE_S:
            event = run.wait_for("an event", lambda _: True)
            if event["event"] == "policy" and event["policy"] == "workerCount" and event["carriedOut"]:
                wanted, at = int(event["message"].split()[0]), time.monotonic() - begin
        rate = steps_a_second(reports_for(run, options.seconds))
    print(f"chosen: {wanted} workers, last changed after {at:.0f} s (best by the above {best}, reach: by one); "
          f"{rate:.1f} steps a second, {rate / fixed[best]:.1%} of the best (reach 95 %)", flush=True)


def primaries_moved(event):
    return event["event"] == "policy" and event["policy"] == "serverBalance" and event["carriedOut"]


def held_back_server(folder, options):
    with running(folder, servers__replicas=4, servers__replication=2, workers__replicas=1, **SERVERS_WORK) as run:
        run.wait_for_step(50)
        calm = median_step_ms(reports_for(run, options.seconds))
        slow = ballast_run.HeldBack(run.ready("ps-3")["pid"], 0.02, 0.04)
        slow.start()
        try:
            before, moving = [], []
            run.wait_for("a move", lambda e: primaries_moved(e) or (e["event"] == "progress" and before.append(e)))
            moving = reports_for(run, options.seconds)
            after = median_step_ms(reports_for(run, options.seconds))
        finally:
            slow.release()
    held = median_step_ms([event for event in before if event["medianStepMs"] > 0])
    longest = max(event["longestGapMs"] for event in moving)
    print(f"4 servers: a step takes {calm:.1f} ms; with one stopped two thirds of the time {held:.1f} ms; once its "
          f"segments have moved {after:.1f} ms, {after / calm:.2f}x of undisturbed (reach 1.15x of the ideal); longest "
          f"step meanwhile {longest} ms, {longest / held:.2f}x the median before (reach 2x)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--most", type=int, default=6)
    options = parser.parse_args()
    for part in (number_of_workers, held_back_server):
        with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
            write_job(Path(name))
            part(Path(name), options)


if __name__ == "__main__":
    main()
