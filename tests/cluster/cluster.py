"""A real Kubernetes for tests, for as long as a command runs.

cluster.py build [--all] [PROGRAM...]
                              build its programs (once a version; they are cached)
cluster.py run [--nodes N] [--fake-nodes N] [--image FILE] [--with PROGRAM] [--audit] -- COMMAND...
                              start it, run the command against it, end with the command's status

A cluster lives in namespaces of its own (network, processes, mounts), so that any number of them run side by side on
the same ports, none can be reached from outside, and nothing is left of one that ends, however it ends.
Where BALLAST_TEST_KUBECONFIG names a kubeconfig, `run` runs the command against that cluster instead.
What this machine lacks is told, and the status is 1; or 77, where it might be had as root.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import node
import programs
from settings import Settings

# They end with unshare, and it with us.
ENTER = ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc",
         "--kill-child=KILL"]
NEEDS_ROOT = 77  # the exit status by which ctest knows a test that was skipped
KUBELET_CHANGES = ["vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops",
                   "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes"]


def entering():
    return ENTER if os.geteuid() == 0 else [*ENTER, "--map-root-user"]


def missing(nodes):
    """Sentences on what this machine lacks for a cluster."""
    lacking = [f"{program} is not there (Debian: {package})" for program, package in [
        ("unshare", "util-linux"), ("setpriv", "util-linux"), ("ip", "iproute2"), ("mount", "mount"),
        ("openssl", "openssl")] if not shutil.which(program)]
    if nodes:
        lacking += node.missing_for_nodes()
    if nodes and os.geteuid() != 0:
        lacking.append("nodes need root")
    if not lacking:
        tried = subprocess.run([*entering(), "ip", "link", "add", "cluster0", "type", "bridge"], capture_output=True,
                               text=True, check=False)
        if tried.returncode != 0:
            lacking.append("cannot make namespaces with a bridge in them, which needs root (or user namespaces) and "
                           f"the kernel's bridge: {tried.stderr.strip()}")
    return lacking


def end_where_lacking(nodes):
    lacking = missing(nodes)
    if lacking:
        print("cluster: " + "; ".join(lacking), file=sys.stderr)
        sys.exit(1 if os.geteuid() == 0 else NEEDS_ROOT)


def build(wanted):
    try:
        for program in wanted:
            programs.build(program)
    except programs.CannotBuild as reason:
        sys.exit(f"cluster: {reason}")


@contextlib.contextmanager
def kernel_settings_kept():
    """A kubelet changes these, and they are the whole machine's."""
    kept = {}
    for name in KUBELET_CHANGES:
        path = Path("/proc/sys") / name.replace(".", "/")
        if path.exists():
            kept[path] = path.read_text(encoding="ascii")
    try:
        yield
    finally:
        for path, value in kept.items():
            if path.read_text(encoding="ascii") != value:
                path.write_text(value, encoding="ascii")


def remove_cgroups(name):
    """Of nodes that are gone; they are empty."""
    # Also in the hierarchy of version 2 that may lie beside those of version 1.
    for top in [*node.CGROUPS.glob(f"{name}-[0-9]*"), *node.CGROUPS.glob(f"*/{name}-[0-9]*")]:
        for path in sorted(top.glob("**/"), reverse=True):
            try:
                path.rmdir()
            except OSError as error:
                print(f"cluster: {path} is left: {error.strerror}", file=sys.stderr)


def wanted_programs(settings):
    wanted = programs.CONTROL_PLANE + settings.programs
    if settings.nodes or settings.fake_nodes:
        wanted += programs.CONTROLLERS
    if settings.nodes:
        wanted += programs.NODES
    if settings.fake_nodes:
        wanted += programs.FAKE_NODES
    return wanted


def run(command, settings):
    given = os.environ.get("BALLAST_TEST_KUBECONFIG")
    if given:
        build(["kubectl", *settings.programs])
        environment = {**os.environ, "KUBECONFIG": given, "PATH": programs.search_path(settings.programs)}
        return subprocess.run(command, env=environment, check=False).returncode
    end_where_lacking(settings.nodes)
    build(wanted_programs(settings))
    inside = Path(__file__).resolve().parent / "inside.py"
    with tempfile.TemporaryDirectory(prefix="ballast-cluster-") as folder, kernel_settings_kept():
        process = subprocess.Popen([*entering(), sys.executable, "-B", inside, folder, settings.text(), *command])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: process.kill())
        status = process.wait()
        if settings.nodes:
            remove_cgroups(Path(folder).name)
        return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    builds = verbs.add_parser("build")
    builds.add_argument("--all", action="store_true", help="what any test needs, where this machine can run it")
    builds.add_argument("programs", nargs="*", help="default: what a cluster with nodes needs")
    runs = verbs.add_parser("run")
    runs.add_argument("--nodes", type=int, default=0, help="nodes that run pods; 0: the API server alone")
    runs.add_argument("--fake-nodes", type=int, default=0, help="nodes that only pretend to, of kwok")
    runs.add_argument("--image", action="append", default=[], help="a docker-archive that nodes have")
    runs.add_argument("--with", action="append", default=[], dest="programs", help="a program on PATH, such as helm")
    runs.add_argument("--audit", action="store_true", help="each request in $BALLAST_CLUSTER/audit.log")
    runs.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.verb == "build":
        if arguments.all and os.environ.get("BALLAST_TEST_KUBECONFIG"):
            return  # each test has built what it needs
        if arguments.all:
            end_where_lacking(nodes=True)
        everything = [name for names in programs.PACKAGES.values() for name in names]
        default = programs.CONTROL_PLANE + programs.CONTROLLERS + programs.NODES
        build(everything if arguments.all else arguments.programs or default)
        return
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("run: expected a command")
    status = run(command, Settings(arguments.nodes, arguments.fake_nodes,
                                   [str(Path(image).resolve()) for image in arguments.image], arguments.programs,
                                   arguments.audit))
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
