"""Jobs that cannot run: refused by `ballast validate` and by `ballast run` with the same words, each problem
with its path in the file, nothing started and nothing written."""

import subprocess
import unittest

from ballast_run import PROGRAMS, EndToEnd

# what is replaced, by what, and words that the message must have
REFUSED_AT_ONCE = {
    "a misspelt key": ("gradientClip:", "gradiantClip:", ["spec.training.gradiantClip", "gradientClip"]),
    "an unknown key": ("seed: 7", "seed: 7\n    colour: red", ["spec.training.colour"]),
    "a wrong type": ("steps: 40", "steps: many", ["spec.training.steps", "many"]),
    "a number as a decimal": ('learningRate: "1e-3"', "learningRate: [1]", ["spec.training.optimizer.learningRate"]),
    "a value out of range": ("layers: 2", "layers: 0", ["spec.model.layers", "0"]),
    "a batch that does not divide": ("batch: 16", "batch: 12", ["spec.training.batch", "12", "8"]),
    "microbatches, no power of two": ("microbatches: 8", "microbatches: 6", ["spec.training.microbatches", "6"]),
    "heads that do not divide": ("heads: 2", "heads: 3", ["spec.model", "3", "32"]),
    "replication": ("segmentElements: 4096", "replication: 3", ["spec.servers.replication", "3", "2"]),
    "a mode to come": ("seed: 7", "seed: 7\n    mode: async", ["spec.training.mode", "async"]),
    "no YAML": ("spec:", "spec: [", ["job.yaml"]),
    "another kind": ("kind: TrainingJob", "kind: Pod", ["kind", "Pod"]),
}


class BadJobs(EndToEnd):
    def ballast(self, *arguments):
        return subprocess.run([PROGRAMS / "ballast", *arguments], capture_output=True, text=True,
                              cwd=self.folder, timeout=200)

    def test_refused_by_validate_and_run_alike(self):
        for name, (old, new, words) in REFUSED_AT_ONCE.items():
            with self.subTest(name):
                self.write_job(lambda text, old=old, new=new: text.replace(old, new, 1))
                validated = self.ballast("validate", "job.yaml")
                ran = self.ballast("run", "job.yaml")
                self.assertEqual((validated.returncode, ran.returncode), (2, 2), validated.stderr + ran.stderr)
                for word in words:
                    self.assertIn(word, validated.stderr + validated.stdout)
                    self.assertIn(word, ran.stderr)
                self.assertFalse((self.folder / "checkpoints").exists())

    def test_all_problems_at_once(self):
        self.write_job(lambda text: text.replace("layers: 2", "layers: 0").replace("steps: 40", "steps: many")
                       .replace("gradientClip:", "gradiantClip:"))
        said = self.ballast("validate", "job.yaml")
        for path in ["spec.model.layers", "spec.training.steps", "spec.training.gradiantClip"]:
            self.assertIn(path, said.stderr + said.stdout)

    def test_a_good_job_is_valid(self):
        self.assertEqual(self.ballast("validate", "job.yaml").returncode, 0)

    def test_a_wrong_override(self):
        for override, word in [("spec.workers.replicaz=3", "replicaz"), ("spec.workers.replicas=x", "replicas"),
                               ("nonsense", "nonsense")]:
            with self.subTest(override):
                said = self.ballast("run", "job.yaml", "--set", override)
                self.assertEqual(said.returncode, 2, said.stderr)
                self.assertIn(word, said.stderr)

    def test_a_wrong_flag_and_a_missing_file(self):
        self.assertEqual(self.ballast("run", "job.yaml", "--frobnicate").returncode, 2)
        said = self.ballast("run", "nowhere.yaml")
        self.assertEqual(said.returncode, 2)
        self.assertIn("nowhere.yaml", said.stderr)

    def test_a_wrong_command_and_a_folder_without_checkpoints(self):
        for arguments, code, words in [(["frobnicate"], 2, "frobnicate"), ([], 2, "required"),
                                       (["checkpoints", "."], 0, "no checkpoints in .")]:
            with self.subTest(arguments):
                said = self.ballast(*arguments)
                self.assertEqual(said.returncode, code, said.stderr)
                self.assertIn(words, said.stderr)

    def test_data_that_is_not_there(self):
        self.write_job(lambda text: text.replace("text.txt", "missing-*.txt"))
        self.assert_fails(self.run_job(), 2, "missing-*.txt")

    def test_empty_data(self):
        (self.folder / "text.txt").write_text("")
        self.assert_fails(self.run_job(), 2, "empty")

    def test_text_shorter_than_one_context(self):
        (self.folder / "text.txt").write_text("too short")
        self.assert_fails(self.run_job(), 2, "context", "9")

    def test_a_precision_that_no_cpu_computes_in(self):
        self.assert_fails(self.run_job(*self.set(workers__precision="bf16")), 2,
                          "workers.precision is bf16, which needs a GPU")


if __name__ == "__main__":
    unittest.main()
