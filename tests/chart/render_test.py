"""The chart as Helm renders it: lint, rights, pods, and values that are refused. Needs helm and no cluster."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "ballast"
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import programs  # pylint: disable=wrong-import-position

NAMESPACE = "ballast-system"
MONITORS = "--api-versions=monitoring.coreos.com/v1"
# Ways to become somebody else, to run as one likes, or to read what is not ours.
DANGEROUS_RESOURCES = {
    "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers", "pods/proxy", "pods/resize",
    "services/proxy", "nodes/proxy", "serviceaccounts", "serviceaccounts/token", "persistentvolumes",
    "roles", "rolebindings", "clusterroles", "clusterrolebindings", "certificatesigningrequests",
    "certificatesigningrequests/approval", "mutatingwebhookconfigurations", "validatingwebhookconfigurations",
    "customresourcedefinitions", "apiservices", "daemonsets", "deployments", "statefulsets", "jobs", "cronjobs",
}
DANGEROUS_VERBS = {"escalate", "bind", "impersonate", "approve", "sign", "deletecollection"}
READING = {"get", "list", "watch"}


def helm(*arguments):
    return subprocess.run([programs.build("helm"), *map(str, arguments)], capture_output=True, text=True, check=False)


def rendered(*arguments):
    done = helm("template", "ballast", CHART, f"--namespace={NAMESPACE}", *arguments)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def roles(objects):
    return [role for role in objects if role["kind"] in ("Role", "ClusterRole")]


def dangers(role):
    """Sentences on what a role grants that nobody should have."""
    for rule in role.get("rules", []):
        resources, verbs = set(rule.get("resources", [])), set(rule.get("verbs", []))
        every = [*rule.get("apiGroups", []), *resources, *verbs, *rule.get("resourceNames", [])]
        if any("*" in word for word in every):
            yield f"a wildcard: {rule}"
        if rule.get("nonResourceURLs"):
            yield f"paths of the API server: {rule}"
        if resources & DANGEROUS_RESOURCES:
            yield f"{sorted(resources & DANGEROUS_RESOURCES)}: {rule}"
        if verbs & DANGEROUS_VERBS:
            yield f"{sorted(verbs & DANGEROUS_VERBS)}: {rule}"
        if "secrets" in resources and verbs - {"create", "patch"} and not rule.get("resourceNames"):
            yield f"secrets of any name: {rule}"
        if "nodes" in resources and verbs - READING:
            yield f"changes of nodes: {rule}"
        if "trainingjobs" in resources and verbs - READING - {"delete"}:  # which ttlSecondsAfterFinished asks for
            yield f"changes of jobs' specs: {rule}"


def pod_specs(objects):
    for made in objects:
        if made["kind"] == "Deployment":
            yield made["spec"]["template"]["spec"]
        elif made["kind"] == "Pod":
            yield made["spec"]


def granted(role):
    """resource -> verbs"""
    found = {}
    for rule in role["rules"]:
        for resource in rule["resources"]:
            found.setdefault(resource, set()).update(rule["verbs"])
    return found


class Rendered(unittest.TestCase):
    maxDiff = None

    def test_lint_finds_nothing(self):
        done = helm("lint", "--strict", CHART)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("[WARNING]", done.stdout)

    def test_the_schema_is_the_source_and_stays(self):
        made = next(made for made in rendered() if made["kind"] == "CustomResourceDefinition")
        source = yaml.safe_load((ROOT / "crds" / "trainingjobs.yaml").read_text(encoding="utf-8"))
        self.assertEqual(made["spec"], source["spec"])
        self.assertEqual(made["metadata"]["name"], source["metadata"]["name"])
        self.assertEqual(made["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
        kinds = [made["kind"] for made in rendered("--set=crds.install=false")]
        self.assertNotIn("CustomResourceDefinition", kinds)

    def test_no_dangerous_rights(self):
        for mode in [[], ["--set=watchNamespace=jobs"]]:
            found = roles(rendered(*mode))
            self.assertGreaterEqual(len(found), 4)  # ours, of nodes, of jobs, of `helm test`
            for role in found:
                with self.subTest(mode=mode, role=role["metadata"]["name"]):
                    self.assertEqual(list(dangers(role)), [])

    def test_the_dangers_would_be_seen(self):
        for rule in [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
                     {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
                     {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]},
                     {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get"]},
                     {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
                     {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]},
                     {"apiGroups": ["ballast.dev"], "resources": ["trainingjobs"], "verbs": ["update"]}]:
            with self.subTest(rule):
                self.assertEqual(len(list(dangers({"rules": [rule]}))), 1)

    def test_namespaced_mode_has_rights_in_its_namespace_only(self):
        objects = rendered("--set=watchNamespace=jobs")
        everywhere = [role for role in roles(objects) if role["kind"] == "ClusterRole"]
        self.assertEqual([granted(role) for role in everywhere], [{"nodes": READING - {"get"}}])
        jobs = next(role for role in roles(objects) if role["metadata"].get("namespace") == "jobs"
                    and "pods" in granted(role))
        self.assertEqual(granted(jobs)["secrets"], {"create", "patch"})
        deployment = next(made for made in objects if made["kind"] == "Deployment")
        self.assertIn("--namespace=jobs", deployment["spec"]["template"]["spec"]["containers"][0]["args"])
        job = next(made for made in objects if made["kind"] == "TrainingJob")
        self.assertEqual(job["metadata"]["namespace"], "jobs")

    def test_every_binding_binds_a_role_to_our_account(self):
        objects = rendered()
        there = {(role["kind"], role["metadata"]["name"]) for role in roles(objects)}
        accounts = {made["metadata"]["name"] for made in objects if made["kind"] == "ServiceAccount"}
        bindings = [made for made in objects if made["kind"].endswith("RoleBinding")]
        self.assertEqual(len(bindings), len(there))
        for binding in bindings:
            self.assertIn((binding["roleRef"]["kind"], binding["roleRef"]["name"]), there)
            for subject in binding["subjects"]:
                self.assertEqual((subject["kind"], subject["namespace"]), ("ServiceAccount", NAMESPACE))
                self.assertIn(subject["name"], accounts)

    def test_pods_are_restricted(self):
        specs = list(pod_specs(rendered()))
        self.assertEqual(len(specs), 2)
        for spec in specs:
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for container in spec["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]}})

    def test_the_pods_of_the_test_are_not_taken_for_operators(self):
        objects = rendered()
        selector = next(made for made in objects if made["kind"] == "Deployment")["spec"]["selector"]["matchLabels"]
        pod = next(made for made in objects if made["kind"] == "Pod")
        self.assertFalse(selector.items() <= pod["metadata"]["labels"].items())

    def test_monitors_where_the_kinds_are_there(self):
        kinds = [made["kind"] for made in rendered(MONITORS)]
        self.assertEqual([kinds.count(kind) for kind in ("ServiceMonitor", "PodMonitor")], [1, 1])
        for off in [[], [MONITORS, "--set=monitoring.enabled=false"]]:
            self.assertNotIn("PodMonitor", [made["kind"] for made in rendered(*off)])

    def test_images_by_registry_tag_and_digest(self):
        digest = "sha256:" + "0" * 64
        spec = next(pod_specs(rendered("--set=images.registry=here/x", "--set=images.tag=v7",
                                       f"--set=images.job.digest={digest}")))
        self.assertEqual(spec["containers"][0]["image"], "here/x/ballast-operator:v7")
        self.assertIn(f"--image=here/x/ballast-job@{digest}", spec["containers"][0]["args"])

    def test_bad_values_are_refused_by_name(self):
        for setting, name in [("replica=3", "replica"), ("replicas=0", "replicas"), ("replicas=many", "replicas"),
                              ("crds.instal=true", "instal"), ("images.operator.name=x", "name"),
                              ("images.pullPolicy=Sometimes", "pullPolicy"), ("watchNamespace=A_b", "watchNamespace"),
                              ("networkPolicy.egress.apiServerPorts={0}", "apiServerPorts"),
                              ("monitoring.interval=soon", "interval"), ("tolerations[0].kind=x", "kind"),
                              ("images.job.digest=sha256:0", "digest"), ("test.steps=0", "steps")]:
            with self.subTest(setting):
                done = helm("template", "ballast", CHART, f"--set={setting}")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(name, done.stderr)

    def test_the_table_of_values_has_the_defaults(self):
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", (CHART / "README.md").read_text(encoding="utf-8"), re.M)
        self.assertGreater(len(rows), 30)
        for name, default in rows:
            with self.subTest(name):
                value = values
                for part in name.split("."):
                    value = value.get(part, {})
                self.assertEqual(json.loads(default), value)


if __name__ == "__main__":
    unittest.main()
