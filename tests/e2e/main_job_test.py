"""The main job as a user sees it: it learns, and its end has everything that was promised."""

import unittest
from pathlib import Path

from ballast_run import EndToEnd


class MainJob(EndToEnd):
    def test_it_learns_and_ends_with_everything(self):
        run = self.run_job()
        self.sha256(run)
        first = next(e["loss"] for e in run.events if e["event"] == "progress" and "loss" in e)
        end = run.last("end")
        self.assertEqual(end["steps"], 40)
        self.assertLess(end["trainingLoss"], first - 0.5)
        self.assertLess(end["validationLoss"], 4.5)
        self.assertAlmostEqual(end["bitsPerByte"], end["validationLoss"] / 0.6931471805599453)
        self.assertAlmostEqual(end["perplexity"], 2.718281828459045 ** end["validationLoss"], places=6)
        self.assertTrue((Path(end["checkpoint"]) / "manifest.json").exists())
        self.assertGreater(len(end["sample"]), 0)
        for moved in ["pushedBytes", "pulledBytes"]:
            self.assertGreater(end[moved], 40 * 4 * 30_000)  # at least the parameters, every step
        for latency in ["pushLatency", "pullLatency"]:
            self.assertGreater(end[latency]["medianSeconds"], 0)
        self.assertGreater(end["workerSeconds"]["compute"], 0)

    def test_a_checkpoint_folder_that_cannot_be_is_told(self):
        (self.folder / "checkpoints").write_text("a file in the way")
        self.assert_fails(self.run_job(), 2, "checkpoint")


if __name__ == "__main__":
    unittest.main()
