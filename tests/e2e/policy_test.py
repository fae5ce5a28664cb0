"""Policies of a real run: a worker that is held back gets less of each step, and the parameters are those of a run
without policies."""

import json
import re
import sys
import unittest
import urllib.request
from pathlib import Path

from ballast_run import EndToEnd, HeldBack, wait_until


class WorkerBalance(EndToEnd):
    def job(self, *more):
        return [*self.set(**self.ANY_LENGTH), *more]

    def assigned(self, run, worker):
        with urllib.request.urlopen(f"http://{run.ready(worker)['metricsAddress']}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return int(re.search(r"^ballast_worker_assigned_microbatches (\d+)", text, re.M).group(1))

    def change(self, run):
        return run.wait_for("a change of the shares", lambda e: e["event"] == "policy" and e["carriedOut"]
                            and e["policy"] == "workerBalance")

    def test_a_worker_that_is_held_back_gets_less_and_no_bit_changes(self):
        run = self.run_job(*self.job())
        run.wait_for_step(10)
        slow = HeldBack(run.ready("worker-1")["pid"], 0.02, 0.04)
        slow.start()
        self.addCleanup(slow.release)
        decision = self.change(run)
        self.assertEqual(decision["reason"], "SpeedsDiffer", decision)
        self.assertIn("speed.worker-1", decision["inputs"])
        seen = []
        def balanced():
            seen[:] = [self.assigned(run, "worker-0"), self.assigned(run, "worker-1")]
            return seen[0] > seen[1] and sum(seen) == 8
        wait_until("the worker that is not held back has more", balanced)
        print(f"shares {seen}: {decision['message']}", file=sys.stderr)
        audit = [json.loads(line) for line in
                 (Path(run.events[0]["runFolder"]) / "logs/policies.jsonl").read_text().splitlines()]
        self.assertTrue([line for line in audit if line["carriedOut"] and line["inputs"]], audit)
        slow.release()
        made, digest = self.stopped(run)
        self.assertEqual(digest, self.undisturbed(made))

    def test_a_straggler_is_replaced_and_no_bit_changes(self):
        run = self.run_job(*self.job("--set", "spec.policy.straggler.mode=act",
                                     "--set", "spec.policy.straggler.replaceAfterSeconds=10"))
        run.wait_for_step(10)
        first = run.ready("worker-1")
        slow = HeldBack(first["pid"], 0.01, 0.05)
        slow.start()
        self.addCleanup(slow.release)
        decision = run.wait_for("a replacement", lambda e: e["event"] == "policy" and e["carriedOut"]
                                and e["policy"] == "straggler")
        self.assertEqual(decision["reason"], "StragglerForLong", decision)
        run.wait_for("another life of it", lambda e: e["event"] == "ready" and e["process"] == "worker-1"
                     and e["pid"] != first["pid"])
        made, digest = self.stopped(run)
        self.assertEqual(digest, self.undisturbed(made))

    def test_recommending_changes_nothing(self):
        run = self.run_job(*self.job("--set", "spec.policy.workerBalance.mode=recommend"))
        run.wait_for_step(10)
        slow = HeldBack(run.ready("worker-1")["pid"], 0.02, 0.04)
        slow.start()
        self.addCleanup(slow.release)
        run.wait_for("a recommendation", lambda e: e["event"] == "policy" and e["policy"] == "workerBalance"
                     and e["action"] == "change")
        self.assertEqual((self.assigned(run, "worker-0"), self.assigned(run, "worker-1")), (4, 4))


if __name__ == "__main__":
    unittest.main(verbosity=2)
