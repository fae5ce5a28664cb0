"""A network namespace for each process of a run, so that links between them can be cut: needs root.

`programs` is a folder with a ballast-ps and a ballast-worker that start the real ones, each in the namespace of its
name; `ballast run` itself is started in the hub's. A cut drops what one end sends to the other; the connections stay
open at both ends, as when a switch fails.
"""

import os
import subprocess
from pathlib import Path

WRAPPER = """\
#!/bin/bash
# Starts {real} in the namespace of its name, listening on the address there.
arguments=()
while (($#)); do
  case "$1" in
    --name) name="$2" ;;
    --listen | --metrics-listen)
      address=$(cat "{folder}/$name.address")
      arguments+=("$1" "$address:0"); shift 2; continue ;;
  esac
  arguments+=("$1"); shift
done
exec nsenter --net="/run/netns/{prefix}-$name" {real} "${{arguments[@]}}"
"""


def may_be_made():
    return os.geteuid() == 0


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Networks:
    def __init__(self, names, folder, programs):
        self.names = names
        self.prefix = f"ballast{os.getpid()}"
        self.addresses = {name: f"10.77.0.{i + 2}" for i, name in enumerate(names)}
        self.addresses["hub"] = "10.77.0.1"
        self.made = []
        self.cuts = []
        self.programs = Path(folder) / "programs"
        self.programs.mkdir()
        for name, address in self.addresses.items():
            (self.programs / f"{name}.address").write_text(address)
        for program in ("ballast-ps", "ballast-worker"):
            wrapper = self.programs / program
            wrapper.write_text(WRAPPER.format(real=Path(programs) / program, folder=self.programs,
                                              prefix=self.prefix))
            wrapper.chmod(0o755)

    def namespace(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, name):
        return ["nsenter", f"--net=/run/netns/{self.namespace(name)}"]

    def make(self):
        hub = self.namespace("hub")
        for name in ["hub", *self.names]:
            ip("netns", "add", self.namespace(name))
            self.made.append(name)
            ip("-n", self.namespace(name), "link", "set", "lo", "up")
        ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", hub, "address", "add", "10.77.0.1/24", "dev", "bridge")
        ip("-n", hub, "link", "set", "bridge", "up")
        for number, name in enumerate(self.names):
            own, other = "wire", f"wire{number}"
            ip("link", "add", own, "netns", self.namespace(name), "type", "veth", "peer", "name", other, "netns", hub)
            ip("-n", hub, "link", "set", other, "master", "bridge", "up")
            ip("-n", self.namespace(name), "address", "add", f"{self.addresses[name]}/24", "dev", own)
            ip("-n", self.namespace(name), "link", "set", own, "up")
        return self

    def cut(self, sender, receiver):
        """One direction."""
        route = ["blackhole", f"{self.addresses[receiver]}/32"]
        ip("-n", self.namespace(sender), "route", "add", *route)
        self.cuts.append((sender, route))

    def isolate(self, name, direction):
        """From all others: what it sends ("out"), what is sent to it ("in"), or both."""
        for other in self.addresses:
            if other == name:
                continue
            if direction != "in":
                self.cut(name, other)
            if direction != "out":
                self.cut(other, name)

    def heal(self):
        for sender, route in self.cuts:
            ip("-n", self.namespace(sender), "route", "del", *route)
        self.cuts = []

    def remove(self):
        for name in self.made:
            ip("netns", "delete", self.namespace(name))
        self.made = []
