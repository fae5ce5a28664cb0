"""A whole run against PyTorch: 500 steps of a GPT with 4 layers, 4 heads, 128 channels and context 64, batch 12, on
the same samples from the same start; Ballast with 2 servers and 2 workers. Every tenth step the losses of training
and of validation are within 1 % of each other.
"""

import math
import sys
import unittest
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("oracle_tools", "e2e")]

import peers  # noqa: E402
from ballast_run import EndToEnd  # noqa: E402
from oracle import OracleTest  # noqa: E402
from peer_gpt import gpt  # noqa: E402

LAYERS, HEADS, CHANNELS, CONTEXT, VOCABULARY = SHAPE = (4, 4, 128, 64, 256)
STEPS, BATCH, MICROBATCHES, SEED = 500, 12, 4, 1337
EVALUATION_BATCHES = 2
PEAK, LOW, WARMUP, DECAY, CLIP = 1e-3, 1e-4, 50, 0.1, 1.0
TEXT_BYTES = 1_000_000
NEAR = 0.01

JOB = f"""\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {{name: whole-run}}
spec:
  model: {{family: gpt, layers: {LAYERS}, heads: {HEADS}, embedding: {CHANNELS}, context: {CONTEXT}}}
  data: {{train: [text.txt], validationPercent: 10, tokenizer: byte}}
  training:
    steps: {STEPS}
    batch: {BATCH}
    microbatches: {MICROBATCHES}
    seed: {SEED}
    optimizer: {{name: adamw, learningRate: "{PEAK}", weightDecay: "{DECAY}"}}
    schedule: {{name: warmupCosine, warmupSteps: {WARMUP}, minLearningRate: "{LOW}"}}
    gradientClip: "{CLIP}"
    evaluation: {{everySteps: 10, batches: {EVALUATION_BATCHES}}}
  servers: {{replicas: 2}}
  workers: {{replicas: 2}}
"""


class WholeRun(OracleTest, EndToEnd):
    def setUp(self):
        OracleTest.setUp(self)
        EndToEnd.setUp(self)
        self.text = peers.run("a text", ["bible", "-f", "Gen1:1-Rev22:21"])[:TEXT_BYTES]
        (self.folder / "text.txt").write_bytes(self.text)
        (self.folder / "job.yaml").write_text(JOB)

    def ballast(self):
        """The losses by step: of training, of validation."""
        run = self.run_job("--sample-tokens", "0")
        self.sha256(run)
        progress = [event for event in run.events if event["event"] == "progress"]
        training = {event["step"]: event["loss"] for event in progress if "loss" in event}
        evaluated = [event for event in progress if "validationLoss" in event]
        validation = {event["validationStep"]: event["validationLoss"] for event in evaluated}
        return training, validation

    def start(self):
        """Version 0 by name, and the positions of each step's windows and of the evaluation's."""
        total = len(self.text)
        train = total - total // 100 * 10 - total % 100 * 10 // 100
        out = self.ours("oracle_start", self.folder, *SHAPE, SEED, train, total, BATCH, MICROBATCHES, STEPS,
                        EVALUATION_BATCHES)  # fmt: skip
        lines = [list(map(int, line.split())) for line in out.splitlines()]
        layout = self.ours("oracle_model", self.folder, *SHAPE, "layout").splitlines()
        arena = self.take("parameters", int(layout[-1].split()[1]))
        parameters = {}
        for name, offset, *dimensions in (line.split() for line in layout[:-1]):
            shape = list(map(int, dimensions))
            begin = int(offset)
            values = arena[begin : begin + math.prod(shape)].reshape(shape)
            parameters[name] = values.clone().requires_grad_()
        return parameters, lines[:-1], lines[-1]

    def pytorch(self):
        """The same losses."""
        parameters, samples, evaluation = self.start()
        text = torch.tensor(list(self.text))
        optimizer = torch.optim.AdamW(
            [{"params": [p for p in parameters.values() if p.dim() == 2], "weight_decay": DECAY},
             {"params": [p for p in parameters.values() if p.dim() == 1], "weight_decay": 0.0}], betas=(0.9, 0.999))

        def loss_of(positions):
            windows = torch.stack([text[p : p + CONTEXT + 1] for p in positions])
            logits = gpt(parameters, LAYERS, HEADS, windows[:, :-1])
            return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())

        training, validation = {}, {}
        for step, positions in enumerate(samples):
            x = (step - WARMUP) / (STEPS - WARMUP)
            rate = PEAK * (step + 1) / WARMUP if x < 0 else LOW + (PEAK - LOW) * 0.5 * (1 + math.cos(math.pi * x))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = loss_of(positions)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP)
            optimizer.step()
            training[step + 1] = loss.item()
            if (step + 1) % 10 == 0:
                with torch.no_grad():
                    validation[step + 1] = loss_of(evaluation).item()
        return training, validation

    def compare(self, kind, ours, theirs, steps):
        worst = 0.0
        for step in steps:
            off = abs(ours[step] - theirs[step]) / theirs[step]
            self.assertLessEqual(off, NEAR, f"{kind} loss of step {step}: {ours[step]}, PyTorch has {theirs[step]}")
            worst = max(worst, off)
        print(f"{kind}: {len(steps)} losses, {ours[min(steps)]:.4f} to {ours[max(steps)]:.4f}, at most {worst:.4%} off")

    def test_losses_within_one_percent(self):
        our_training, our_validation = self.ballast()
        training, validation = self.pytorch()
        every_tenth = list(range(10, STEPS + 1, 10))
        self.assertLess(validation[STEPS], 0.5 * validation[10])  # there was something to learn
        self.compare("validation", our_validation, validation, every_tenth)
        self.assertGreaterEqual(len(our_training), len(every_tenth))
        self.compare("training", our_training, training, sorted(our_training))


if __name__ == "__main__":
    unittest.main()
