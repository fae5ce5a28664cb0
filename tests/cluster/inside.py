"""The first process of a test cluster's namespaces: starts it, runs a command against it, and ends with its status.

inside.py FOLDER NODES IMAGES COMMAND...     IMAGES: files of docker-archives, joined with ":"

Everything that it starts dies with it, since it is process 1 of its process namespace. The command sees KUBECONFIG
(an administrator's), BALLAST_CLUSTER (the folder), kubectl on PATH, and may send "kill kube-apiserver\n" (also
start, pause, resume) to the socket BALLAST_CLUSTER/control, which answers "ok\n" or what is wrong.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from control_plane import HOST, ControlPlane
from node import Node, pause_image
from processes import Failed
from programs import path_of


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
    plane.start_controllers()
    pause = pause_image(plane.folder)
    nodes = [Node(plane, number, f"{plane.folder.name}-{number}") for number in range(1, count + 1)]
    for node in nodes:
        node.start([pause, *images])
    for node in nodes:
        node.wait_until_ready()


def serve_requests(plane, path):
    """One request a connection, one at a time."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                plane.do(*stream.readline().split())
                stream.write("ok\n")
            except (Failed, OSError, KeyError, TypeError, ValueError) as error:
                stream.write(f"{error}\n")


def main():
    folder, nodes = Path(sys.argv[1]), int(sys.argv[2])
    images, command = [image for image in sys.argv[3].split(":") if image], sys.argv[4:]
    # Process 1 ignores signals that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    mount_folder(folder)
    make_network()
    plane = ControlPlane(folder)
    try:
        plane.start()
        if nodes > 0:
            start_nodes(plane, nodes, images)
    except Failed as failure:
        sys.exit(f"cluster: {failure}")
    threading.Thread(target=serve_requests, args=(plane, folder / "control"), daemon=True).start()
    environment = {**os.environ, "KUBECONFIG": str(plane.admin), "BALLAST_CLUSTER": str(folder),
                   "PATH": f"{path_of('kubectl').parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, check=False)
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


if __name__ == "__main__":
    main()
