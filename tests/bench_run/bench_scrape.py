"""What scraping costs the operator: 1,000 targets every 10 s, that answer what servers and workers of a real run did.

  python3 tests/bench_run/bench_scrape.py [--targets 1000] [--every 10] [--seconds 60]

The targets are sockets of another process on the loopback; processor time and memory are of the process that scrapes
with the operator's own scraper (operator/cluster/pod_scraper). Never fails because of time.
"""

import argparse
import json
import os
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from watching import ballast_run, running, write_job


def recorded(folder):
    """What each process of a run answers once it has trained for a while."""
    write_job(folder)
    files = []
    with running(folder, servers__replicas=2, workers__replicas=2) as run:
        run.wait_for_step(100)
        for name in ("ps-0", "ps-1", "worker-0", "worker-1"):
            with urllib.request.urlopen(f"http://{run.ready(name)['metricsAddress']}/metrics", timeout=30) as answer:
                files.append(folder / f"{name}.txt")
                files[-1].write_bytes(answer.read())
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as made:
        files = recorded(Path(made))
        out = subprocess.run(
            [str(ballast_run.PROGRAMS / "scrape_many"), str(options.targets), str(options.every),
             str(options.seconds), *map(str, files)], check=True, stdout=subprocess.PIPE, text=True).stdout
        sizes = [file.stat().st_size for file in files]
    seen = json.loads(out)
    print(f"{seen['targets']} targets every {options.every} s for {seen['seconds']:.0f} s, "
          f"{min(sizes) / 1000:.1f} to {max(sizes) / 1000:.1f} kB an answer, load {os.getloadavg()[0]:.1f}")
    print(f"  answers            {seen['arrived']} of {seen['due']} that were due")
    print(f"  processor time     {100 * seen['shareOfACore']:.1f} % of a core")
    print(f"  resident memory    {seen['mebibytesAtMost']:.0f} MiB at most, "
          f"{seen['mebibytesBefore']:.0f} MiB before there was a target")


if __name__ == "__main__":
    main()
