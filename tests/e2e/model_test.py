"""The model is the user's to keep: a job's checkpoint becomes text (`ballast generate`) and a directory for
Hugging Face's transformers (`ballast export`), with nothing but the checkpoint's folder.

That transformers loads the directory, and computes the same with it, is shown in tests/oracle_torch.
"""

import json
import shutil
import subprocess
import unittest

from ballast_run import PROGRAMS, EndToEnd

TEXT = "the quick brown fox \u00e4\u20ac\U0001f600 jumps over seven wizards\n"


class Model(EndToEnd):
    def ballast(self, *arguments, **options):
        return subprocess.run([PROGRAMS / "ballast", *map(str, arguments)], capture_output=True, cwd=self.folder,
                              timeout=200, **options)

    def train(self, *arguments):
        run = self.run_job(*arguments)
        self.sha256(run)
        return run.last("end")["checkpoint"]

    def text(self, *arguments):
        done = self.ballast("generate", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode("utf-8")  # whole characters, whatever the model says

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stderr.decode())
        for word in words:
            self.assertIn(word, done.stderr.decode())
        self.assertEqual(done.stdout, b"")

    def test_each_tokenizer_and_some_optimizers(self):
        (self.folder / "text.txt").write_text(TEXT * 2000, encoding="utf-8")
        for name, optimizer in (("characters", "rmsprop"), ("byte", "adagrad")):
            with self.subTest(name):
                checkpoint = self.train(*self.set(data__tokenizer=name, training__optimizer__name=optimizer,
                                                  training__optimizer__weightDecay="0",
                                                  training__schedule__name="warmupStableDecay"))
                (self.folder / "text.txt").rename(self.folder / "away.txt")  # the folder alone is enough
                text = self.text(checkpoint, "--prompt", "the quick", "--tokens", "50")
                self.assertTrue(text.startswith("the quick") and text.endswith("\n"), text)
                self.assertEqual(self.ballast("export", checkpoint, f"model-{name}").returncode, 0)
                model = self.folder / f"model-{name}"
                config = json.loads((model / "config.json").read_text())
                self.assertEqual((config["n_layer"], config["n_positions"]), (2, 32))
                vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
                self.assertEqual(len(vocabulary), config["vocab_size"])
                (self.folder / "away.txt").rename(self.folder / "text.txt")

    def test_a_run_that_goes_on_from_a_checkpoint_hands_the_vocabulary_on(self):
        job = {"data__tokenizer": "characters", "checkpoint__everySteps": 10}
        first = self.train(*self.set(training__steps=20, training__schedule__lengthSteps=30, **job))
        second = self.train(*self.set(training__steps=30, training__schedule__lengthSteps=30, **job), "--resume")
        vocabularies = [(self.folder / checkpoint / "characters.json").read_bytes() for checkpoint in (first, second)]
        self.assertEqual(*vocabularies)
        self.assertTrue(self.text(second, "--prompt", "fox", "--tokens", "5").startswith("fox"))

    def test_generate(self):
        checkpoint = self.train()
        text = self.text(checkpoint, "--prompt", "fox", "--tokens", "100", "--seed", "3")
        with self.subTest("the same from the job's folder, and from the one above it"):
            for folder in (checkpoint.rsplit("/", 1)[0], "checkpoints", "checkpoints/"):
                self.assertEqual(self.text(folder, "--prompt", "fox", "--tokens", "100", "--seed", "3"), text)
        with self.subTest("the same without kept keys and values, and with any number of threads"):
            for flag in (["--no-cache"], ["--threads", "1"], ["--threads", "3"]):
                again = self.text(checkpoint, "--prompt", "fox", "--tokens", "100", "--seed", "3", *flag)
                self.assertEqual(again, text)
        with self.subTest("another with another seed"):
            self.assertNotEqual(self.text(checkpoint, "--prompt", "fox", "--tokens", "100", "--seed", "4"), text)
        with self.subTest("the prompt alone"):
            self.assertEqual(self.text(checkpoint, "--prompt", "fox", "--tokens", "0"), "fox\n")
        with self.subTest("what may be drawn"):
            likeliest = self.text(checkpoint, "--prompt", "fox", "--temperature", "0")
            self.assertEqual(self.text(checkpoint, "--prompt", "fox", "--top-k", "1", "--seed", "9"), likeliest)
            self.assertEqual(self.text(checkpoint, "--prompt", "fox", "--top-p", "1e-9", "--seed", "9"), likeliest)
        with self.subTest("nobody reads"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAMS / "ballast", "generate", checkpoint], stdout=full,
                                      stderr=subprocess.PIPE, cwd=self.folder, timeout=200)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"could not be written", done.stderr)

    def test_bad_input(self):
        checkpoint = self.folder / self.train(*self.set(data__tokenizer="characters"))
        generate = lambda *arguments: self.ballast("generate", *arguments)  # noqa: E731
        self.assert_refused(generate("nowhere"), "nowhere does not exist")
        self.assert_refused(generate("text.txt"), "text.txt is no folder")
        self.assert_refused(generate("cache"), "no complete checkpoint in cache")
        self.assert_refused(generate(checkpoint, "--prompt", "a" * 33), "33 tokens", "context is 32")
        self.assert_refused(generate(checkpoint, "--prompt", "\u20ac"), "--prompt", "U+20AC")
        self.assert_refused(generate(checkpoint, "--prompt", ""), "--prompt")
        self.assert_refused(generate(checkpoint, "--temperature", "-1"), "temperature")
        self.assert_refused(generate(checkpoint, "--top-p", "0"), "top-p")
        (self.folder / "full").mkdir()
        (self.folder / "full/file").write_text("mine")
        self.assert_refused(self.ballast("export", checkpoint, "full"), "full is there already", "new or empty")
        self.assert_refused(self.ballast("export", "nowhere", "new"), "nowhere does not exist")
        self.assertFalse((self.folder / "new").exists())

        parts = sorted(path.name for path in checkpoint.iterdir())
        self.assertIn("characters.json", parts)
        for name in parts:
            with self.subTest(f"a damaged {name}"):
                copy = self.folder / "copy" / checkpoint.name
                shutil.copytree(checkpoint, copy)
                data = bytearray((copy / name).read_bytes())
                data[len(data) // 2] ^= 1
                (copy / name).write_bytes(data)
                self.assert_refused(generate(copy), name)
                self.assert_refused(self.ballast("export", copy, "new"), name)
                self.assert_refused(generate(copy.parent), name, "no complete checkpoint")
                (copy / "manifest.json").unlink()
                self.assert_refused(generate(copy), "manifest.json")
                shutil.rmtree(copy.parent)
        self.assertFalse((self.folder / "new").exists())

    def test_a_damaged_checkpoint_is_passed_over(self):
        checkpoint = self.folder / self.train()
        newer = checkpoint.with_name("step-41-term-1-attempt-1")
        shutil.copytree(checkpoint, newer)
        next(newer.glob("*.safetensors")).write_bytes(b"")
        done = self.ballast("generate", checkpoint.parent, "--tokens", "5")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"passed over a damaged checkpoint", done.stderr)


if __name__ == "__main__":
    unittest.main()
