"""Ten steps of each optimizer against PyTorch's of the same name; each schedule against its formula."""

import math
import unittest

import torch

from oracle import OracleTest

STEPS = 10
COUNT = 1003
OPTIMIZERS = {  # ours -> PyTorch's
    "sgd": lambda p, o: torch.optim.SGD(p, o["lr"], weight_decay=o["decay"]),
    "momentum": lambda p, o: torch.optim.SGD(p, o["lr"], momentum=o["momentum"], weight_decay=o["decay"]),
    "nesterov": lambda p, o: torch.optim.SGD(p, o["lr"], momentum=o["momentum"], weight_decay=o["decay"],
                                             nesterov=True),
    "adam": lambda p, o: torch.optim.Adam(p, o["lr"], (o["beta1"], o["beta2"]), o["epsilon"], o["decay"]),
    "adamw": lambda p, o: torch.optim.AdamW(p, o["lr"], (o["beta1"], o["beta2"]), o["epsilon"], o["decay"]),
    "adagrad": lambda p, o: torch.optim.Adagrad(p, o["lr"], weight_decay=o["decay"], eps=o["epsilon"]),
    "rmsprop": lambda p, o: torch.optim.RMSprop(p, o["lr"], o["alpha"], o["epsilon"], o["decay"]),
}  # fmt: skip
CONSTANT, COSINE, LINEAR, STABLE_DECAY, ROOT = range(5)


class Optimizers(OracleTest):
    def theirs(self, name, options, start, gradients):
        parameter = start.clone().requires_grad_()
        optimizer = OPTIMIZERS[name]([parameter], options)
        after = []
        for gradient in gradients:
            parameter.grad = gradient.clone()
            if options["clip"] > 0:
                torch.nn.utils.clip_grad_norm_([parameter], options["clip"])
            optimizer.step()
            after.append(parameter.detach().clone())
        return torch.stack(after)

    def test_ten_steps(self):
        for name in OPTIMIZERS:
            for decay, clip in [(0.0, 0.0), (0.1, 0.0), (0.1, 20.0)]:
                with self.subTest(f"{name} decay {decay} clip {clip}"):
                    options = {"lr": 0.01, "decay": decay, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-8,
                               "momentum": 0.9, "alpha": 0.97, "clip": clip}  # fmt: skip
                    start = self.normal(COUNT)
                    # Of many magnitudes, and of 0: what divides by a root must bear it.
                    gradients = self.normal(STEPS, COUNT) * torch.logspace(-6, 1, COUNT)
                    gradients[:, 0] = 0
                    expected = self.theirs(name, options, start, gradients)
                    self.give(parameters=start, gradients=gradients)
                    self.ours("oracle_training", "optimizer", self.folder, name, *options.values(), STEPS, COUNT)
                    found = self.take("after", STEPS, COUNT)
                    # Against what the step changed: a parameter hides its own rounding.
                    self.assert_near(name, found - start, expected - start, 2e-5)
                    self.assert_near(f"{name}, last step", found[-1], expected[-1], 1e-6)


class Schedules(OracleTest):
    def expected(self, kind, t, peak, warmup, length, low, decay):
        if kind == CONSTANT:
            return peak
        if t < warmup:
            return peak * (t + 1) / warmup
        if kind == ROOT:
            return max(low, peak * math.sqrt(max(warmup, 1) / (t + 1)))
        if t >= length:
            return low
        begin = max(length - decay, warmup) if kind == STABLE_DECAY else warmup
        x = (t - begin) / (length - begin) if t > begin else 0
        return low + (peak - low) * (0.5 * (1 + math.cos(math.pi * x)) if kind == COSINE else 1 - x)

    def test_formulas(self):
        rows = [(0, 50, 0.0, 10), (10, 60, 1e-4, 20), (7, 53, 0.0, 46), (100, 101, 3e-4, 1), (25, 50, 1e-3, 0),
                (20, 60, 0.0, 70)]  # fmt: skip
        for kind in (CONSTANT, COSINE, LINEAR, STABLE_DECAY, ROOT):
            for warmup, length, low, decay in rows:
                with self.subTest(f"kind {kind}: {warmup} {length} {low} {decay}"):
                    peak, steps = 1e-3, 130
                    out = self.ours("oracle_training", "schedule", kind, peak, warmup, length, low, decay, steps)
                    found = [float(line) for line in out.split()]
                    self.assertEqual(len(found), steps)
                    for t, rate in enumerate(found):
                        expected = self.expected(kind, t, peak, warmup, length, low, decay)
                        self.assertAlmostEqual(rate, expected, delta=1e-15, msg=f"step {t}")


if __name__ == "__main__":
    unittest.main()
