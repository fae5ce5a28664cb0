"""The first process of a test cluster's namespaces: starts it, runs a command against it, and ends with its status.

inside.py FOLDER SETTINGS COMMAND...     SETTINGS: as JSON, see settings.py

Everything that it starts dies with it, since it is process 1 of its process namespace. The command sees KUBECONFIG
(an administrator's), BALLAST_CLUSTER (the folder), kubectl and what it was to be built with on PATH, and may send
requests such as "kill kube-apiserver\n" (see faults.py) to the socket BALLAST_CLUSTER/control, which answers "ok\n"
or what is wrong.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from control_plane import HOST, SERVICES, ControlPlane
from fake_nodes import start_fake_nodes
from faults import do
from names import start_names, wait_for_names
from node import Node, pause_image
from processes import Failed
from programs import search_path
from settings import Settings


def mount_folder(folder):
    """In memory, and only in our mount namespace: nobody has to delete it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "ballast-cluster", folder], check=True)


def make_network():
    """A bridge, which the nodes join; without any, an address that is not loopback."""
    for arguments in ["link set lo up", "link add cluster0 type bridge", f"addr add {HOST}/24 dev cluster0",
                      "link set cluster0 up"]:
        subprocess.run(["ip", *arguments.split()], check=True)


def start_nodes(plane, count, images):
    # Network namespaces get names here, and here only.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "ballast-cluster", "/run"], check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")  # between nodes; of this namespace
    images = [pause_image(plane.folder), *images]
    start_names(plane)
    nodes = [Node(plane, number, f"{plane.folder.name}-{number}") for number in range(1, count + 1)]
    # Images take longest: the nodes load them side by side.
    for node in nodes:
        node.start()
    for loading in [node.begin_to_load(images) for node in nodes]:
        loading.finish()
    for node in nodes:
        node.join_cluster()
    for node in nodes:
        node.wait_until_ready()
    # From here, too, services are reached: through the rules of the first node.
    subprocess.run(["ip", "route", "add", SERVICES, "via", nodes[0].address], check=True)
    wait_for_names(plane)
    return nodes


def start(plane, settings):
    plane.start()
    nodes = []
    if settings.nodes or settings.fake_nodes:
        plane.start_controllers(nodes_are_real=settings.nodes > 0)
    if settings.nodes:
        nodes = start_nodes(plane, settings.nodes, settings.images)
    if settings.fake_nodes:
        start_fake_nodes(plane, settings.fake_nodes, tainted=settings.nodes > 0)
    return nodes


def serve_requests(plane, nodes, path):
    """One request a connection, one at a time."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                do(plane, nodes, *stream.readline().split())
                stream.write("ok\n")
            except (Failed, OSError, KeyError, TypeError, ValueError) as error:
                stream.write(f"{error}\n")


def main():
    folder, settings, command = Path(sys.argv[1]), Settings.of(sys.argv[2]), sys.argv[3:]
    # Process 1 ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    mount_folder(folder)
    make_network()
    plane = ControlPlane(folder, settings.audit)
    try:
        nodes = start(plane, settings)
    except Failed as failure:
        sys.exit(f"cluster: {failure}")
    threading.Thread(target=serve_requests, args=(plane, nodes, folder / "control"), daemon=True).start()
    environment = {**os.environ, "KUBECONFIG": str(plane.admin), "BALLAST_CLUSTER": str(folder),
                   "PATH": search_path(settings.programs)}
    done = subprocess.run(command, env=environment, check=False)
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


if __name__ == "__main__":
    main()
