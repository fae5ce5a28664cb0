"""Breaks the cores on purpose, one defect at a time, and holds the tests to seeing each: a defect that nobody sees
shows that a fault or a checker is missing.

  python3 tests/mutations/mutations.py [--build build/release] [--jobs 2] [--seeds 10000] [NAME ...]

A mutation replaces a few words of one source file (mutation_list.py). The changed file is compiled by the command
of the build and linked in front of the others into the program that must see it: the simulator, or a test of the
core. Prints for each what was broken and what saw it; the exit status is 0 only when all were seen.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutation_list import MUTATIONS

SOURCE = Path(__file__).resolve().parents[2]
LIMIT_S = 300


class Build:
    """The commands of a build folder, without running it."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        entries = json.loads((self.folder / "compile_commands.json").read_text())
        self.commands = {entry["file"]: entry for entry in entries}
        self.links = {}
        self.cache = [shutil.which("ccache")] if shutil.which("ccache") else []
        self.quick = shutil.which("clang++-14")  # half of gcc's time for one file; their objects fit together

    def learn_link(self, program):
        said = subprocess.run(["ninja", "-C", str(self.folder), "-t", "commands", program], check=True,
                              capture_output=True, text=True)
        last = [line for line in said.stdout.splitlines() if f"-o bin/{program}" in line][-1]
        self.links[program] = shlex.split(last.removeprefix(": && ").removesuffix(" && :"))

    def compile(self, original, changed, output):
        entry = self.commands[str(original)]
        words = [word for word in shlex.split(entry["command"]) if word != "-Werror"]
        words[words.index("-o") + 1] = str(output)
        words[words.index("-c") + 1] = str(changed)
        words[0] = self.quick or words[0]
        subprocess.run([*self.cache, *words, "-w", "-O0", "-g0"], cwd=self.folder, check=True, capture_output=True,
                       text=True)

    def link(self, program, first, output):
        """What `first` defines is not taken from a library after it."""
        words = list(self.links[program])
        words[words.index("-o") + 1] = str(output)
        at = next(i for i, word in enumerate(words) if word.endswith(".o"))
        subprocess.run([*words[:at], str(first), *words[at:], "-Wl,--strip-debug"], cwd=self.folder, check=True,
                       capture_output=True, text=True)


def change(mutation):
    text = (SOURCE / mutation.file).read_text()
    for old, new in mutation.edits:
        if text.count(old) != 1:
            raise LookupError(f"{mutation.name}: {mutation.file} has this {text.count(old)} times, expected once; "
                              f"mutation_list.py must follow the source:\n{old}")
        text = text.replace(old, new)
    return text


def what_saw_it(output):
    """One line of what a failing program said."""
    for pattern in (r"^seed \d+ (?:fails: .*|crashed)$", r"^\[  FAILED  \] (\S+)", r"^Falsifiable.*$", r"^CHECK.*$"):
        found = re.search(pattern, output, re.MULTILINE)
        if found:
            return found.group(0)[:150]
    return output.strip().splitlines()[-1][:150] if output.strip() else "it ended without a word"


def run_mutation(mutation, build, options):
    """(what saw it or None, seconds)"""
    start = time.monotonic()
    folder = build.folder / "mutations" / mutation.name
    folder.mkdir(parents=True, exist_ok=True)
    changed = folder / Path(mutation.file).name
    changed.write_text(change(mutation))
    compiled, program = folder / "changed.o", folder / mutation.program
    try:
        build.compile(SOURCE / mutation.file, changed, compiled)
        build.link(mutation.program, compiled, program)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{mutation.name} does not compile:\n{error.stderr}") from None
    arguments = []
    if mutation.program == "test_sim":
        arguments = [f"--seeds={options.seeds}", "--failures=1", "--trace-lines=0"]
    try:
        said = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    finally:
        program.unlink()
    seen = what_saw_it(said.stdout + said.stderr) if said.returncode != 0 else None
    return seen, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all without")
    parser.add_argument("--build", default=str(SOURCE / "build/release"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seeds", type=int, default=10000, help="of the simulator, at most, for each")
    options = parser.parse_args()
    unknown = set(options.names) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        parser.error(f"no mutation is called {', '.join(sorted(unknown))}")
    chosen = [mutation for mutation in MUTATIONS if not options.names or mutation.name in options.names]
    build = Build(options.build)
    for program in sorted({mutation.program for mutation in chosen}):
        build.learn_link(program)
    missed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [(mutation, pool.submit(run_mutation, mutation, build, options)) for mutation in chosen]
        for mutation, future in runs:
            try:
                seen, seconds = future.result()
            except (LookupError, RuntimeError) as error:
                seen, seconds = None, 0.0
                print(error)
            missed += seen is None
            print(f"{'seen' if seen else 'NOT SEEN':8} {seconds:5.1f} s  {mutation.name}: {mutation.what}\n"
                  f"{'':18}{seen or mutation.program + ' passes, though something is wrong'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} defects are seen")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
