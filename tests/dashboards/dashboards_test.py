"""The dashboards of the chart: rendered from their source, in the form that Grafana's dashboard linter asks for, and of
metrics that exist. The alert rules: named, explained, and tried.

dashboards_test.py, from the top of the checkout. Needs no Grafana. Where the SDK that renders them cannot be installed,
the comparison with the source says so and is skipped.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHART = ROOT / "helm/ballast"
SOURCE = ROOT / "helm/dashboards"
RULES = CHART / "rules/ballast.yaml"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}

sys.path.insert(0, str(ROOT / "tests/metrics"))
from metrics_documentation import read_page  # noqa: E402

NAME = re.compile(r"\b(?:ballast|process|controller_runtime|workqueue|rest_client|leader_election)_[a-z0-9_]+\b")
RECORD = re.compile(r"ballast:[a-z0-9_]+:[a-z0-9]+")


def panels(dashboard):
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def expressions(dashboard):
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in dashboard.get("annotations", {}).get("list", []):
        if annotation.get("expr"):
            yield annotation["name"], annotation["expr"]


def documented():
    """Every metric of docs/metrics.md, with the series of histograms."""
    names = {}
    for section in read_page((ROOT / "docs/metrics.md").read_text()).values():
        for name, metric in section.items():
            names[name] = metric.kind
            if metric.kind == "histogram":
                names.update({name + suffix: "counter" for suffix in ("_bucket", "_sum", "_count")})
    return names


def rules():
    """(kind, name, text) of each rule; read as text, since the rules are ours and of one form."""
    for block in re.split(r"\n  - ", RULES.read_text())[1:]:
        kind, name = re.match(r"(record|alert): (\S+)", block).groups()
        yield kind, name, block


class Linted(unittest.TestCase):
    """The rules of github.com/grafana/dashboard-linter, one test each."""

    def each(self, of=panels):
        return [one for dashboard in DASHBOARDS.values() for one in of(dashboard)]

    def test_there_are_four(self):
        self.assertEqual(set(DASHBOARDS), {"jobs", "job", "servers-and-workers", "operator"})

    def test_template_datasource_rule(self):
        for dashboard in DASHBOARDS.values():
            variable = dashboard["templating"]["list"][0]
            self.assertEqual((variable["type"], variable["name"], variable["query"]),
                             ("datasource", "datasource", "prometheus"))

    def test_template_job_rule(self):
        for name, dashboard in DASHBOARDS.items():
            variables = {v["name"]: v for v in dashboard["templating"]["list"]}
            wanted = {"datasource", "job", "namespace"} | (set() if name == "operator" else {"trainingjob"})
            self.assertEqual(set(variables), wanted)
            for variable in variables.values():
                if variable["type"] != "query":
                    continue
                self.assertEqual(variable["datasource"]["uid"], "${datasource}")
                self.assertTrue(variable["multi"] and variable["includeAll"], variable["name"])
                self.assertEqual(variable["allValue"], ".*")
                self.assertTrue(variable["label"])

    def test_template_label_promql_and_time_range_reload_rules(self):
        for dashboard in DASHBOARDS.values():
            for variable in dashboard["templating"]["list"]:
                if variable["type"] == "query":
                    self.assertRegex(str(variable["query"]), r"^label_values\(.+, [a-z]+\)$")
                    self.assertEqual(variable["refresh"], 2, "reloads when the time range changes")

    def test_panel_datasource_rule(self):
        for panel in self.each():
            self.assertEqual(panel["datasource"], {"type": "prometheus", "uid": "${datasource}"})
            for target in panel["targets"]:
                self.assertEqual(target["datasource"], {"type": "prometheus", "uid": "${datasource}"})

    def test_panel_title_description_rule(self):
        for panel in self.each():
            self.assertTrue(panel["title"])
            self.assertRegex(panel["description"], r"\.$", "a sentence")

    def test_panel_units_rule(self):
        known = {"short", "s", "bytes", "Bps", "percentunit", "sci"}
        for panel in self.each():
            self.assertIn(panel["fieldConfig"]["defaults"].get("unit"), known)

    def test_panel_no_targets_rule(self):
        for panel in self.each():
            self.assertTrue(panel["targets"])
            self.assertTrue(all(target["expr"].strip() for target in panel["targets"]))

    def test_target_job_rule(self):
        for title, expr in self.each(expressions):
            for selector in re.findall(r"[a-z0-9_:]+\{([^}]*)\}", expr):
                self.assertIn('job=~"$job"', selector, title)
            bare = re.findall(r"\b(?:ballast|process)[_:][a-z0-9_:]+(?![a-z0-9_:{])", expr)
            self.assertEqual(bare, [], f"{title}: without a selector")

    def test_target_rate_interval_and_counter_rules(self):
        kinds = documented()
        for title, expr in self.each(expressions):
            for metric, window in re.findall(r"rate\(([a-z0-9_]+)\{[^}]*\}\[([^\]]+)\]\)", expr):
                self.assertEqual(window, "$__rate_interval", title)
                self.assertEqual(kinds.get(metric), "counter", f"{title}: rate of {metric}")
            for metric in re.findall(r"\b([a-z0-9_]+_total|[a-z0-9_]+_bucket)\{", expr):
                self.assertRegex(expr, rf"(?:rate|increase)\({metric}\{{", f"{title}: {metric} as it is")

    def test_uneditable_rule(self):
        for dashboard in DASHBOARDS.values():
            self.assertFalse(dashboard["editable"])
            self.assertTrue(dashboard["uid"] and dashboard["description"])

    def test_nobody_lies_on_another(self):
        for name, dashboard in DASHBOARDS.items():
            taken = {}
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
                for x in range(at["x"], at["x"] + at["w"]):
                    for y in range(at["y"], at["y"] + at["h"]):
                        self.assertNotIn((x, y), taken, f"{name}: {panel['title']} on {taken.get((x, y))}")
                        taken[(x, y)] = panel["title"]


class Metrics(unittest.TestCase):
    def test_every_metric_is_documented(self):
        names = documented()
        recorded = {name for kind, name, _ in rules() if kind == "record"}
        used = [(f"{name}: {title}", expr) for name, dashboard in DASHBOARDS.items()
                for title, expr in expressions(dashboard)]
        used += [(name, block.split("annotations:")[0]) for _, name, block in rules()]
        self.assertGreater(len(used), 60)
        for what, expr in used:
            for metric in NAME.findall(expr):
                self.assertIn(metric, names, f"{what} uses {metric}, which docs/metrics.md does not have")
            for record in RECORD.findall(expr):
                self.assertIn(record, recorded, what)


class Alerts(unittest.TestCase):
    def test_each_says_how_bad_what_and_what_to_do(self):
        alerts = [(name, block) for kind, name, block in rules() if kind == "alert"]
        self.assertGreaterEqual(len(alerts), 9)
        for name, block in alerts:
            with self.subTest(name):
                self.assertRegex(block, r"labels: \{severity: (info|warning|critical)\}")
                for field in ("summary", "description"):
                    self.assertIn(f"      {field}: ", block)
                self.assertIn(f"runbook_url: https://ballast.dev/docs/runbooks/{name}", block)
                page = ROOT / f"docs/runbooks/{name}.md"
                self.assertTrue(page.is_file(), f"{name} has no runbook")
                self.assertTrue(page.read_text().startswith(f"# {name}\n"))
        pages = {path.stem for path in (ROOT / "docs/runbooks").glob("Ballast*.md")}
        self.assertEqual(pages, {name for name, _ in alerts}, "a runbook of no alert")

    def test_each_fires_and_is_silent(self):
        tested = (HERE / "rules_test.yaml").read_text()
        for kind, name, _ in rules():
            if kind == "alert":
                self.assertRegex(tested, rf"(?s)alertname: {name}\n    exp_alerts:", f"{name} is never seen to fire")
                self.assertRegex(tested, rf"alertname: {name}\}}", f"{name} is never seen to be silent")
        done = subprocess.run(["promtool", "test", "rules", "rules_test.yaml"], cwd=HERE, capture_output=True,
                              text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Rendered(unittest.TestCase):
    def test_the_json_is_what_the_source_renders(self):
        cache = Path(os.environ.get("BALLAST_CACHE", Path.home() / ".cache/ballast"))
        python = cache / "dashboards-venv/bin/python"
        has_sdk = [python, "-c", "import grafana_foundation_sdk"]
        if not python.exists() or subprocess.run(has_sdk, capture_output=True).returncode != 0:
            subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True, timeout=300)
            got = subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", "-r",
                                  SOURCE / "requirements.txt"], capture_output=True, text=True, timeout=300)
            if got.returncode != 0:
                self.skipTest(f"the SDK cannot be installed: {got.stderr.strip().splitlines()[-1]}")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([python, "-B", "render.py", folder], cwd=SOURCE, check=True, timeout=300)
            made = {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")}
        self.assertEqual(made, DASHBOARDS, "render them again: make dashboards")


if __name__ == "__main__":
    unittest.main(verbosity=2)
