"""The peer of bench_gpu: a GPT-2 in PyTorch on a GPU, compiled, as fast as its users write it.

torch_gpt.py [options]   warms up, times --steps steps and prints one line of JSON: milliseconds a step (the
                         median, and all of them), tokens a second, the loss, memory.
torch_gpt.py --serve     prints {"ready": ...} after the warm-up; then reads a number of steps from each line of
                         standard input, and answers with such a line, so that it can take turns with others
                         (take_turns.py).

A step is forward and backward on one batch, with gradients anew; --step adds AdamW's. Precisions:
  autocast   parameters and gradients fp32, products and attention bf16
  bf16       parameters and gradients bf16, the loss in fp32
"""

import argparse
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench_engine"))
from torch_model import Gpt, example_batch  # noqa: E402

# layers, heads, channels
SIZES = {"124M": (12, 12, 768), "355M": (24, 16, 1024), "774M": (36, 20, 1280), "1558M": (48, 25, 1600),
         "tiny": (2, 2, 32)}
VOCABULARY = 50257
PADDED_VOCABULARY = 50304  # a multiple of 64: products with it are a third faster
PEAK_FLOPS = 989e12  # of H100 and H200, bf16, dense


def attention_backend(name):
    """What scaled_dot_product_attention must use; it fails where it cannot. "any" leaves the choice to PyTorch."""
    if name == "any":
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel  # pylint: disable=import-outside-toplevel
    return sdpa_kernel({"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}[name])


class Training:
    """The model, its batch, and steps of it."""

    def __init__(self, options):
        self.options = options
        layers, heads, channels = SIZES[options.size]
        self.device = torch.device(options.device)
        torch.manual_seed(1)
        torch.set_float32_matmul_precision("high")
        with self.device:
            model = Gpt(layers, heads, channels, options.context, PADDED_VOCABULARY)
            self.tokens, self.targets = example_batch(options.batch, options.context, VOCABULARY)
        padding = (PADDED_VOCABULARY - VOCABULARY) * channels  # no work of the model's
        self.parameters = sum(parameter.numel() for parameter in model.parameters()) - padding
        self.attention_flops = 6 * layers * options.context * channels  # a token, half of the square being hidden
        if options.precision == "bf16":
            model = model.to(torch.bfloat16)
        self.optimizer = None
        if options.step:
            self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1,
                                               fused=self.device.type == "cuda")
        self.model = model
        self.loss_of = model if options.no_compile else torch.compile(model)

    def step(self):
        self.model.zero_grad(set_to_none=True)
        autocast = self.options.precision == "autocast"
        with attention_backend(self.options.attention), \
                torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=autocast):
            loss = self.loss_of(self.tokens, self.targets)
        loss.backward()
        if self.optimizer:
            self.optimizer.step()
        return loss

    def measure(self, steps):
        """One line of the report."""
        if self.device.type == "cuda":
            milliseconds, loss = self.time_by_events(steps)
            memory = torch.cuda.max_memory_allocated()
        else:
            milliseconds, loss = self.time_by_clock(steps)
            memory = None
        return self.report(milliseconds, loss.item(), memory)

    def time_by_events(self, steps):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
        torch.cuda.synchronize()
        events[0].record()
        for event in events[1:]:
            loss = self.step()
            event.record()
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) for begin, end in zip(events, events[1:])], loss

    def time_by_clock(self, steps):
        moments = [time.perf_counter()]
        for _ in range(steps):
            loss = self.step()
            moments.append(time.perf_counter())
        return [1e3 * (end - begin) for begin, end in zip(moments, moments[1:])], loss

    def report(self, milliseconds, loss, memory):
        options = self.options
        median = statistics.median(milliseconds)
        tokens_per_second = 1e3 * options.batch * options.context / median
        flops = 6 * self.parameters + self.attention_flops
        return {
            "name": f"PyTorch {options.precision}, {options.attention} attention" + (", AdamW" * options.step),
            "size": options.size, "batch": options.batch, "context": options.context,
            "milliseconds": round(median, 4), "tokens_per_second": round(tokens_per_second),
            "model_flop_utilisation": round(tokens_per_second * flops / PEAK_FLOPS, 4),
            "loss": round(loss, 6), "peak_memory_bytes": memory, "torch": torch.__version__,
            "steps": [round(one, 4) for one in milliseconds],
        }


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="124M")
    parser.add_argument("--batch", type=int, default=32, help="sequences")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--precision", choices=("autocast", "bf16", "fp32"), default="autocast")
    parser.add_argument("--attention", choices=("flash", "cudnn", "any"), default="flash")
    parser.add_argument("--step", action="store_true", help="AdamW's step, too")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args(arguments)


def main():
    options = parse(sys.argv[1:])
    began = time.perf_counter()
    training = Training(options)
    training.measure(options.warm_up)
    if not options.serve:
        print(json.dumps(training.measure(options.steps)), flush=True)
        return
    print(json.dumps({"ready": round(time.perf_counter() - began, 1)}), flush=True)
    for line in sys.stdin:
        print(json.dumps(training.measure(int(line))), flush=True)


if __name__ == "__main__":
    main()
