"""A whole job beside the engine alone and beside PyTorch's DistributedDataParallel, interleaved.

2 servers and 2 workers of one thread each, GPT 6L/6H/384, 4,096 tokens a step; the engine alone has the same batch
and two threads in one process; PyTorch two processes of one thread over gloo.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from ballast_run import Run, some_text  # noqa: E402

SHAPE = (6, 6, 384, 256, 256)  # layers, heads, channels, context, vocabulary
BATCH = 16
TOKENS = BATCH * SHAPE[3]
STEPS = 10

JOB = f"""\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {{{{name: bench}}}}
spec:
  model: {{{{family: gpt, layers: {SHAPE[0]}, heads: {SHAPE[1]}, embedding: {SHAPE[2]}, context: {SHAPE[3]}}}}}
  data: {{{{train: ["{{text}}"], validationPercent: 10}}}}
  training:
    steps: {STEPS + 2}
    batch: {BATCH}
    microbatches: 2
    optimizer: {{{{name: adamw, learningRate: "1e-4", weightDecay: "0.1"}}}}
    evaluation: {{{{batches: 0}}}}
  servers: {{{{replicas: 2, replication: 1}}}}
  workers: {{{{replicas: 2}}}}
  checkpoint: {{{{path: "{{checkpoints}}"}}}}
"""


def job(folder):
    """Seconds of a step, from the second committed step to the last."""
    run = Run(folder, ["--threads", "1"])
    stamps = {}

    def note(event):
        if event["event"] == "progress" and "step" in event:
            stamps.setdefault(event["step"], time.monotonic())
        return event["event"] == "end"
    run.wait_for("an end", note)
    run.close()
    steps = sorted(step for step in stamps if 2 <= step <= STEPS + 2)
    return (stamps[steps[-1]] - stamps[steps[0]]) / (steps[-1] - steps[0])


def engine(program):
    run = subprocess.run([program, *map(str, SHAPE), str(BATCH), "2"], input=f"1\n{STEPS}\n", text=True, check=True,
                         stdout=subprocess.PIPE)
    return float(run.stdout.splitlines()[-1].split()[0]) / STEPS


def data_parallel(torch):
    run = subprocess.run([torch, str(HERE / "torch_data_parallel.py"), *map(str, SHAPE), str(BATCH), "2", str(STEPS)],
                         text=True, check=True, stdout=subprocess.PIPE)
    return float(run.stdout.split()[-1]) / STEPS


def measure(torch, program, rounds):
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        (folder / "text.txt").write_text(some_text(600_000))
        (folder / "job.yaml").write_text(JOB.format(text=folder / "text.txt", checkpoints=folder / "checkpoints"))
        sides = {"whole job": lambda: job(folder), "engine alone": lambda: engine(program),
                 "PyTorch DDP": lambda: data_parallel(torch)}
        seconds = {side: [] for side in sides}
        for _ in range(rounds):
            for side, run in sides.items():
                seconds[side].append(run())
    median = {side: statistics.median(values) for side, values in seconds.items()}
    print(f"2 servers + 2 workers of one thread, GPT 6L/6H/384, {TOKENS} tokens a step: {json.dumps(seconds)}")
    for side, value in median.items():
        print(f"  {side:12}  {1e3 * value:8.1f} ms a step  {TOKENS / value / 1e3:6.2f} k tokens/s")
    print(f"  whole job against the engine alone {median['engine alone'] / median['whole job']:.2f} (reach 0.85), "
          f"against PyTorch DDP {median['PyTorch DDP'] / median['whole job']:.2f} (reach 1.00)", flush=True)
