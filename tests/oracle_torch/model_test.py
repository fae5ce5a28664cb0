"""The whole GPT against the same model in PyTorch: logits, loss, every gradient; and the logits of the decoder
that keeps keys and values."""

import unittest

import torch
import torch.nn.functional as F

from oracle import OracleTest
from peer_gpt import gpt

SHAPES = [  # layers, heads, channels, context, vocabulary, sequences, activation, percent of dropout, recompute
    (1, 1, 5, 1, 2, 1, "geluTanh", 0, 0),
    (2, 3, 15, 7, 23, 3, "geluTanh", 0, 0),
    (2, 3, 15, 7, 23, 3, "gelu", 30, 0),
    (3, 4, 64, 80, 257, 2, "geluTanh", 10, 1),
    (3, 4, 64, 80, 257, 2, "gelu", 0, 1),
    (4, 4, 128, 64, 256, 12, "geluTanh", 0, 0),
]


class Model(OracleTest):
    def draw_parameters(self, shape):
        """By name, with their offsets, and the size of the arena."""
        lines = [line.split() for line in self.ours("oracle_model", self.folder, *shape[:5], "layout").splitlines()]
        parameters, offsets = {}, {}
        for name, offset, *dimensions in lines[:-1]:
            one = 1.0 if name.split(".")[-2].startswith("ln") and name.endswith("weight") else 0.0
            parameters[name] = (self.normal(*map(int, dimensions), deviation=0.15) + one).requires_grad_()
            offsets[name] = int(offset)
        return parameters, offsets, int(lines[-1][1])

    def test_logits_loss_and_every_gradient(self):
        for shape in SHAPES:
            with self.subTest(str(shape)):
                layers, heads, _, context, vocabulary, sequences, activation, percent, _ = shape
                parameters, offsets, elements = self.draw_parameters(shape)
                arena = torch.zeros(elements)
                for name, values in parameters.items():
                    arena[offsets[name] : offsets[name] + values.numel()] = values.detach().flatten()
                tokens = self.tokens(sequences, context, below=vocabulary)
                targets = self.tokens(sequences, context, below=vocabulary)
                self.give(parameters=arena, tokens=tokens, targets=targets)
                self.ours("oracle_model", self.folder, *shape)
                factors = [self.take(f"factors{site}", -1) for site in range(3 * layers + 1)] if percent else None
                approximate = "tanh" if activation == "geluTanh" else "none"
                trained = gpt(parameters, layers, heads, tokens, approximate, factors)
                loss = F.cross_entropy(trained.flatten(0, 1), targets.flatten(), reduction="sum")
                loss.backward()
                logits = gpt(parameters, layers, heads, tokens, approximate)
                self.assert_near("loss", self.take("loss", 1)[0], loss.detach())
                self.assert_near("logits", self.take("logits", *logits.shape), logits.detach())
                self.assert_near("cached logits", self.take("cached_logits", *logits.shape), logits.detach())
                gradients = self.take("gradients", elements)
                for name, values in parameters.items():
                    found = gradients[offsets[name] : offsets[name] + values.numel()].reshape(values.shape)
                    self.assert_near(name, found, values.grad, 1e-4)


if __name__ == "__main__":
    unittest.main()
