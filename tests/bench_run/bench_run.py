"""Figures of whole runs of the real programs; prints one line a figure. Not a test: nothing here fails a build.

first step    from the start of `ballast run` to its first committed step, tokens cached: median of several runs
worker memory resident memory of a worker of a larger model beside its plan, and bytes a parameter without
              activations; what the process needs without a model is measured on a tiny one and taken off
server memory resident memory of a server per parameter, likewise
"""

import json
import re
import statistics
import tempfile
import urllib.request
from pathlib import Path

from watching import ballast_run, memory_plan, running, write_job

RUNS = 7


def resident(run, process):
    url = f"http://{run.processes[process]['metricsAddress']}/metrics"
    text = urllib.request.urlopen(url, timeout=30).read().decode()
    return float(re.search(r"^process_resident_memory_bytes(?:\{.*\})? (\S+)$", text, re.M).group(1))


def first_step(folder):
    times = []
    for _ in range(RUNS + 1):  # the first fills the token cache
        run = ballast_run.Run(folder, ballast_run.settings(training__steps=20))
        assert run.end() == 0, run.describe()
        times.append(run.last("end")["toFirstStepMs"])
        run.close()
    times = times[1:]
    print(f"first step after: median {statistics.median(times):.0f} ms of {sorted(times)} (bound 1000 ms)")


def memory_of(folder, **values):
    with running(folder, servers__replicas=1, workers__replicas=1, training__evaluation__batches=0,
                 servers__segmentElements=262144, **values) as run:
        run.wait_for_step(4)
        return resident(run, "worker-0"), memory_plan(run, "worker-0"), resident(run, "ps-0")


def memory(folder):
    tiny_worker, tiny_plan, tiny_server = memory_of(folder)
    worker, plan_bytes, server = memory_of(folder, model__embedding=512, model__layers=8, model__heads=8,
                                           training__batch=8)
    parameters = plan_bytes["parameters_bytes"] / 4
    model = plan_bytes["parameters_bytes"] + plan_bytes["gradient_bytes"]
    total = sum(plan_bytes.values())
    grown = worker - tiny_worker + sum(tiny_plan.values())
    print(f"worker, {parameters / 1e6:.1f} M parameters: plan {json.dumps(plan_bytes)}")
    print(f"worker: parameters and gradient {model / parameters:.2f} B/parameter (bound 8); "
          f"resident {grown / 2**20:.1f} MiB beside a plan of {total / 2**20:.1f} MiB: {grown / total:.2f}x")
    print(f"server: {(server - tiny_server) / parameters:.2f} B/parameter in training with AdamW "
          "(bound 16 + 4 for each waiting tree node + pieces in flight)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        write_job(folder, text_bytes=200_000)
        first_step(folder)
        memory(folder)
