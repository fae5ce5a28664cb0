"""A ballast-operator with a service account of its own, so that its requests are told apart from others'."""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from api import wait_until

PROGRAMS = Path(os.environ.get("BALLAST_PROGRAMS") or Path(__file__).resolve().parents[2] / "build" / "release" / "bin")
USER = "system:serviceaccount:default:ballast-operator"
TICKS = os.sysconf("SC_CLK_TCK")


def make_account(api):
    """May do everything: this is about speed."""
    account = {"metadata": {"name": "ballast-operator"}}
    api.ask("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "metadata": {"name": "ballast-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "ballast-operator", "namespace": "default"}]})
    token = api.must("POST", "/api/v1/namespaces/default/serviceaccounts/ballast-operator/token",
                     {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                      "spec": {"expirationSeconds": 36000}})["status"]["token"]
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
              "clusters": [{"name": "c", "cluster": api.cluster}],
              "users": [{"name": "u", "user": {"token": token}}],
              "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}]}
    path = Path(os.environ["BALLAST_CLUSTER"]) / "operator.kubeconfig"
    path.write_text(json.dumps(config), encoding="ascii")
    return path


class OperatorProcess:
    number = 0

    def __init__(self, kubeconfig, *flags):
        OperatorProcess.number += 1
        self.address = f"127.0.0.1:{18080 + OperatorProcess.number}"  # of a network namespace of our own
        self.log = Path(tempfile.gettempdir()) / f"ballast-bench-operator-{os.getpid()}-{OperatorProcess.number}.log"
        self.began = time.time()
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "ballast-operator", "--kubeconfig", kubeconfig, "--image", "ballast:fake",
                 "--metrics-listen", self.address, *flags], stderr=log)

    def get(self, path):
        """Text; empty: no good answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return ""

    def leads(self):
        return self.metric('leader_election_master_status{name="ballast-operator"}') == 1

    def wait_until_leading(self):
        wait_until("the operator leads", lambda: self.leads() and self.get("/readyz"), 0.02)

    def metric(self, name):
        """The value of one series; nothing: it is not there."""
        for line in self.get("/metrics").splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def resident_bytes(self):
        return self.metric("process_resident_memory_bytes") or 0

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def counts(self):
        """(threads, open descriptors)"""
        folder = Path(f"/proc/{self.process.pid}")
        return len(os.listdir(folder / "task")), len(os.listdir(folder / "fd"))

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(60)
        if self.process.returncode == 0:
            self.log.unlink()
