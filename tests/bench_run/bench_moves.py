"""What adding and removing a server under load costs: a job of 3 servers gets a fourth, gives it back, several times.

  python3 tests/bench_run/bench_moves.py [--rounds 5] [--embedding 192] [--layers 4]

Prints the median time of a step; the longest time between two commits while segments moved, in each round; and the
longest of as long a time before each change, in which nothing moved. Never fails because of time.
"""

import argparse
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from watching import ballast_run, median_step_ms, progress, reports_for, running, write_job

CALM_S = 6


def scale(run, servers):
    subprocess.run([str(ballast_run.PROGRAMS / "ballast"), "scale", run.events[0]["runFolder"],
                    "--servers", str(servers)], check=True, stdout=subprocess.DEVNULL)


def segments_of(run, server):
    address = run.ready(server)["metricsAddress"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("ballast_segments "):
                return int(line.split()[1])
    raise AssertionError(f"{server} tells no ballast_segments")


def longest_until(run, over):
    """Longest time between two commits until the condition holds, and for two reports more."""
    longest = 0
    while not over():
        longest = max(longest, progress(run)["longestGapMs"])
    return max(longest, progress(run)["longestGapMs"], progress(run)["longestGapMs"])


def holds_its_share(run):
    """A share of 4 servers no longer changes: it holds at least as much as the least of the others."""
    held = [segments_of(run, f"ps-{i}") for i in range(4)]
    return held[3] >= min(held[:3]) > 0


def measure(run, options):
    run.wait_for_step(50)
    steps, rounds = [], {"undisturbed": [], "a server added": [], "a server removed": []}
    for _ in range(options.rounds):
        for name, servers in (("a server added", 4), ("a server removed", 3)):
            calm = reports_for(run, CALM_S)
            steps += calm
            rounds["undisturbed"].append(max(report["longestGapMs"] for report in calm))
            left = len([e for e in run.events if e["event"] == "left"])
            scale(run, servers)
            if servers == 4:
                run.wait_for_ready("ps-3")
                rounds[name].append(longest_until(run, lambda: holds_its_share(run)))
            else:
                rounds[name].append(longest_until(
                    run, lambda: len([e for e in run.events if e["event"] == "left"]) > left))
    step_ms = median_step_ms(steps)
    print(f"median of an undisturbed step: {step_ms:.1f} ms")
    for name, longest in rounds.items():
        ratios = "  ".join(f"{ms / step_ms:.2f}x" for ms in longest)
        reach = "" if name == "undisturbed" else "  (reach 2x)"
        print(f"{name:18} longest step {max(longest)} ms, {max(longest) / step_ms:.2f}x the median{reach}; "
              f"by round {ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--embedding", type=int, default=192)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        write_job(folder)
        with running(folder, model__embedding=options.embedding, model__heads=4, model__layers=options.layers,
                     servers__replicas=3, servers__replication=2, servers__segmentElements=65536) as run:
            measure(run, options)


if __name__ == "__main__":
    main()
