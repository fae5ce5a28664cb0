"""The README's example on the user's own text, as it is written there: with another folder of texts and fewer steps,
every command of the block runs, the two runs end with the same parameters, and text and a model come out.
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from ballast_run import PROGRAMS, some_text

README = Path(__file__).resolve().parents[2] / "README.md"


def block_with(words):
    """The one block of commands that holds the words."""
    blocks = [block for block in README.read_text().split("```")[1::2] if words in block]
    assert len(blocks) == 1, f"{len(blocks)} blocks of the README hold {words!r}"
    return blocks[0]


class Readme(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ballast-readme-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "texts").mkdir()
        for name in ("one.txt", "two.txt"):
            (self.folder / "texts" / name).write_text(some_text())

    def test_the_example_on_your_own_text_works_as_written(self):
        script = block_with("/path/to/your/texts")
        for written, ours in [("/path/to/your/texts", str(self.folder / "texts")),
                              ("steps: 1000", "steps: 20"),
                              ("build/release/bin/ballast", str(PROGRAMS / "ballast"))]:  # fmt: skip
            self.assertIn(written, script)
            script = script.replace(written, ours)
        environment = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run(["bash", "-euxc", script], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=600)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        sums = re.findall(r"\b[0-9a-f]{64}\b", done.stdout)
        self.assertEqual(len(sums), 2, done.stdout)
        self.assertEqual(len(set(sums)), 1, done.stdout)
        self.assertIn("\nThe ", done.stdout)  # the generated text begins with its prompt
        exported = {path.name for path in (self.folder / "my-model").iterdir()}
        self.assertLessEqual({"config.json", "model.safetensors", "tokenizer.json"}, exported)


if __name__ == "__main__":
    unittest.main()
