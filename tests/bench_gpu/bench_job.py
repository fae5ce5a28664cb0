#!/usr/bin/env python3
"""A whole job on a GPU, one worker and one server process on this host, beside the engine alone, in turns.

    bench_job.py VOCABULARY [--size 124M] [--sequences 128] [--microbatches 32,4] [--steps 5]

VOCABULARY is a folder with GPT-2's vocab.json and merges.txt (or encoder.json and vocab.bpe); what is trained on is
this repository's text. A step has so many microbatches of so many sequences of 1,024 tokens. Programs are those of
BALLAST_PROGRAMS. Prints tokens a second of both and the ratio, and how the worker's time was spent.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from ballast_run import PROGRAMS, Run  # noqa: E402

CONTEXT = 1024
SIZES = {"124M": (12, 12, 768), "355M": (24, 16, 1024)}
REPOSITORY = HERE.parents[1]

JOB = """\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {{name: gpu}}
spec:
  model: {{family: gpt, layers: {layers}, heads: {heads}, embedding: {channels}, context: 1024}}
  data: {{train: ["{text}"], tokenizer: gpt2, vocabulary: "{vocabulary}", validationPercent: 1}}
  training:
    steps: {steps}
    batch: {batch}
    microbatches: {microbatches}
    optimizer: {{name: adamw, learningRate: "6e-4", beta2: "0.95", weightDecay: "0.1"}}
    gradientClip: "1.0"
    evaluation: {{batches: 0}}
  servers: {{replicas: 1, replication: 1}}
  workers: {{replicas: 1, precision: bf16}}
  checkpoint: {{path: "{checkpoints}"}}
"""


def text_of_repository():
    files = sorted(path for part in ("services", "operator", "docs", "tests", "common")
                   for path in (REPOSITORY / part).rglob("*") if path.suffix in (".cc", ".h", ".md", ".py"))
    return "\n".join(path.read_text(errors="replace") for path in files)


def engine(options):
    """Tokens a second."""
    program = subprocess.run(
        [str(PROGRAMS / "bench_gpu"), "serve", "--size", options.size, "--batch", str(options.sequences)],
        input="10\n", text=True, check=True, stdout=subprocess.PIPE)
    return json.loads(program.stdout.splitlines()[-1])["tokens_per_second"]


def parts_of(address):
    """Seconds of the worker's loop by part, and of its device."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(r'^ballast_worker_time_seconds_total\{part="(\w+)"\} (\S+)', text, re.M)
    found += re.findall(r"^ballast_worker_device_(\w+_seconds)_total (\S+)", text, re.M)
    return {name: float(value) for name, value in found}


def job(options, folder, microbatches):
    """Tokens a second between the first and the last commit that was seen, and the worker's parts a step."""
    batch = microbatches * options.sequences
    layers, heads, channels = SIZES[options.size]
    (folder / "job.yaml").write_text(JOB.format(
        layers=layers, heads=heads, channels=channels, text=folder / "text.txt", vocabulary=options.vocabulary,
        steps=options.steps + 2, batch=batch, microbatches=microbatches, checkpoints=folder / "checkpoints"))
    run = Run(folder)
    stamps, parts = {}, {}

    def note(event):
        if event["event"] == "progress" and event.get("step", 0) not in stamps:
            stamps[event.get("step", 0)] = time.monotonic()
            worker = run.processes.get("worker-0")
            if worker:
                parts[event.get("step", 0)] = parts_of(worker["metricsAddress"])
        return event["event"] == "end"
    ended = run.wait_for("an end", note)
    run.close()
    steps = sorted(step for step in stamps if 1 <= step <= options.steps + 1)
    if len(steps) < 2:
        raise SystemExit(f"bench_job: no steps were seen: {ended}\n{run.describe()}")
    first, last = steps[0], steps[-1]
    seconds = (stamps[last] - stamps[first]) / (last - first)
    spent = {name: round((parts[last][name] - parts[first].get(name, 0)) / (last - first), 3)
             for name in parts.get(last, {}) if first in parts}
    return batch * CONTEXT / seconds, spent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary", type=Path)
    parser.add_argument("--size", choices=SIZES, default="124M")
    parser.add_argument("--sequences", type=int, default=128)
    parser.add_argument("--microbatches", default="32,4")
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    options.vocabulary = options.vocabulary.resolve()
    os.environ.setdefault("BALLAST_PROGRAMS", str(PROGRAMS))
    alone = [engine(options)]
    for count in map(int, options.microbatches.split(",")):
        with tempfile.TemporaryDirectory(prefix="ballast-gpu-") as name:
            folder = Path(name)
            (folder / "text.txt").write_text(text_of_repository())
            whole, parts = job(options, folder, count)
        alone.append(engine(options))
        ratio = whole / statistics.median(alone)
        print(json.dumps({"tokens_a_step": count * options.sequences * CONTEXT, "whole": round(whole),
                          "engine": [round(value) for value in alone], "ratio": round(ratio, 4),
                          "seconds_a_step": parts}), flush=True)


if __name__ == "__main__":
    main()
