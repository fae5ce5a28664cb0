"""The report as a browser shows it: every chart is drawn, nothing fails, nothing is asked of a network, paper has it.

  python3 tests/report/browser_test.py [--pictures FOLDER]

Needs Debian's chromium-headless-shell (make test-report); so it is no part of `make test`.
"""

import argparse
import http.server
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS", Path(__file__).parents[2] / "build/release/bin")).resolve()
PICTURES = None
BEGIN_MS = 1_790_000_000_000


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def event(second, kind, **fields):
    return {"event": kind, "unixTimeMs": BEGIN_MS + round(1000 * second), **fields}


def point(second, samples=1):
    """A run whose worker-1 is relieved and whose coordinator is lost after a third."""
    loss = 2.2 + 3.4 * math.exp(-second / 300) + 0.05 * math.sin(second * 1.7)
    stalled = 400 < second < 404
    return {"unixTimeMs": BEGIN_MS + 1000 * second, "samples": samples, "step": 12 * second, "workers": 2, "skipped": 0,
            "longestGapMs": 1400 if stalled else 90 + second % 17,
            "loss": [loss - 0.1, loss, loss + 0.1], "tokensPerSecond": [9000, 2000 if stalled else 12000, 13000],
            "validationLoss": [loss + 0.2] * 3 if second > 60 else None,
            "gradientNorm": [0.5, 0.8, 1.5], "learningRate": 1e-3 * min(1, second / 60),
            "shareOfTime": [0.7, 0.05, 0.2, 0.05],
            "processes": {"ps-0": {"primaries": 20, "busy": 0.3, "bytes": 1e8},
                          "ps-1": {"primaries": 22, "busy": 0.4, "bytes": 1.1e8},
                          "worker-0": {"microbatches": 4 if second < 200 else 6, "busy": 0.8, "bytes": 2e8},
                          "worker-1": {"microbatches": 4 if second < 200 else 2, "busy": 0.7, "bytes": 2e8}}}


EVENTS = [
    event(0, "start", job={"metadata": {"name": "looked-at"}, "spec": {
        "training": {"steps": 14400}, "servers": {"replicas": 2}, "workers": {"replicas": 2}}}),
    event(1, "ready", process="ps-0", incarnation="1"), event(1, "ready", process="ps-1", incarnation="2"),
    event(1.2, "appointed", term=1, coordinator="ps-0"),
    event(200, "policy", policy="workerBalance", action="change", reason="SpeedsDiffer", carriedOut=True,
          message="worker-1 computes at half the speed of worker-0: 2 of 8 microbatches", inputs={}),
    event(300, "checkpoint", directory="/checkpoints/step-3600-term-1-attempt-1"),
    event(400.5, "ended", process="ps-0", code=0, signal=9, wanted=False),
    event(400.6, "appointed", term=2, coordinator="ps-1"), event(400.7, "degraded"),
    event(401.3, "ready", process="ps-0", incarnation="3"), event(402.5, "whole"),
    event(402.6, "recovered", process="ps-0", step=4810, stalledMs=1400),
]


def browse(page, *options):
    """Its standard output, and what the page said of errors."""
    with tempfile.TemporaryDirectory(prefix="ballast-browser-") as profile:
        done = subprocess.run(
            ["chromium-headless-shell", *(["--no-sandbox"] if os.geteuid() == 0 else []), "--disable-gpu",
             "--hide-scrollbars", f"--user-data-dir={profile}", "--enable-logging=stderr",
             "--virtual-time-budget=10000", *options, page.as_uri()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


class Report(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="ballast-report-")
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name)

    def report(self, events, points, name):
        record = self.folder / name / "record"
        record.mkdir(parents=True)
        (record / "events.jsonl").write_text(lines(events))
        (record / "progress.jsonl").write_text(lines(points))
        page = self.folder / f"{name}.html"
        subprocess.run([str(PROGRAMS / "ballast"), "report", str(record.parent), "--output", str(page)], check=True,
                       stdout=subprocess.DEVNULL)
        return page

    def assert_drawn(self, page, charts):
        document, said = browse(page, "--window-size=1200,900", "--dump-dom")
        self.assertEqual(said, [])
        self.assertIn(f'data-drawn="{charts}"', document)
        self.assertEqual(len(re.findall(r'class="chart"', document)), charts)
        self.assertGreaterEqual(len(re.findall(r"<canvas", document)), charts)
        if PICTURES:
            browse(page, "--window-size=1200,4200", f"--screenshot={PICTURES / page.stem}.png")

    def test_a_run_with_everything(self):
        page = self.report(EVENTS, [point(second) for second in range(1, 1201)], "run")
        self.assert_drawn(page, 10)

    def test_a_very_long_run(self):
        page = self.report(EVENTS, [point(60 * minute, 60) for minute in range(1, 10_000)], "long")
        self.assertLess(page.stat().st_size, 3_000_000)
        self.assert_drawn(page, 10)

    def test_a_run_without_a_step_and_one_with_a_single(self):
        self.assert_drawn(self.report(EVENTS[:1], [], "empty"), 0)
        self.assert_drawn(self.report(EVENTS[:1], [point(1)], "single"), 10)

    def test_on_paper(self):
        page = self.report(EVENTS, [point(second) for second in range(1, 1201)], "paper")
        paper = self.folder / "paper.pdf"
        browse(page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
        self.assertTrue(paper.read_bytes().startswith(b"%PDF"))
        pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
        self.assertTrue(2 <= pages <= 8, pages)
        if PICTURES:
            (PICTURES / "paper.pdf").write_bytes(paper.read_bytes())

    def test_nothing_in_a_record_reaches_a_network(self):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        evil = f'</script><img src="http://127.0.0.1:{server.server_port}/x">'
        lost = event(5, "ended", process=evil, code=0, signal=9, wanted=False)
        bad = {**point(1), "processes": {evil: {"microbatches": 4}}}
        page = self.report([*EVENTS, lost, event(6, evil, **{evil: evil})], [bad, {**bad, **point(2)}], "evil")
        document, _ = browse(page, "--dump-dom")
        self.assertIn("data-drawn", document)
        self.assertNotIn("<img", document)
        self.assertEqual(asked, [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pictures", type=Path, help="puts what the browser showed there, to be looked at")
    options, rest = parser.parse_known_args()
    PICTURES = options.pictures
    unittest.main(argv=[sys.argv[0], *rest])
