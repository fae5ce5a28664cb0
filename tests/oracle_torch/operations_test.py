"""Each operation of the engine against PyTorch's, forward and every gradient, in fp32, odd sizes among them."""

import unittest

import torch
import torch.nn.functional as F

from oracle import OracleTest

MASKED = 2**32 - 1  # kMaskedTarget


class Operations(OracleTest):
    def compare(self, operation, numbers, inputs, forward, extra=None):
        """`inputs` by name, in the order of forward's arguments; its result's gradient is drawn."""
        with self.subTest(f"{operation} {numbers}"):
            leaves = [value.clone().requires_grad_() for value in inputs.values()]
            out = forward(*leaves)
            out_gradient = self.normal(*out.shape)
            out.backward(out_gradient)
            self.give(**inputs, **(extra or {}), out_gradient=out_gradient)
            self.ours("oracle_engine", operation, self.folder, *numbers)
            self.assert_near("out", self.take("out", *out.shape), out.detach())
            for name, leaf in zip(inputs, leaves):
                self.assert_near(f"{name}_gradient", self.take(f"{name}_gradient", *leaf.shape), leaf.grad)

    def test_embedding(self):
        for numbers in [(1, 1, 1, 1, 1), (2, 7, 5, 9, 11), (3, 65, 130, 80, 300)]:
            sequences, length, channels, context, vocabulary = numbers
            tokens = self.tokens(sequences, length, below=vocabulary)
            self.compare(
                "embedding", numbers,
                {"table": self.normal(vocabulary, channels), "positions": self.normal(context, channels)},
                lambda table, positions: table[tokens] + positions[: tokens.shape[1]],
                {"tokens": tokens},
            )

    def test_layer_norm(self):
        for rows, columns in [(1, 3), (5, 7), (37, 100), (65, 768)]:
            self.compare(
                "layer_norm", (rows, columns),
                {"in": self.normal(rows, columns, deviation=2) + 1, "gain": self.normal(columns),
                 "bias": self.normal(columns)},
                lambda x, gain, bias: F.layer_norm(x, x.shape[1:], gain, bias),
            )

    def test_linear(self):
        for rows, inputs, outputs in [(1, 1, 1), (7, 5, 3), (65, 33, 129), (256, 384, 1152)]:
            self.compare(
                "linear", (rows, inputs, outputs),
                {"in": self.normal(rows, inputs), "weight": self.normal(inputs, outputs), "bias": self.normal(outputs)},
                lambda x, weight, bias: x @ weight + bias,
            )

    def factors(self, rows, columns, percent):
        """What our mask multiplies with, so that PyTorch can do the same."""
        zeros = torch.zeros(rows, columns)
        self.give(**{"in": zeros, "out_gradient": zeros})
        self.ours("oracle_engine", "dropout", self.folder, rows, columns, percent)
        return self.take("factors", rows, columns)

    def test_dropout(self):
        for rows, columns, percent in [(1, 1, 0), (7, 5, 50), (37, 65, 10), (128, 384, 30)]:
            factors = self.factors(rows, columns, percent)
            self.assertTrue(((factors == 0) | ((factors - 100 / (100 - percent)).abs() < 1e-4)).all())
            self.compare("dropout", (rows, columns, percent), {"in": self.normal(rows, columns)},
                         lambda x, factors=factors: x * factors)

    def test_attention(self):
        def attention(qkv, heads, factors):
            sequences, length, width = qkv.shape
            size = width // 3 // heads
            query, key, value = (part.reshape(sequences, length, heads, size).transpose(1, 2)
                                 for part in qkv.chunk(3, dim=2))
            scores = query @ key.transpose(2, 3) / size**0.5
            hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
            mixed = (scores.masked_fill(hidden, float("-inf")).softmax(dim=3) * factors) @ value
            return mixed.transpose(1, 2).reshape(sequences, length, heads * size)

        for shape in [(1, 1, 1, 1), (2, 7, 3, 15), (1, 65, 2, 34), (2, 130, 4, 64), (1, 256, 6, 384)]:
            for percent in (0, 20):
                sequences, length, heads, channels = shape
                factors = self.factors(sequences * heads * length, length, percent)
                factors = factors.reshape(sequences, heads, length, length)
                self.compare("attention", (*shape, percent), {"qkv": self.normal(sequences, length, 3 * channels)},
                             lambda qkv, heads=heads, factors=factors: attention(qkv, heads, factors))

    def test_gelu(self):
        for form, approximate in enumerate(("tanh", "none")):
            for count in (1, 17, 10007):
                self.compare("gelu", (count, form), {"in": self.normal(count, deviation=3)},
                             lambda x, approximate=approximate: F.gelu(x, approximate=approximate))

    def test_residual(self):
        for count in (1, 10007):
            a, b = self.normal(count), self.normal(count)
            self.give(a=a, b=b)
            self.ours("oracle_engine", "residual", self.folder, count)
            self.assertTrue(torch.equal(self.take("out", count), a + b))

    def test_head(self):
        for rows, channels, vocabulary, masked in [(1, 1, 2, 0), (7, 5, 23, 0), (300, 33, 517, 0), (7, 5, 23, 3),
                                                   (300, 33, 517, 150), (300, 33, 517, 299)]:
            with self.subTest(f"head {rows} {channels} {vocabulary}, {masked} masked"):
                stream = self.normal(rows, channels).requires_grad_()
                table = self.normal(vocabulary, channels).requires_grad_()
                targets = self.tokens(rows, below=vocabulary)
                targets[torch.randperm(rows, generator=self.generator)[:masked]] = MASKED
                logits = stream @ table.T
                loss = F.cross_entropy(logits, targets, reduction="sum", ignore_index=MASKED)
                loss.backward()
                self.give(**{"in": stream, "table": table, "targets": targets})
                self.ours("oracle_engine", "head", self.folder, rows, channels, vocabulary)
                self.assert_near("logits", self.take("logits", rows, vocabulary), logits.detach())
                self.assert_near("loss", self.take("loss", 1)[0], loss.detach())
                self.assert_near("in_gradient", self.take("in_gradient", rows, channels), stream.grad)
                self.assert_near("table_gradient", self.take("table_gradient", vocabulary, channels), table.grad)


if __name__ == "__main__":
    unittest.main()
