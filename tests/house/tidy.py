"""The house style that clang-format does not see (CONTRIBUTING.md explains it).

tidy.py SOURCE_FOLDER   prints "path:line: what is wrong, and what to do"; exit status 1 if anything is.

A rule is a function from a file to (line number, sentence). Long files are told, and are no failure.
"""

import posixpath
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CODE = (".h", ".cc", ".cu", ".cuh")
TEXT = CODE + (".py", ".cmake", ".md", ".sh", ".yaml", ".yml", ".proto", ".txt", ".json", ".supp")
MAX_COLUMNS = 100
MAX_TEXT_COLUMNS = 120  # CMake, Python, shell; prose has no limit
LONG_FILE_LINES = 400

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home)/\w")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\s*\(|(?<![\w.])(?:::)?sleep\s*\(")
SLEEP_REASON = re.compile(r"//.*\bsleeps?\b.*\w")
LIBRARY_RANDOM = re.compile(
    r"\b(?:std::rand\b|s?rand\s*\(|random_device|mt19937|minstd_rand|default_random_engine|"
    r"\w+_distribution\s*[<{(]|std::shuffle\b)"
)
NOT_REPEATABLE = re.compile(r"\b(?:std::rand\b|s?rand\s*\(|random_device)")  # not even in tests
RAW_THREAD = re.compile(r"\bstd::thread\b(?!::)")
DETACH = re.compile(r"\.\s*detach\s*\(\s*\)")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


@dataclass
class File:
    path: str
    text: str

    @property
    def lines(self):
        return self.text.split("\n")

    def is_header(self):
        return self.path.endswith((".h", ".cuh"))

    def is_code(self):
        return self.path.endswith(CODE)

    def is_test(self):
        return self.path.startswith("tests/")


def code_of(line):
    """A line without its comment and without what stands in string literals."""
    line = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
    return line.split("//")[0]


def opening(file):
    """A header opens with its contract: what it is, its invariant, its thread rule; then #pragma once.

    A sentence is enough where there is no more to say.
    """
    if not file.is_header():
        return
    lines = file.lines
    comment = 0
    while comment < len(lines) and lines[comment].startswith("//"):
        comment += 1
    if comment < 1:
        yield 1, "a header opens with a comment: what this is, its invariant, its thread rule"
    elif lines[comment].strip() != "#pragma once":
        yield comment + 1, "#pragma once follows the opening comment"


def layout(file):
    """Columns, tabs, trailing blanks, one newline at the end."""
    limit = MAX_COLUMNS if file.is_code() else MAX_TEXT_COLUMNS
    prose = file.path.endswith((".md", ".json", ".txt")) and not file.path.endswith("CMakeLists.txt")
    for number, line in enumerate(file.lines, 1):
        if "\t" in line and not file.path.endswith("Makefile"):
            yield number, "a tab: indent with spaces"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if len(line) > limit and not prose and "://" not in line:
            yield number, f"{len(line)} columns: at most {limit}"
    if file.text and (not file.text.endswith("\n") or file.text.endswith("\n\n")):
        yield len(file.lines), "a file ends with exactly one newline"


def unfinished(file):
    for number, line in enumerate(file.lines, 1):
        match = UNFINISHED.search(line)
        if match:
            yield number, f"{match.group()}: finish it, or say in prose what is missing and what follows"


def machine_paths(file):
    for number, line in enumerate(file.lines, 1):
        match = MACHINE_PATH.search(line)
        if match and not file.path.endswith(".gitignore"):
            yield number, f"{match.group()}... is a path of one machine: derive it, or take it as an option"


def sleeps(file):
    """Waiting for time to pass makes tests slow and flaky, and programs deaf to a stop."""
    if not file.is_code():
        return
    lines = file.lines
    for number, line in enumerate(lines, 1):
        if SLEEP.search(code_of(line)):
            before = lines[number - 2] if number > 1 else ""
            if not SLEEP_REASON.search(line) and not SLEEP_REASON.search(before):
                yield number, (
                    "a sleep: wait for the condition with a deadline; where time itself is the subject, "
                    "say so in a comment beside it (// sleeps: why)"
                )


def library_random(file):
    """Standard distributions differ between libraries, and devices cannot be replayed."""
    if not file.is_code():
        return
    for number, line in enumerate(file.lines, 1):
        match = (NOT_REPEATABLE if file.is_test() else LIBRARY_RANDOM).search(code_of(line))
        if match:
            yield number, f"{match.group().strip()}: draw from our own generator with a seed, so that runs repeat"


def threads(file):
    if not file.is_code():
        return
    for number, line in enumerate(file.lines, 1):
        code = code_of(line)
        if RAW_THREAD.search(code):
            yield number, "std::thread: std::jthread joins, and can be asked to stop"
        if DETACH.search(code):
            yield number, "a detached thread: somebody must own it and join it"
        if re.search(r"\busing namespace\b", code) and file.is_header():
            yield number, "using namespace in a header reaches everybody who includes it"


def own_header_first(file):
    if not file.path.endswith((".cc", ".cu")):
        return
    own = re.sub(r"\.(cc|cu)$", ".h", file.path)
    for number, line in enumerate(file.lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        if match.group(1) != own and f'#include "{own}"' in file.text:
            yield number, f'the own header comes first: #include "{own}"'
        return


def links(file, exists=None):
    """Links of a page to other files must lead somewhere."""
    if not file.path.endswith(".md") or exists is None:
        return
    code = False
    for number, line in enumerate(file.lines, 1):
        code ^= line.startswith("```")
        if code:
            continue
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            where = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), target))
            if "://" not in target and not exists(where):
                yield number, f"a link to {target}, which is not there"


def registered_tests(file):
    """A test that only add_test knows would run in builds where its programs are not built."""
    if file.path.endswith("CMakeLists.txt"):
        for number, line in enumerate(file.lines, 1):
            if re.match(r"\s*add_test\s*\(", line):
                yield number, "add_test: ballast_add_test(NAME LABEL TIMEOUT COMMAND...) knows labels and sanitizers"


def names(file):
    name = file.path.rsplit("/", 1)[-1]
    if file.is_code() and not re.fullmatch(r"[a-z0-9_]+\.\w+", name):
        yield 1, "files are named in snake_case"


RULES = (
    opening, layout, unfinished, machine_paths, sleeps, library_random, threads, own_header_first, registered_tests,
    names,
)


def problems_of(file, exists=None):
    """`exists` tells whether a path of the repository is there; without it, links are not followed."""
    found = [problem for rule in RULES for problem in rule(file)]
    for number, sentence in found + list(links(file, exists)):
        yield f"{file.path}:{number}: {sentence}"


def our_files(source):
    """Tracked files and those about to be; everything under the folder where git does not help."""
    listed = subprocess.run(
        ["git", "-C", source, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        paths = listed.stdout.splitlines()
    else:
        paths = [p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()]
    for path in sorted(paths):
        full = source / path
        named = path.endswith(TEXT) or path.rsplit("/", 1)[-1] in ("Makefile", "Dockerfile", "CMakeLists.txt")
        if named and full.is_file() and not path.startswith("build/"):
            yield File(path, full.read_text(errors="replace"))


def main(arguments):
    count = 0
    source = Path(arguments[0])
    for file in our_files(source):
        for problem in problems_of(file, lambda path: (source / path).exists()):
            print(problem)
            count += 1
        if file.is_code() and len(file.lines) > LONG_FILE_LINES:
            print(f"{file.path}: note: {len(file.lines)} lines; most files have 60 to 250, one idea each")
    print(f"tidy: {count} violations of the house style")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
