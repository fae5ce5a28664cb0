"""The Dockerfile has every library that the programs are linked with: an image that lacks one would not even start.

dockerfile_test.py FOLDER     with the programs, built on Debian
"""

import functools
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
PROGRAMS = ["ballast", "ballast-operator", "ballast-ps", "ballast-worker"]
IN_EVERY_BASE = {"libc6", "libgcc-s1", "libstdc++6"}
FOLDER = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else Path("build/release/bin")


def said(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout


def stages():
    """name -> (what it is made from, its lines)"""
    found = {}
    for block in re.split(r"^(?=FROM )", TEXT, flags=re.M)[1:]:
        base, name = re.match(r"FROM (\S+) AS ([\w-]+)", block).groups()
        found[name] = (base, block.splitlines()[1:])
    return found


def lines_of(stage):
    """With those of the stages that it is made from."""
    base, lines = stages()[stage]
    return (lines_of(base) if base in stages() else []) + lines


def installed(stage):
    """Packages that it installs by name."""
    return {package for line in lines_of(stage) for names in re.findall(r"--no-install-recommends([^&]*)", line)
            for package in names.split()}


def programs_of(stage):
    return [Path(word).name for line in stages()[stage][1] if line.startswith("COPY --from=programs")
            for word in line.split() if word.startswith("/programs/")]


def with_dependencies(packages):
    """And what they depend on, on this machine."""
    found, new = set(), set(packages)
    while new:
        found |= new
        told = said("dpkg-query", "--show", "--showformat=${Depends}, ${Pre-Depends}\n", *sorted(new))
        names = set(re.findall(r"(?:^|[,|]) *([a-z0-9][a-z0-9+.-]+)", told, re.M))
        known = said("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n").splitlines()
        new = {line.split()[0] for line in known if line.endswith(" installed")} & names - found
    return found


@functools.cache
def linked_with(program):
    """Packages of the libraries that it names itself."""
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", said("readelf", "--dynamic", program))
    paths = dict(re.findall(r"(\S+) => (/\S+)", said("ldd", program)))
    # Packages may know them in /lib, which is /usr/lib: the last folder and the name are enough.
    files = ["*/" + "/".join(Path(os.path.realpath(paths[name])).parts[-2:]) for name in names if name in paths]
    return {line.split(":")[0] for line in said("dpkg", "--search", *files).splitlines()}


class Dockerfile(unittest.TestCase):
    def test_one_stage_a_program_and_one_for_jobs(self):
        self.assertEqual({stage: programs_of(stage) for stage in stages() if programs_of(stage)}, {
            "operator": ["ballast-operator"], "server": ["ballast-ps"], "worker": ["ballast-worker"],
            "job": ["ballast", "ballast-ps", "ballast-worker"]})

    def test_every_library_is_there(self):
        for stage in stages():
            there = with_dependencies(installed(stage)) if programs_of(stage) else set()
            for program in programs_of(stage):
                with self.subTest(stage=stage, program=program):
                    self.assertEqual(linked_with(FOLDER / program) - there - IN_EVERY_BASE, set())

    def test_nobody_runs_as_root(self):
        for stage in stages():
            if programs_of(stage):
                users = [line for line in lines_of(stage) if line.startswith("USER ")]
                self.assertEqual(users[-1:], ["USER 65532:65532"], stage)

    def test_a_lack_would_be_seen(self):
        self.assertIn("libdnnl2", linked_with(FOLDER / "ballast-worker"))
        self.assertNotIn("libdnnl2", with_dependencies(installed("server")))


if __name__ == "__main__":
    unittest.main()
