#!/usr/bin/env python3
"""The loss curve of bench_gpu's training in bf16 beside PyTorch's on the same GPU: the same initial values, the same
tokens in the same order, the same optimizer. Each step's loss must be within 1 %.

    loss_curve.py FOLDER prepare             writes the three files of a run
    loss_curve.py FOLDER train [PRECISION]   PyTorch's losses.PRECISION.json, bf16 or fp32
    loss_curve.py FOLDER compare             losses.json (ours) beside losses.bf16.json; exit status 1 beyond 1 %
    loss_curve.py FOLDER all COMMAND...      all of it, with COMMAND --folder FOLDER --steps N for ours
Options come before FOLDER.

The files, all numbers little endian:
    layout.json      model, batch, steps, optimizer; elements of the arena, and its tensors (name, shape, offset)
    parameters.f32   the arena: tensors in order, each from a multiple of 64 bytes on, zeros between them
    tokens.u32       [steps, batch, context + 1]: a row's targets are its inputs, one further
    losses.json      what ours writes: the mean loss of each step's batch, before that step changes the parameters
"""

import argparse
import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/oracle_torch"))
from peer_gpt import gpt  # noqa: E402

SEED = 20240229
ALIGNMENT = 16  # elements: 64 bytes
SEPARATOR = 256  # between files, as the byte tokenizer has it
MODEL = {"family": "gpt", "layers": 6, "heads": 6, "embedding": 384, "context": 256, "vocabulary": 257}
OPTIMIZER = {"name": "adamw", "learningRate": 3e-4, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8,
             "weightDecay": 0.1, "gradientClip": 1.0, "warmupSteps": 50}  # fmt: skip
TEXTS = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "services/**/*.cc", "services/**/*.h", "operator/**/*.cc")


def tensors_of(model):
    """Names and shapes in the order of the arena (services/engine/gpt_layout.cc)."""
    channels = model["embedding"]
    yield "wte.weight", [model["vocabulary"], channels]
    yield "wpe.weight", [model["context"], channels]
    for layer in range(model["layers"]):
        at = f"h.{layer}."
        for name in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"):
            shape = {"attn.c_attn": [channels, 3 * channels], "attn.c_proj": [channels, channels],
                     "mlp.c_fc": [channels, 4 * channels], "mlp.c_proj": [4 * channels, channels]}.get(name)
            yield f"{at}{name}.weight", shape or [channels]
            yield f"{at}{name}.bias", shape[1:] if shape else [channels]
    yield "ln_f.weight", [channels]
    yield "ln_f.bias", [channels]


