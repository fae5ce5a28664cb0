"""A node of a test cluster: a network namespace with its own containerd, kubelet and kube-proxy."""

import datetime
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from control_plane import API_SERVER, DOMAIN, FIRST_SERVICE, HOST
from images import write_pause_image
from processes import END_SECONDS, POLL_SECONDS, Failed
from programs import path_of

PAUSE_IMAGE = "localhost/pause:1"
# Kubelets ask for a folder of their own in each of these.
CGROUPS = Path("/sys/fs/cgroup")
CNI_PLUGINS = Path("/usr/lib/cni")


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done.stdout


def cgroup_folders(name):
    """Of a group in every hierarchy: version 1 has many, version 2 one."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS / name]
    return [hierarchy / name for hierarchy in CGROUPS.iterdir()
            if (hierarchy / "cgroup.procs").exists() and hierarchy.name != "unified"]


def make_cgroup(name):
    for folder in cgroup_folders(name):
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # version 1 leaves them empty, and then nothing may enter
            if (folder / file).exists() and (folder.parent / file).exists():
                (folder / file).write_text((folder.parent / file).read_text(encoding="ascii"), encoding="ascii")


class Loading:
    """Images on their way into a containerd."""

    def __init__(self, socket, images):
        self.running = [subprocess.Popen(
            ["ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", image],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for image in images]

    def finish(self):
        for process in self.running:
            _, said = process.communicate()
            if process.returncode != 0:
                raise Failed(f"{process.args[-1]} cannot be loaded: {said.strip()[-1000:]}")


class Node:
    """Lives within the namespaces of the cluster, as its control plane does."""

    def __init__(self, plane, number, cgroup):
        self.plane, self.number, self.cgroup = plane, number, cgroup
        self.name = f"node{number}"
        self.address = f"10.250.0.{10 + number}"
        self.pods = f"10.244.{number}.0/24"
        self.folder = plane.folder / self.name
        self.socket = self.folder / "containerd.sock"
        self.inside = ["nsenter", f"--net=/run/netns/{self.name}"]
        self.parts = [f"{part}-{self.name}" for part in ("kube-proxy", "kubelet", "containerd")]
        self.started = ""

    def start(self):
        """As far as images can be loaded."""
        self.folder.mkdir()
        self._network()
        make_cgroup(self.cgroup)
        self._containerd()

    def begin_to_load(self, images):
        return Loading(self.socket, images)

    def join_cluster(self):
        self.started = utc_now()
        self._kubelet()
        self._kube_proxy()

    def kill(self):
        """As if its power were lost: others hear nothing more, not even that connections end."""
        self.cut()
        for part in self.parts:
            if part in self.plane.processes.running:
                self.plane.processes.kill(part)
        deadline = time.monotonic() + END_SECONDS
        while left := self._processes():
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} is killed, and still has the processes {sorted(left)}")
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(POLL_SECONDS)

    def start_again(self):
        """After kill(); its disk is as it was. Returns when it is Ready."""
        self.join()
        self.started = utc_now()
        for part in reversed(self.parts):
            self.plane.processes.start_again(part)
            if part.startswith("containerd-"):
                self.plane.processes.wait_until("containerd answers", part, self._containerd_answers)
        self.wait_until_ready()

    def cut(self):
        run("ip", "link", "set", self.name, "down")

    def join(self):
        run("ip", "link", "set", self.name, "up")

    def _processes(self):
        """Of its pods, and those that hold them."""
        found = set()
        for folder in cgroup_folders(self.cgroup):
            for file in folder.glob("**/cgroup.procs"):
                try:
                    found.update(map(int, file.read_text(encoding="ascii").split()))
                except OSError:
                    continue  # a group that went
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"containerd-shim" in words and str(self.socket).encode() in words:
                found.add(int(folder.name))
        return {process for process in found if process > 0 and not ended(process)}

    def _network(self):
        for line in [f"netns add {self.name}",
                     f"link add {self.name} type veth peer name eth0 netns {self.name}",
                     f"link set {self.name} master cluster0 up",
                     f"-n {self.name} link set lo up",
                     f"-n {self.name} addr add {self.address}/24 dev eth0",
                     f"-n {self.name} link set eth0 up",
                     f"-n {self.name} route add default via {HOST}",
                     f"route add {self.pods} via {self.address}"]:
            run("ip", *line.split())
        run(*self.inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _containerd(self):
        networks = self.folder / "cni"
        networks.mkdir()
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True,
                  "ipam": {"type": "host-local", "dataDir": str(self.folder / "ipam"),
                           "ranges": [[{"subnet": self.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}}
        (networks / "10-test.conflist").write_text(
            json.dumps({"cniVersion": "0.4.0", "name": "test", "plugins": [bridge]}), encoding="ascii")
        config = self.folder / "containerd.toml"
        config.write_text(f"""
