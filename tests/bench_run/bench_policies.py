"""What the policy of the number of workers makes of a run on this machine.

  python3 tests/bench_run/bench_policies.py [--seconds 20] [--most 6]

Prints steps a second with each number of workers, and what a run comes to in three minutes that may choose it. Never
fails because of time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from watching import progress, reports_for, running, write_job

CHOICE_S = 180


def steps_a_second(run, seconds):
    """From one report to another."""
    first, begin = progress(run)["step"], time.monotonic()
    last = reports_for(run, seconds)[-1]["step"]
    return (last - first) / (time.monotonic() - begin)


def number_of_workers(folder, options):
    model = {"model__embedding": 96, "model__heads": 4, "model__layers": 4, "model__context": 64}
    def with_workers(count):
        with running(folder, workers__replicas=count, **model) as run:
            run.wait_for_step(20)
            return steps_a_second(run, options.seconds)

    fixed = {count: with_workers(count) for count in range(1, options.most + 1)}
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
        rate = steps_a_second(run, options.seconds)
    # The machine may have become faster or slower meanwhile: the best is looked at before and after.
    of_best = (fixed[best] + with_workers(best)) / 2
    print(f"chosen: {wanted} workers, last changed after {at:.0f} s (best by the above {best}, reach: by one); "
          f"{rate:.1f} steps a second, {rate / of_best:.1%} of the best, {of_best:.1f} (reach 95 %)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--most", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        write_job(Path(name))
        number_of_workers(Path(name), options)


if __name__ == "__main__":
    main()
