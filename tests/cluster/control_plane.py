"""etcd and the API server of a test cluster, at fixed ports of a network namespace of their own."""

import json

from pki import Pki
from processes import Processes, answers
from programs import path_of

HOST = "10.250.0.1"  # the control plane's end of the nodes' bridge
SERVICES = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"
ETCD = "http://127.0.0.1:2379"
API_SERVER = f"https://{HOST}:6443"
DOMAIN = "cluster.local"
# One line a request that is answered or, of a watch, ended: who asked for what, and when.
AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}],
                "omitStages": ["RequestReceived", "ResponseStarted"]}


class ControlPlane:
    """Lives and dies with the namespaces of the process that makes it. Not for several threads at once."""

    def __init__(self, folder, audit=False):
        self.folder, self.audit = folder, audit
        self.pki = Pki(folder / "pki")
        self.processes = Processes(folder / "logs")
        names = f"IP:{HOST},IP:127.0.0.1,IP:{FIRST_SERVICE},DNS:localhost," + ",".join(
            f"DNS:{name}" for name in ["kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                         f"kubernetes.default.svc.{DOMAIN}"])
        self.pki.issue("kube-apiserver", "/CN=kube-apiserver", names)
        self.pki.issue("kubelet-client", "/O=system:masters/CN=kubelet-client")
        self.admin = self.user("admin", "system:masters")

    def user(self, name, group=""):
        """The kubeconfig of a user that the API server knows by certificate."""
        self.pki.issue(name, (f"/O={group}" if group else "") + f"/CN={name}")
        return self.pki.kubeconfig(self.folder / f"{name}.kubeconfig", name, API_SERVER)

    def start(self):
        self.processes.start("etcd", [
            path_of("etcd"), "--name=test", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync",
            f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn"])
        self.processes.wait_until("etcd is healthy", "etcd", lambda: answers(f"{ETCD}/health"))
        pki = self.pki
        self.processes.start("kube-apiserver", [
            path_of("kube-apiserver"), f"--etcd-servers={ETCD}", f"--bind-address={HOST}", "--secure-port=6443",
            f"--advertise-address={HOST}", f"--service-cluster-ip-range={SERVICES}",
            f"--tls-cert-file={pki.certificate('kube-apiserver')}",
            f"--tls-private-key-file={pki.key('kube-apiserver')}",
            f"--client-ca-file={pki.certificate('ca')}",
            f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
            f"--kubelet-client-key={pki.key('kubelet-client')}", "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            # The second, as some distributions have it: owners that block deletion ask for a right of its own.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            "--default-not-ready-toleration-seconds=10", "--default-unreachable-toleration-seconds=10",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki.folder / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={pki.key('service-accounts')}",
            "--allow-privileged=true", "--v=1", *self._audit_flags()])
        self.wait_until_ready()

    def _audit_flags(self):
        if not self.audit:
            return []
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(AUDIT_POLICY), encoding="ascii")
        whole = "1000000"  # megabytes: one file, however long
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.folder / 'audit.log'}",
                f"--audit-log-maxsize={whole}"]

    def start_controllers(self, nodes_are_real):
        """The controller manager and the scheduler: what makes pods of nodes. After start().

        Real nodes are lost after some seconds; those that pretend never are, however busy who pretends is."""
        pki, silence = self.pki, "8s" if nodes_are_real else "10m"
        for name in ("kube-controller-manager", "kube-scheduler"):
            kubeconfig = self.user(f"system:{name}")
            command = [path_of(name), "--leader-elect=false", "--bind-address=127.0.0.1", "--v=1",
                       "--kube-api-qps=1000", "--kube-api-burst=2000"]  # thousands of pods are not held up by them
            command += [f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")]
            if name == "kube-controller-manager":
                command += [
                    f"--root-ca-file={pki.certificate('ca')}", "--use-service-account-credentials=true",
                    f"--service-account-private-key-file={pki.key('service-accounts')}",
                    "--node-monitor-period=1s", f"--node-monitor-grace-period={silence}", "--allocate-node-cidrs=false"]
            self.processes.start(name, command)

    def wait_until_ready(self):
        ca = self.pki.certificate("ca")
        self.processes.wait_until("the API server is ready", "kube-apiserver",
                                  lambda: answers(f"{API_SERVER}/readyz", ca))

    def start_again(self, name):
        """A process that was killed."""
        self.processes.start_again(name)
        if name == "kube-apiserver":
            self.wait_until_ready()