version = 2
root = "{self.folder}/containerd"
state = "{self.folder}/run"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{self.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
""", encoding="ascii")
        name = f"containerd-{self.name}"
        self.plane.processes.start(name, [*self.inside, "containerd", "--config", config])
        self.plane.processes.wait_until("containerd answers", name, self._containerd_answers)

    def _containerd_answers(self):
        asked = subprocess.run(["ctr", "--address", self.socket, "version"], capture_output=True, check=False)
        return asked.returncode == 0

    def _kubelet(self):
        pki = self.plane.pki
        pki.issue(self.name, f"/O=system:nodes/CN=system:node:{self.name}", f"DNS:{self.name},IP:{self.address}")
        kubeconfig = pki.kubeconfig(self.folder / "kubeconfig", self.name, API_SERVER)
        (self.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(pki.certificate("ca"))}},
            "authorization": {"mode": "Webhook"}, "address": self.address, "healthzBindAddress": "127.0.0.1",
            "tlsCertFile": str(pki.certificate(self.name)), "tlsPrivateKeyFile": str(pki.key(self.name)),
            "containerRuntimeEndpoint": f"unix://{self.socket}", "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.cgroup}", "failSwapOn": False, "failCgroupV1": False, "oomScoreAdj": 0,
            "resolvConf": str(self.folder / "resolv.conf"), "podLogsDir": str(self.folder / "logs"),
            "clusterDomain": DOMAIN, "clusterDNS": [HOST],
            "volumePluginDir": str(self.folder / "plugins"), "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "nodeStatusUpdateFrequency": "2s", "nodeLeaseDurationSeconds": 8, "registerNode": True,
            "syncFrequency": "10s"}  # so often the files of Secrets in pods are looked after
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps(settings), encoding="ascii")
        self.plane.processes.start(f"kubelet-{self.name}", [
            *self.inside, path_of("kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}", f"--node-ip={self.address}", f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'certificates'}", "--v=2"])

    def _kube_proxy(self):
        # One user for all of them, whom the API server's own roles know.
        kubeconfig = self.plane.user("system:kube-proxy") if self.number == 1 else (
            self.plane.folder / "system:kube-proxy.kubeconfig")
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables",
            "clientConnection": {"kubeconfig": str(kubeconfig)}, "clusterCIDR": "10.244.0.0/16",
            "hostnameOverride": self.name, "bindAddress": self.address, "oomScoreAdj": 0,
            "healthzBindAddress": "127.0.0.1:10256", "metricsBindAddress": "127.0.0.1:10249",
            # The whole machine's settings stay as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}
        config = self.folder / "kube-proxy.json"
        config.write_text(json.dumps(settings), encoding="ascii")
        self.plane.processes.start(f"kube-proxy-{self.name}", [
            *self.inside, path_of("kube-proxy"), f"--config={config}", "--v=1"])

    def wait_until_ready(self):
        self.plane.processes.wait_until(f"{self.name} is Ready", f"kubelet-{self.name}", self._ready)
        self.plane.processes.wait_until(f"{self.name} reaches services", f"kube-proxy-{self.name}",
                                        self._reaches_services)

    def _reaches_services(self):
        asked = subprocess.run([*self.inside, path_of("kubectl"), f"--kubeconfig={self.plane.admin}",
                                f"--server=https://{FIRST_SERVICE}", "--request-timeout=2s", "get", "--raw=/readyz"],
                               capture_output=True, text=True, check=False)
        return asked.stdout == "ok"

    def _ready(self):
        """Said to be Ready, and heard of in this life."""
        heard = self._asked("lease", "{.spec.renewTime}", "--namespace=kube-node-lease")
        ready = self._asked("node", '{.status.conditions[?(@.type=="Ready")].status}')
        return ready == "True" and heard >= self.started

    def _asked(self, kind, path, *more):
        return subprocess.run([path_of("kubectl"), f"--kubeconfig={self.plane.admin}", "get", kind, self.name,
                               f"--output=jsonpath={path}", *more], capture_output=True, text=True, check=False).stdout


def utc_now():
    """As the API writes it, to be compared as text."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ended(process):
    """Whoever is to reap it may take a while: a zombie has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return True


def missing_for_nodes():
    """Sentences on what nodes need and this machine lacks."""
    for program, package in [("containerd", "containerd"), ("runc", "runc"), ("ctr", "containerd"),
                             ("iptables", "iptables"), ("nsenter", "util-linux"), ("cc", "build-essential")]:
        if not shutil.which(program):
            yield f"{program} is not there (Debian: {package})"
    if not (CNI_PLUGINS / "bridge").exists():
        yield f"{CNI_PLUGINS}/bridge is not there (Debian: containernetworking-plugins)"
    if not cgroup_folders("x"):
        yield f"no cgroup hierarchy is mounted at {CGROUPS}"


def pause_image(folder):
    path = folder / "pause.tar"
    write_pause_image(path, PAUSE_IMAGE, folder)
    return path
