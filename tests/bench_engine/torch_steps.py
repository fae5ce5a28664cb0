"""The peer of train_steps: the same steps of the same model in PyTorch, as fast as its users write it.

Standard input and output as there.
"""

import resource
import sys
import time

import torch

from torch_model import Gpt, example_batch


def main():
    layers, heads, channels, context, vocabulary, batch, threads = map(int, sys.argv[1:])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Gpt(layers, heads, channels, context, vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, fused=True)
    tokens, targets = example_batch(batch, context, vocabulary)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            optimizer.zero_grad(set_to_none=True)
            loss = model(tokens, targets)
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - began
        print(f"{seconds:.9f} {loss.item():.6f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}", flush=True)


if __name__ == "__main__":
    main()