def layout_of(model, batch, steps):
    tensors, offset = [], 0
    for name, shape in tensors_of(model):
        tensors.append({"name": name, "shape": shape, "offset": offset})
        offset += -(-math.prod(shape) // ALIGNMENT) * ALIGNMENT
    return {"model": model, "batch": batch, "steps": steps, "optimizer": OPTIMIZER, "elements": offset,
            "tensors": tensors}


def initial_arena(layout):
    """As GPT-2 begins."""
    generator = numpy.random.Generator(numpy.random.PCG64(SEED))
    arena = numpy.zeros(layout["elements"], dtype="<f4")
    for tensor in layout["tensors"]:
        count = math.prod(tensor["shape"])
        part = arena[tensor["offset"]:tensor["offset"] + count]
        if len(tensor["shape"]) > 1:
            ends_branch = tensor["name"].endswith("c_proj.weight")
            deviation = 0.02 / (2 * layout["model"]["layers"]) ** 0.5 if ends_branch else 0.02
            part[:] = generator.standard_normal(count, dtype="f4") * numpy.float32(deviation)
        elif tensor["name"].endswith("weight"):
            part[:] = 1
    return arena


def text_tokens():
    """The bytes of the project's own texts: structure that a model learns in 200 steps."""
    files = sorted({path for pattern in TEXTS for path in REPOSITORY.glob(pattern) if path.is_file()})
    tokens = []
    for path in files:
        tokens += [*path.read_bytes(), SEPARATOR]
    return numpy.array(tokens, dtype="<u4")


def prepare(folder, options):
    model = {**MODEL, **({"layers": 2, "heads": 2, "embedding": 64, "context": 32} if options.tiny else {})}
    layout = layout_of(model, options.batch, options.steps)
    text = text_tokens()
    draw = random.Random(SEED)
    length = model["context"] + 1
    starts = [draw.randrange(len(text) - length) for _ in range(options.steps * options.batch)]
    folder.mkdir(parents=True, exist_ok=True)
    initial_arena(layout).tofile(folder / "parameters.f32")
    numpy.stack([text[start:start + length] for start in starts]).tofile(folder / "tokens.u32")
    (folder / "layout.json").write_text(json.dumps(layout, indent=1) + "\n")
    print(f"{len(text)} bytes of text, {layout['elements']} elements, {options.steps} steps in {folder}")


def parameters_of(folder, layout, device):
    arena = torch.from_numpy(numpy.fromfile(folder / "parameters.f32", dtype="<f4"))
    parameters = {}
    for tensor in layout["tensors"]:
        part = arena[tensor["offset"]:tensor["offset"] + math.prod(tensor["shape"])]
        parameters[tensor["name"]] = part.reshape(tensor["shape"]).clone().to(device).requires_grad_()
    return parameters


def adamw(parameters, options):
    """Weights that are matrices decay; biases and norms do not."""
    decay = options["weightDecay"]
    groups = [{"params": [p for p in parameters.values() if p.dim() > 1], "weight_decay": decay},
              {"params": [p for p in parameters.values() if p.dim() == 1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options["learningRate"], betas=(options["beta1"], options["beta2"]),
                             eps=options["epsilon"])


def learning_rate(options, step):
    """Growing to its whole: a training that begins with the whole rate is so unsteady that its bf16 and its fp32 curves
    are 2 % apart, in PyTorch too, and say little of each other.
    """
    return options["learningRate"] * min(1.0, (step + 1) / options["warmupSteps"])


def train(folder, precision, device):
    layout = json.loads((folder / "layout.json").read_text())
    model, steps, batch = layout["model"], layout["steps"], layout["batch"]
    tokens = numpy.fromfile(folder / "tokens.u32", dtype="<u4").astype("int64")
    tokens = torch.from_numpy(tokens).reshape(steps, batch, model["context"] + 1).to(device)
    parameters = parameters_of(folder, layout, device)
    optimizer = adamw(parameters, layout["optimizer"])
    losses = []
    began = time.perf_counter()
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(layout["optimizer"], step)
        # Products of fp32 with autocast off are whole: PyTorch takes TF32 only where it is asked to.
        with torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            logits = gpt(parameters, model["layers"], model["heads"], tokens[step, :, :-1])
        loss = F.cross_entropy(logits.float().reshape(-1, model["vocabulary"]), tokens[step, :, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), layout["optimizer"]["gradientClip"])
        optimizer.step()
        losses.append(loss.detach())
    losses = torch.stack(losses).tolist()
    (folder / f"losses.{precision}.json").write_text(json.dumps(losses) + "\n")
    print(f"PyTorch {torch.__version__} {precision}: {losses[0]:.4f} to {losses[-1]:.4f} in "
          f"{time.perf_counter() - began:.1f} s")


def largest_difference(ours, theirs):
    """Relative, and the step of it."""
    return max((abs(a - b) / b, step) for step, (a, b) in enumerate(zip(ours, theirs)))


def compare(folder, tolerance):
    ours, theirs = (json.loads((folder / f"losses{name}.json").read_text()) for name in ("", ".bf16"))
    problems = []
    if len(ours) != len(theirs):
        problems.append(f"{len(ours)} losses of ours, {len(theirs)} of PyTorch's")
    if not all(math.isfinite(loss) for loss in ours + theirs):
        problems.append("a loss is not finite")
    elif len(ours) == len(theirs):
        worst, step = largest_difference(ours, theirs)
        mean = sum(abs(a - b) / b for a, b in zip(ours, theirs)) / len(ours)
        print(f"loss {ours[0]:.4f} to {ours[-1]:.4f}, PyTorch's {theirs[0]:.4f} to {theirs[-1]:.4f}; they differ by "
              f"{100 * mean:.3f} % on average, by {100 * worst:.3f} % at most (step {step})")
        if worst > tolerance:
            problems.append(f"step {step}: {ours[step]:.4f} and {theirs[step]:.4f} differ by {100 * worst:.2f} %")
        if len(theirs) >= 200 and theirs[-1] > 0.6 * theirs[0]:
            problems.append("the loss did not fall: a comparison of curves that are flat says nothing")
    if (folder / "losses.fp32.json").exists():
        exact = json.loads((folder / "losses.fp32.json").read_text())
        print(f"from PyTorch in fp32, at most: PyTorch in bf16 {100 * largest_difference(theirs, exact)[0]:.3f} %, "
              f"ours {100 * largest_difference(ours, exact)[0]:.3f} %")
    for problem in problems:
        print(f"loss_curve: {problem}")
    return 1 if problems else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("action", choices=("prepare", "train", "compare", "all"))
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tiny", action="store_true", help="a model for a machine without a GPU")
    parser.add_argument("--tolerance", type=float, default=0.01)
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


def main():
    options = parse()
    folder = options.folder
    if options.action in ("prepare", "all"):
        prepare(folder, options)
    if options.action == "train":
        train(folder, options.rest[0] if options.rest else "bf16", options.device)
    if options.action == "all":
        subprocess.run([*options.rest, "--folder", folder, "--steps", str(options.steps)], check=True)
        for precision in ("bf16", "fp32"):
            train(folder, precision, options.device)
    if options.action in ("compare", "all"):
        return compare(folder, options.tolerance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
