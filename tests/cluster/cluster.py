"""A real Kubernetes for tests, for as long as a command runs.

cluster.py build              build its programs (once a version; they are cached)
cluster.py run [--nodes N] [--image FILE] -- COMMAND...
                              start it, run the command against it, end with the command's status

A cluster lives in namespaces of its own (network, processes, mounts), so that any number of them run side by side on
the same ports, none can be reached from outside, and nothing is left of one that ends, however it ends.
Where BALLAST_TEST_KUBECONFIG names a kubeconfig, `run` runs the command against that cluster instead.
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

# They end with unshare, and it with us.
ENTER = ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc",
         "--kill-child=KILL"]
KUBELET_CHANGES = ["vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops",
                   "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes"]


def namespaces():
    """The command that enters new namespaces; a sentence on what this machine lacks for that."""
    for program, package in [("unshare", "util-linux"), ("setpriv", "util-linux"), ("ip", "iproute2"),
                             ("openssl", "openssl")]:
        if not shutil.which(program):
            sys.exit(f"cluster: {program} is not there (Debian: {package})")
    command = ENTER if os.geteuid() == 0 else [*ENTER, "--map-root-user"]
    tried = subprocess.run([*command, "ip", "link", "add", "cluster0", "type", "bridge"], capture_output=True,
                           text=True, check=False)
    if tried.returncode != 0:
        sys.exit("cluster: cannot make namespaces with a bridge in them, which needs root (or user namespaces) and "
                 f"the kernel's bridge: {tried.stderr.strip()}")
    return command


def build(wanted):
    try:
        for program in wanted:
            programs.build(program)
    except programs.CannotBuild as missing:
        sys.exit(f"cluster: {missing}")


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


def run(command, nodes, images):
    given = os.environ.get("BALLAST_TEST_KUBECONFIG")
    if given:
        return subprocess.run(command, env={**os.environ, "KUBECONFIG": given}, check=False).returncode
    enter = namespaces()
    wanted = programs.CONTROL_PLANE
    if nodes > 0:
        wanted = wanted + programs.NODES
        missing = list(node.missing_for_nodes())
        if os.geteuid() != 0:
            missing.append("nodes need root")
        if missing:
            sys.exit("cluster: " + "; ".join(missing))
    build(wanted)
    inside = Path(__file__).resolve().parent / "inside.py"
    with tempfile.TemporaryDirectory(prefix="ballast-cluster-") as folder, kernel_settings_kept():
        process = subprocess.Popen([*enter, sys.executable, "-B", inside, folder, str(nodes), ":".join(images),
                                    *command])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: process.kill())
        status = process.wait()
        if nodes > 0:
            remove_cgroups(Path(folder).name)
        return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build")
    runs = verbs.add_parser("run")
    runs.add_argument("--nodes", type=int, default=0, help="nodes that run pods; 0: the API server alone")
    runs.add_argument("--image", action="append", default=[], help="a docker-archive that nodes have")
    runs.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.verb == "build":
        build(programs.CONTROL_PLANE + programs.NODES)
        return
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        parser.error("run: expected a command")
    status = run(command, arguments.nodes, [str(Path(image).resolve()) for image in arguments.image])
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
