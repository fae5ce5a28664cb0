"""A node of a test cluster: a network namespace with its own containerd and kubelet."""

import json
import shutil
import subprocess
from pathlib import Path

from control_plane import API_SERVER, HOST
from images import write_pause_image
from processes import Failed
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

    def start(self, images):
        self.folder.mkdir()
        self._network()
        make_cgroup(self.cgroup)
        self._containerd()
        for image in images:
            run("ctr", "--address", self.socket, "--namespace", "k8s.io", "images", "import", image)
        self._kubelet()

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
            "clusterDomain": "cluster.local", "clusterDNS": [HOST],
            "volumePluginDir": str(self.folder / "plugins"), "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "nodeStatusUpdateFrequency": "2s", "nodeLeaseDurationSeconds": 8, "registerNode": True}
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps(settings), encoding="ascii")
        self.plane.processes.start(f"kubelet-{self.name}", [
            *self.inside, path_of("kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}", f"--node-ip={self.address}", f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'certificates'}", "--v=2"])

    def wait_until_ready(self):
        self.plane.processes.wait_until(f"{self.name} is Ready", f"kubelet-{self.name}", self._ready)

    def _ready(self):
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        asked = subprocess.run([path_of("kubectl"), f"--kubeconfig={self.plane.admin}", "get", "node", self.name,
                                f"--output=jsonpath={path}"], capture_output=True, text=True, check=False)
        return asked.stdout == "True"


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
