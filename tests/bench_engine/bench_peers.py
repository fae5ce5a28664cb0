#!/usr/bin/env python3
"""Training steps of the engine beside PyTorch's, both in one process and interleaved, and a whole job beside its peers;
prints medians and ratios.

PyTorch comes from PyPI into a virtual environment in the cache folder: a large download, so this is no part of
`make bench`. Figures move with the machine; nothing here is judged.

    bench_peers.py [ROUNDS]
"""

import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path

import bench_job

TORCH = "2.13"
HERE = Path(__file__).parent
PROGRAM = HERE.parents[1] / "build/release/bin/train_steps"
CACHE = Path(os.environ.get("BALLAST_CACHE", Path.home() / ".cache/ballast")) / f"torch-{TORCH}"

# name, (layers, heads, channels, context, vocabulary, batch), threads, steps a round, reach
SHAPES = [
    ("GPT 4L/4H/128, context 64, batch 12", (4, 4, 128, 64, 256, 12), 1, 10, 1.15),
    ("GPT 6L/6H/384, context 256, batch 4", (6, 6, 384, 256, 256, 4), 1, 1, 1.05),
    ("GPT-2 124M, context 256, batch 1", (12, 12, 768, 256, 50257, 1), 1, 1, 1.10),
    ("GPT-2 124M, context 256, batch 1", (12, 12, 768, 256, 50257, 1), 2, 1, 1.10),
]


def python_with_torch():
    python = CACHE / "bin/python"
    if not (CACHE / "complete").exists():
        print(f"installing PyTorch {TORCH} into {CACHE} ...", file=sys.stderr)
        venv.create(CACHE, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"torch=={TORCH}.*", "numpy"], check=True)
        (CACHE / "complete").touch()
    return str(python)


class Steps:
    """One side, in a process of its own."""

    def __init__(self, command, shape, threads):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen([*command, *map(str, shape), str(threads)], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.seconds = []

    def run(self, steps, count=True):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 3:
            raise SystemExit(f"{self.process.args[0]} ended")
        if count:
            self.seconds.append(float(answer[0]) / steps)
        self.loss, self.resident_kib = float(answer[1]), int(answer[2])

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def milliseconds(self):
        return 1e3 * statistics.median(self.seconds)


def measure(torch, name, shape, threads, steps, reach, rounds):
    ours = Steps([str(PROGRAM)], shape, threads)
    peer = Steps([torch, str(HERE / "torch_steps.py")], shape, threads)
    for side in (ours, peer):
        side.run(2 * steps, count=False)
    for _ in range(rounds):
        ours.run(steps)
        peer.run(steps)
    tokens = shape[3] * shape[5]
    for side in (ours, peer):
        side.close()
    print(f"{name}, {threads} thread{'s' if threads > 1 else ''}")
    for label, side in (("Ballast", ours), ("PyTorch", peer)):
        print(f"  {label}  {side.milliseconds():8.1f} ms a step  {tokens / side.milliseconds():7.2f} k tokens/s  "
              f"peak memory {side.resident_kib / 1024:7.0f} MiB  loss {side.loss:.4f}")
    print(f"  speed against PyTorch {peer.milliseconds() / ours.milliseconds():.2f} (reach {reach:.2f})", flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    torch = python_with_torch()
    for name, shape, threads, steps, reach in SHAPES:
        measure(torch, name, shape, threads, steps, reach, rounds)
    bench_job.measure(torch, str(PROGRAM), max(1, rounds // 3))


if __name__ == "__main__":
    main()
