"""`ballast export` against Hugging Face's transformers: the directory loads there, with the same logits, the same
tokens, and the same text.

Runs itself once more with the Python of a virtual environment that has transformers (see peers.py).
"""

import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "oracle_tools"), str(HERE.parent / "e2e")]

import peers  # noqa: E402

PEER = "transformers==4.40.2"
NUMBERS = "numpy<2"  # Debian's PyTorch knows no later one
CHARACTERS = "The quick brown fox, \u00e4\u20ac\U0001f600, jumps over seven wizards.\n"


def make_peer(folder):
    what = f"the peer {PEER} (Debian: python3-torch, python3-venv)"
    peers.run(what, [sys.executable, "-m", "venv", "--system-site-packages", folder])
    peers.run(what, [folder / "bin" / "python", "-m", "pip", "install", "--quiet", PEER, NUMBERS])


def main():
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    peer = peers.ready_once(peers.cache_folder("oracle_torch") / f"{PEER}-{version}", make_peer)
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
    python = str(peer / "bin" / "python")  # also as argument 0, by which it finds its environment
    os.execve(python, [python, "-B", __file__, "inside", *sys.argv[1:]], {**os.environ, **offline})


def define_tests():
    """Where transformers is."""
    import json
    import subprocess

    import torch
    from ballast_run import PROGRAMS, EndToEnd
    from oracle import OracleTest
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    class Export(OracleTest, EndToEnd):
        def setUp(self):
            OracleTest.setUp(self)
            EndToEnd.setUp(self)  # its folder, with a job and a text

        def trained(self, tokenizer, *more):
            """A checkpoint's folder, and what transformers makes of its export."""
            run = self.run_job(*self.set(data__tokenizer=tokenizer, training__steps=20), *more)
            self.sha256(run)
            checkpoint = self.folder / run.last("end")["checkpoint"]
            directory = self.folder / f"model-{tokenizer}"
            done = subprocess.run([PROGRAMS / "ballast", "export", checkpoint, directory], capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return checkpoint, directory

        def arena(self, checkpoint):
            segments = {}
            for part in checkpoint.glob("*.safetensors"):
                for name, values in load_file(part).items():
                    if name.startswith("parameters/"):
                        segments[int(name.split("/")[1])] = values
            return torch.cat([segments[i] for i in range(len(segments))])

        def check(self, tokenizer, text, *more):
            checkpoint, directory = self.trained(tokenizer, *more)
            model, report = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
            self.assertEqual((report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"]),
                             ([], [], []))  # fmt: skip
            theirs = AutoTokenizer.from_pretrained(directory)
            self.check_logits(checkpoint, model, directory)
            self.assertEqual({model.config.embd_pdrop, model.config.attn_pdrop, model.config.resid_pdrop},
                             {0.1 if tokenizer == "byte" else 0.0})  # fmt: skip
            self.check_text(checkpoint, model, theirs, text)
            return theirs

        def check_logits(self, checkpoint, model, directory):
            config = json.loads((directory / "config.json").read_text())
            shape = [config[key] for key in ("n_layer", "n_head", "n_embd", "n_positions", "vocab_size")]
            tokens = self.tokens(3, shape[3], below=shape[4])
            self.give(parameters=self.arena(checkpoint), tokens=tokens, targets=tokens)
            ours = {"gelu_new": "geluTanh", "gelu": "gelu"}[config["activation_function"]]
            self.ours("oracle_model", self.folder, *shape, 3, ours, 0, 0)
            with torch.no_grad():
                logits = model(tokens).logits
            self.assert_near("logits", self.take("logits", *logits.shape), logits, 1e-4)
            self.assertGreater(logits.std().item(), 0.1)  # 20 steps have taught it something

        def check_text(self, checkpoint, model, tokenizer, prompt):
            """The likeliest text, as long as the context has room."""
            tokens = tokenizer(prompt, return_tensors="pt")
            self.assertEqual(tokenizer.decode(tokens["input_ids"][0]), prompt)
            room = model.config.n_positions - tokens["input_ids"].shape[1]
            self.assertGreater(room, 0)
            options = {"max_new_tokens": room, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
            expected = tokenizer.decode(model.generate(**tokens, **options)[0])
            done = subprocess.run([PROGRAMS / "ballast", "generate", checkpoint, "--prompt", prompt,
                                   "--tokens", str(room), "--temperature", "0"], capture_output=True)  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.decode(), expected + "\n")

        def test_byte(self):
            exact = self.set(model__activation="gelu", model__dropout="'0.1'", training__recompute="true")
            tokenizer = self.check("byte", "the quick ", *exact)
            text = CHARACTERS * 3 + "  \t"
            self.assertEqual(tokenizer(text)["input_ids"], list(text.encode()))

        def test_characters(self):
            (self.folder / "text.txt").write_text(CHARACTERS * 2000, encoding="utf-8")
            tokenizer = self.check("characters", "fox, \u00e4\u20ac\U0001f600, ")
            known = ["\0", *sorted(set(CHARACTERS))]
            text = CHARACTERS * 3
            self.assertEqual(tokenizer(text)["input_ids"], [known.index(c) for c in text])
            self.assertEqual(tokenizer.decode(tokenizer(text)["input_ids"]), text)

        def test_gpt2(self):
            vocabulary = ["--set", f"spec.data.vocabulary={peers.gpt2_vocabulary()}"]
            tokenizer = self.check("gpt2", "The quick brown", *vocabulary)
            self.assertEqual(tokenizer("Hello world\n\n don't")["input_ids"],
                             [15496, 995, 628, 836, 470])  # fmt: skip
            self.assertEqual(tokenizer.eos_token_id, 50256)

    return Export


if __name__ == "__main__":
    if sys.argv[1:2] != ["inside"]:
        main()
    Export = define_tests()
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
