"""What a running job exposes is what docs/metrics.md tells, and `promtool check metrics` has nothing to say.

Shares of time, health and readiness of every process while it trains, too."""

import json
import re
import signal
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

from ballast_run import EndToEnd, wait_until

ROOT = Path(__file__).parents[2]


class Metrics(EndToEnd):
    def test_the_page_tells_what_is_there(self):
        run = self.run_job(*self.set(training__steps=1_000_000, training__schedule__name="constant"),
                           "--metrics-listen", "127.0.0.1:0")
        own = run.wait_for("where the run's own metrics are", lambda event: event["event"] == "metrics")["address"]
        run.wait_for_step(30)  # an evaluation was among them
        for name in ["worker-0", "worker-1"]:
            run.ready(name)
        address = {name: ready["metricsAddress"] for name, ready in run.processes.items()}
        for name in address:
            for page in ["healthz", "readyz"]:
                with urllib.request.urlopen(f"http://{address[name]}/{page}", timeout=60) as answer:
                    self.assertEqual(answer.status, 200, f"{name} {page}")
        checked = subprocess.run(
            [sys.executable, "-B", ROOT / "tests/metrics/metrics_documentation.py", ROOT / "docs/metrics.md",
             f"ballast-ps=http://{address['ps-0']}/metrics", f"ballast-worker=http://{address['worker-0']}/metrics",
             f"ballast run=http://{own}/metrics"],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)

        def counted():
            with urllib.request.urlopen(f"http://{own}/metrics", timeout=60) as answer:
                text = answer.read().decode()
            return re.search(r'^ballast_policy_decisions_total\{.*"workerBalance".*\} [1-9]', text, re.M)

        wait_until("policies are asked, and counted", counted)
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 130, run.describe())

    def planned_activations(self, recompute):
        """In bytes, as a worker's metrics and its log tell them."""
        run = self.run_job(*self.set(training__steps=1_000_000, training__schedule__name="constant", model__layers=6,
                                     training__recompute=recompute))
        run.wait_for_step(1)
        address = run.ready("worker-0")["metricsAddress"]
        told = []

        def is_told():  # the other worker may have made the first steps alone
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
                lines = [line.split() for line in answer.read().decode().splitlines()]
            told[:] = [float(line[1]) for line in lines
                       if line[0] == 'ballast_worker_planned_bytes{holds="activations"}']
            return told

        wait_until("worker-0 tells its memory plan", is_told)
        logs = (Path(run.events[0]["runFolder"]) / "logs").glob("worker-0*")
        plans = [json.loads(line) for log in logs for line in log.read_text().splitlines() if '"memory plan"' in line]
        self.assertEqual([(plan["activations_bytes"], plan["recompute"]) for plan in plans],
                         [(told[0], recompute == "true")])  # fmt: skip
        run.process.send_signal(signal.SIGINT)
        self.assertEqual(run.end(), 130, run.describe())
        return told[0]

    def test_the_memory_plan_is_told_and_recomputing_needs_less(self):
        self.assertLess(self.planned_activations("true"), 0.5 * self.planned_activations("false"))


if __name__ == "__main__":
    unittest.main()
