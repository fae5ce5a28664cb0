"""Restoring 1 GB of state from a warm page cache, beside a plain read of the same files.

  python3 tests/bench_run/bench_restore.py [--rounds 5] [--layers 7] [--embedding 1024] [--replication 1]

A job of one step leaves the checkpoint; `ballast run --resume` then begins with it, again and again. A restore is what
the coordinator's log calls so: from the manifest read until every server has verified and taken in its segments and
status says that the origin is complete. Plain reads take turns with it: of every file into one small buffer, and into
memory that is new, as a restore must. Needs about 6 GB of memory. Never fails because of time.
"""

import argparse
import datetime
import statistics
import tempfile
import time
from pathlib import Path

from watching import log_lines, running, start, write_job

PIECE = 1 << 20
INITIALISING, TRAINING = 2, 3  # services/core/messages.h: JobPhase


def restore_ms(run):
    at = {}
    for line in log_lines(run, run.last("appointed")["coordinator"]):
        if line["message"] == "phase":
            at[line["phase"]] = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    return (at[TRAINING] - at[INITIALISING]).total_seconds() * 1000


def read_into(files, buffer_of):
    began = time.monotonic()
    for file in files:
        with open(file, "rb", buffering=0) as stream:
            target, at = memoryview(buffer_of(file.stat().st_size)), 0
            while read := stream.readinto(target[at:at + PIECE]):
                at = (at + read) % len(target)
    return (time.monotonic() - began) * 1000


def newest(folder):
    return max((folder / "checkpoints").rglob("manifest.json"), key=lambda file: file.stat().st_mtime).parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--embedding", type=int, default=1024)
    parser.add_argument("--replication", type=int, default=1)
    options = parser.parse_args()
    job = {"model__layers": options.layers, "model__heads": 8, "model__embedding": options.embedding,
           "model__context": 16, "training__batch": 1, "training__microbatches": 1, "servers__replicas": 2,
           "servers__replication": options.replication, "servers__segmentElements": 262144, "workers__replicas": 1,
           "checkpoint__keep": 1, "training__schedule__name": "constant"}
    with tempfile.TemporaryDirectory(prefix="ballast-bench-") as name:
        folder = Path(name)
        write_job(folder)
        first = start(folder, **{**job, "training__steps": 1})
        assert first.end() == 0, first.describe()
        first.close()
        files = sorted(newest(folder).glob("*.safetensors"))
        assert files, f"no parts in {newest(folder)}"
        gigabytes = sum(file.stat().st_size for file in files) / 1e9
        small = bytearray(PIECE)
        rounds = []
        for _ in range(options.rounds):
            plain = read_into(files, lambda _: small)
            fresh = read_into(files, bytearray)
            with running(folder, ["--resume"], **job) as run:
                run.wait_for_step(2)
                rounds.append((restore_ms(run), plain, fresh))
        print(f"{gigabytes:.2f} GB in {len(files)} files, replication {options.replication}")
        for ours, plain, fresh in rounds:
            print(f"restore {ours:.0f} ms, plain read {plain:.0f} ms, into new memory {fresh:.0f} ms")
        print(f"restore takes {statistics.median(o / p for o, p, _ in rounds):.2f}x a plain read, "
              f"{statistics.median(o / f for o, _, f in rounds):.2f}x one into new memory (reach 2x)")


if __name__ == "__main__":
    main()
