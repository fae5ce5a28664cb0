"""What the oracle tests share: arrays to and from our programs, and how near is near enough."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy
import torch

PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS", Path(__file__).parents[2] / "build/release/bin")).resolve()
torch.set_num_threads(1)


class OracleTest(unittest.TestCase):
    """A folder for the arrays of one case; everything in it goes with the test."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ballast-oracle-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        self.generator = torch.Generator().manual_seed(20240229)

    def normal(self, *shape, deviation=1.0):
        return torch.randn(*shape, generator=self.generator) * deviation

    def tokens(self, *shape, below):
        return torch.randint(below, shape, generator=self.generator)

    def give(self, **arrays):
        for name, array in arrays.items():
            kind, end = ("float32", "f32") if array.is_floating_point() else ("uint32", "u32")
            (self.folder / f"{name}.{end}").write_bytes(array.detach().numpy().astype(kind).tobytes())

    def take(self, name, *shape):
        array = numpy.fromfile(self.folder / f"{name}.f32", dtype="<f4")
        return torch.from_numpy(array).reshape(*shape)

    def ours(self, program, *arguments):
        done = subprocess.run([PROGRAMS / program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_near(self, name, found, expected, tolerance=2e-5):
        """Of the largest element: where values cancel, small ones have the error of large ones."""
        self.assertEqual(found.shape, expected.shape, name)
        self.assertTrue(torch.isfinite(found).all(), name)
        scale = max(0.01, expected.abs().max().item())
        error = (found - expected).abs().max().item() / scale
        self.assertLessEqual(error, tolerance, f"{name}: off by {error:.2e} of {scale:.3g}")
