"""The cluster of a benchmark: fake nodes, somebody who answers for their pods, jobs that come and go."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from api import JOBS, Api, wait_until
from audit import Audit, span
from operator_process import PROGRAMS, OperatorProcess, make_account

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))
from commands import define_training_jobs  # noqa: E402
from fake_nodes import LEFT_ALONE  # noqa: E402

POD_ADDRESSES = "10.245.0.0/16"  # of fake nodes
IN_FLIGHT = "64"  # of a plain create


class World:
    def __init__(self):
        self.api = Api()
        subprocess.run(["ip", "route", "add", "local", POD_ADDRESSES, "dev", "lo"], check=True)
        define_training_jobs()
        self.kubeconfig = make_account(self.api)
        self.fake = subprocess.Popen([PROGRAMS / "fake_pods"], stdout=subprocess.PIPE, text=True)
        if self.fake.stdout.readline() != "ready\n":
            raise RuntimeError("fake_pods did not start")
        self.operator = None

    def start_operator(self, *flags):
        self.operator = OperatorProcess(self.kubeconfig, *flags)
        self.operator.wait_until_leading()
        return self.operator

    def namespace(self, name):
        """With its service account, without which no pod is taken."""
        self.api.make_namespace(name)
        path = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until("a service account", lambda: self.api.ask("GET", path)[0] == 200)
        return name

    def pods(self, namespace=None):
        where = f"/namespaces/{namespace}" if namespace else ""
        return self.api.count(f"/api/v1{where}/pods")

    def wait_for_pods(self, count, namespace=None):
        wait_until(f"{count} pods", lambda: self.pods(namespace) == count,
                   seen=lambda: f"but {self.pods(namespace)}; the log is {self.operator and self.operator.log}")

    def all_run(self):
        """Whether kwok has told of all pods that they run."""
        return not self.api.must("GET", "/api/v1/pods?fieldSelector=status.phase!%3DRunning&limit=1")["items"]

    def members(self, namespace):
        """Jobs of which servers are known."""
        return sum(1 for one in self.api.items(f"{JOBS}/namespaces/{namespace}/trainingjobs")
                   if '"members":[{' in (one.get("status", {}).get("authority", {}).get("record") or ""))

    def lose_pod(self, path):
        """At once, and whatever takes its place stays."""
        self.api.must("PATCH", path, {"metadata": {"annotations": LEFT_ALONE}}, "application/merge-patch+json")
        self.api.must("DELETE", path, {"gracePeriodSeconds": 0})

    def delete_jobs(self, namespace):
        self.delete_all(f"{JOBS}/namespaces/{namespace}/trainingjobs")
        self.delete_pods(namespace)

    def delete_pods(self, namespace):
        self.delete_all(f"/api/v1/namespaces/{namespace}/pods")

    def delete_all(self, path):
        def gone():
            # As long as it takes: an answer of 504 is no failure.
            self.api.ask("DELETE", path, {"gracePeriodSeconds": 0})
            return self.api.count(path) == 0
        wait_until(f"nothing at {path}", gone, 1)

    def bare_pods(self, namespace, into):
        """The pods of a namespace as somebody else would create them."""
        for pod in self.api.items(f"/api/v1/namespaces/{namespace}/pods"):
            spec = pod["spec"]
            for name in ("nodeName", "serviceAccount", "serviceAccountName", "tolerations", "preemptionPolicy"):
                spec.pop(name, None)
            yield {"apiVersion": "v1", "kind": "Pod", "spec": spec,
                   "metadata": {"name": pod["metadata"]["name"], "namespace": into, "labels": {"plain": "yes"}}}

    def plain_create(self, pods, into):
        """Seconds for the same pods, from the first request to the last answer, by the audit log."""
        self.namespace(into)
        audit = Audit()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"items": pods}, file)
            file.flush()
            subprocess.run([PROGRAMS / "plain_create", file.name, IN_FLIGHT], check=True, stdout=subprocess.DEVNULL)
        return span(audit.creates("pods", {into}))

    def end(self):
        if self.operator is not None and self.operator.process.poll() is None:
            self.operator.process.terminate()  # its log stays: something has failed
            self.operator.process.wait(60)
        self.fake.kill()
        self.fake.wait()


def environment_of_machine():
    return f"{os.cpu_count()} CPUs shared by etcd, the API server, the scheduler, kwok and the operator"
