"""A real Kubernetes for tests, for as long as a command runs.

cluster.py build              build its programs (once a version; they are cached)
cluster.py run COMMAND...     start it, run the command against it, end with the command's status

A cluster lives in namespaces of its own (network, processes, mounts), so that any number of them run side by side on
the same ports, none can be reached from outside, and nothing is left of one that ends, however it ends.
Where BALLAST_TEST_KUBECONFIG names a kubeconfig, `run` runs the command against that cluster instead.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import programs

# They end with unshare, and it with us.
ENTER = ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--pid", "--fork", "--mount", "--mount-proc",
         "--kill-child=KILL"]


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


def build():
    try:
        for program in programs.CONTROL_PLANE:
            programs.build(program)
    except programs.CannotBuild as missing:
        sys.exit(f"cluster: {missing}")


def run(command):
    given = os.environ.get("BALLAST_TEST_KUBECONFIG")
    if given:
        return subprocess.run(command, env={**os.environ, "KUBECONFIG": given}, check=False).returncode
    enter = namespaces()
    build()
    inside = Path(__file__).resolve().parent / "inside.py"
    with tempfile.TemporaryDirectory(prefix="ballast-cluster-") as folder:
        process = subprocess.Popen([*enter, sys.executable, "-B", inside, folder, *command])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: process.kill())
        return process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build")
    verbs.add_parser("run").add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.verb == "build":
        build()
        return
    if not arguments.command:
        parser.error("run: expected a command")
    status = run(arguments.command)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
