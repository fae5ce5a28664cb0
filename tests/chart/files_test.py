"""The chart's files against each other, and against the source of the schema. Needs nothing but Python."""

import json
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "ballast"
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
# What a pod or another object takes as it is: the API server judges it.
PASSED_ON = re.compile(r"^(global|affinity\.\w+)$")


def objects(schema, path=""):
    """Every part of a schema that describes a map, with its path."""
    if schema.get("type") == "object":
        yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from objects(part, f"{path}.{name}".lstrip("."))
    if isinstance(schema.get("items"), dict):
        yield from objects(schema["items"], path + "[]")
    for name, part in schema.get("definitions", {}).items():
        yield from objects(part, f"definitions.{name}")


def leaves(schema, path=""):
    """What a user may set: name -> its schema."""
    properties = schema.get("properties")
    if not properties:
        return {path: schema}
    found = {}
    for name, part in properties.items():
        found.update(leaves(part, f"{path}.{name}".lstrip(".")))
    return found


class Files(unittest.TestCase):
    maxDiff = None

    def test_the_chart_has_the_schema_of_training_jobs(self):
        self.assertEqual((CHART / "files" / "trainingjobs.yaml").read_text(encoding="utf-8"),
                         (ROOT / "crds" / "trainingjobs.yaml").read_text(encoding="utf-8"),
                         "they differ: cp crds/trainingjobs.yaml helm/ballast/files/")

    def test_the_version_is_the_projects(self):
        version = re.search(r"project\(ballast VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
        chart = dict(re.findall(r"^(\w+): (.+)$", (CHART / "Chart.yaml").read_text(encoding="utf-8"), re.M))
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_nothing_unknown_is_taken(self):
        for path, schema in objects(SCHEMA):
            if PASSED_ON.match(path):
                continue
            with self.subTest(path):
                # A map of names to one type is closed, too.
                closed = schema.get("additionalProperties")
                self.assertTrue(closed is False or (isinstance(closed, dict) and closed), closed)

    def test_every_value_is_described(self):
        for path, schema in leaves(SCHEMA).items():
            with self.subTest(path):
                self.assertRegex(schema.get("description", ""), r"\.$|\w$")

    def test_the_table_of_values_is_complete(self):
        rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \| (.+) \|$", (CHART / "README.md").read_text(encoding="utf-8"),
                          re.M)
        told = {name: text for name, _, text in rows}
        wanted = {name: schema["description"] for name, schema in leaves(SCHEMA).items() if name != "global"}
        self.assertEqual(told, wanted, "helm/ballast/README.md has not what values.schema.json says")

    def test_the_network_policy_has_the_ports_of_jobs(self):
        told = (ROOT / "operator" / "core" / "pod_template.h").read_text(encoding="utf-8")
        ports = re.findall(r"constexpr int k(?:Server|Metrics)Port = (\d+);", told)
        self.assertEqual(len(ports), 2)
        policy = (CHART / "templates" / "network_policy.yaml").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"protocol: TCP, port: (\d{4,})", policy), ports)

    def test_the_rules_would_see_it(self):
        opened = json.loads(json.dumps(SCHEMA))
        del opened["properties"]["crds"]["additionalProperties"]
        self.assertIn("crds", [path for path, schema in objects(opened) if "additionalProperties" not in schema])


if __name__ == "__main__":
    unittest.main()
