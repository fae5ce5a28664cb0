"""The peer of a whole job: the model of torch_model.py under DistributedDataParallel over gloo, one thread a process.

    torch_data_parallel.py LAYERS HEADS CHANNELS CONTEXT VOCABULARY BATCH PROCESSES STEPS

Prints the seconds of STEPS steps of the whole batch, after two that do not count.
"""

import os
import socket
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch_model import Gpt, example_batch


def train(rank, shape, batch, processes, steps, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = torch.nn.parallel.DistributedDataParallel(Gpt(*shape))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    tokens, targets = example_batch(batch // processes, shape[3], shape[4])
    for step in range(2 + steps):
        if step == 2:
            dist.barrier()
            began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        model(tokens, targets).backward()
        optimizer.step()
    dist.barrier()
    if rank == 0:
        print(f"{time.perf_counter() - began:.6f}", flush=True)
    dist.destroy_process_group()


def main():
    *shape, batch, processes, steps = map(int, sys.argv[1:])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(train, args=(shape, batch, processes, steps, port), nprocs=processes)


if __name__ == "__main__":
    main()
