"""What a checkpoint costs while a job trains: the time it takes from training, and memory on a server.

  python3 tests/bench_run/bench_checkpoint.py [--checkpoints 10] [--embedding 384] [--layers 6]

A checkpoint is written every ten seconds. Its stall is the time by which the steps around it took longer than as many
seconds of the same run without one, and its share that of one checkpoint every 30 seconds. Its memory is by how much
the peak of a server's resident memory around it is above the peak of as long a time before, per parameter that the
server replicates. Never fails because of time.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from watching import memory_plan, progress, running, write_job

EVERY_S = 10
WINDOW_S = 4.5  # before a checkpoint begins, and from then on
SHARE_OF_S = 30


class Peak:
    """Of the resident memory of a process since begin()."""

    def __init__(self, pid):
        self.folder = Path("/proc") / str(pid)

    def begin(self):
        (self.folder / "clear_refs").write_text("5")  # proc(5): sets VmHWM back to VmRSS

    def bytes(self):
        for line in (self.folder / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")


def window(run, peaks, until):
    """What happens until the condition holds; from one report of the run to another."""
    for peak in peaks:
        peak.begin()
    began, first, longest = time.monotonic(), run.last("progress")["step"], 0
    while not until(time.monotonic() - began):
        longest = max(longest, progress(run)["longestGapMs"])
    seconds = time.monotonic() - began
    steps = run.last("progress")["step"] - first
    return {"seconds": seconds, "steps": steps, "longest": longest, "peaks": [peak.bytes() for peak in peaks]}


def checkpoints(run):
    return len([e for e in run.events if e["event"] == "checkpoint"])


def measure(run, options):
    run.wait_for_step(20)
    peaks = [Peak(run.ready(f"ps-{i}")["pid"]) for i in range(2)]
    rounds = []
    written = checkpoints(run)
    run.wait_for("a checkpoint", lambda e: checkpoints(run) > written)
    while len(rounds) < options.checkpoints:
        progress(run)
        calm = window(run, peaks, lambda spent: spent >= WINDOW_S)
        written = checkpoints(run)
        # The next one begins EVERY_S after the last began; it is over when its event has come.
        busy = window(run, peaks, lambda spent: checkpoints(run) > written and spent >= WINDOW_S)
        rounds.append((calm, busy))
    return rounds


def report(rounds, parameters):
    """`parameters`: that each server replicates."""
    stalls, memory = [], []
    for calm, busy in rounds:
        step_s = calm["seconds"] / calm["steps"]
        stalls.append(1000 * (busy["seconds"] - busy["steps"] * step_s))
        memory += [(with_one - without) / parameters for without, with_one in zip(calm["peaks"], busy["peaks"])]
    middle = statistics.median(stalls)
    print(f"stall of a checkpoint: median {middle:.0f} ms (by checkpoint {', '.join(f'{ms:.0f}' for ms in stalls)}), "
          f"{100 * middle / 1000 / SHARE_OF_S:.2f} % of the time at one every {SHARE_OF_S} s (reach 1 %)")
    longest = [max(window["longest"] for window in windows) for windows in zip(*rounds)]
    print(f"longest step: {longest[0]} ms without, {longest[1]} ms with a checkpoint")
    print(f"memory of a checkpoint on a server: {max(memory):.2f} B a replicated parameter at most, median "
          f"{statistics.median(memory):.2f} (reach 12)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=10)
    parser.add_argument("--embedding", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        write_job(folder)
        with running(folder, model__embedding=options.embedding, model__heads=6, model__layers=options.layers,
                     training__batch=8, servers__replicas=2, servers__replication=2, servers__segmentElements=262144,
                     workers__replicas=2, checkpoint__everySeconds=EVERY_S, checkpoint__keep=2) as run:
            rounds = measure(run, options)
            parameters = memory_plan(run, "worker-0")["parameters_bytes"] / 4  # two servers: each holds all
        report(rounds, parameters)


if __name__ == "__main__":
    main()
