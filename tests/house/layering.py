"""Holds the #include lines and the link graph against cmake/layering.txt.

layering.py SOURCE_FOLDER [LINK_GRAPH]   prints a sentence for each violation; exit status 1 if any.

LINK_GRAPH is what cmake/WriteLinkGraph.cmake wrote: "target|source folder|linked libraries".
"""

import fnmatch
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

TABLE = "cmake/layering.txt"
OUR_FOLDERS = ("common", "services", "operator")
SUFFIXES = (".h", ".cc", ".cu", ".cuh")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


@dataclass
class Row:
    """One line of the table: some files, the targets made of them, and what they may use."""

    patterns: list
    targets: list
    may_use: list
    pure: bool
    belongs: str

    def name(self):
        return self.patterns[0].removesuffix("/*").removesuffix(".*")

    def holds(self, path):
        return any(fnmatch.fnmatch(path, pattern) for pattern in self.patterns)


@dataclass
class Table:
    rows: list = field(default_factory=list)
    not_pure: list = field(default_factory=list)  # (prefixes, why)
    only: list = field(default_factory=list)  # (prefixes, folders, why)

    def row_of_file(self, path):
        return next((row for row in self.rows if row.holds(path)), None)

    def row_of_target(self, target):
        return next((row for row in self.rows if target in row.targets), None)


def words(text):
    return [] if text.strip() == "-" else text.split()


def read_table(path):
    table = Table()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if cells[0] == "not-pure" and len(cells) == 3:
            table.not_pure.append((words(cells[1]), cells[2]))
        elif cells[0] == "only" and len(cells) == 4:
            table.only.append((words(cells[1]), words(cells[2]), cells[3]))
        elif len(cells) == 5 and cells[3] in ("pure", "-"):
            row = Row(words(cells[0]), words(cells[1]), words(cells[2]), cells[3] == "pure", cells[4])
            table.rows.append(row)
        else:
            raise SystemExit(f"{path}:{number}: not a row of the table: {line}")
    names = {row.name() for row in table.rows} | {"proto"}
    for row in table.rows:
        for used in row.may_use:
            if used not in names:
                raise SystemExit(f"{path}: {row.name()} may use {used}, which has no row")
    return table


def starts_with(header, prefixes):
    """Whole names, or prefixes of them: "time.h" is not "time.hpp", "grpc" is "grpcpp/grpcpp.h"."""
    for prefix in prefixes:
        if header == prefix or (prefix.endswith("/") and header.startswith(prefix)):
            return True
        if "/" not in prefix and "." not in prefix and re.match(re.escape(prefix) + r"[\w+-]*/", header):
            return True
        if "/" not in prefix and "." not in prefix and header == prefix + ".h":
            return True
    return False


def inside(path, folders):
    """`folders` may be patterns of files, too: "services/engine/ops/*.cu"."""
    return any(path.startswith((folder + "/", folder + "_")) or fnmatch.fnmatch(path, folder) for folder in folders)


def includes(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def our_row(table, header):
    """The row that a header of ours belongs to, or None for a header from outside."""
    if header.startswith("ballast/v1/"):
        return table.row_of_target("ballast_proto")
    return table.row_of_file(header) if header.split("/")[0] in OUR_FOLDERS else None


def check_include(table, path, row, header):
    """What is wrong with `path` including `header`, as a sentence; or None."""
    if row and row.pure:
        for prefixes, why in table.not_pure:
            if starts_with(header, prefixes):
                return f"{row.name()} is pure and includes <{header}>: {why}"
    for prefixes, folders, why in table.only:
        if starts_with(header, prefixes) and not inside(path, folders) and not path.startswith("tests/"):
            return f"includes <{header}>, which only {', '.join(folders)} may: {why}"
    if header.startswith("tests/") and not path.startswith("tests/"):
        return f'includes "{header}": nothing outside tests/ may use test code'
    used = our_row(table, header)
    if row is None or used is None or used is row or used.name() in row.may_use:
        return None
    return (
        f'{row.name()} includes "{header}", and may not use {used.name()}. Here belongs: {row.belongs}. '
        f"There: {used.belongs}. Move the code to where both may be used, pass the thing in as a value, "
        f"or change {TABLE} with a reason"
    )


def source_files(source):
    for top in OUR_FOLDERS + ("tests",):
        for path in sorted((source / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(source).as_posix()


def check_includes(source, table):
    for path in source_files(source):
        row = table.row_of_file(path)
        if row is None and not path.startswith("tests/"):
            yield f"{path}: lies in no folder of {TABLE}: put it where it belongs, or add a row"
            continue
        for number, header in includes(source / path):
            problem = check_include(table, path, row, header)
            if problem:
                yield f"{path}:{number}: {problem}"


def read_link_graph(path):
    """{target: (source folder, [libraries])}"""
    graph = {}
    for line in path.read_text().splitlines():
        target, folder, libraries = line.split("|")
        graph[target] = (folder, [name for name in libraries.split(";") if name])
    return graph


def check_link(table, row, target, library):
    used = table.row_of_target(library)
    if library == "ballast_options" or library == target or used is row:
        return None
    if used:
        if used.name() in row.may_use:
            return None
        return (
            f"target {target} links {library}, and may not: {row.name()} is for {row.belongs}; "
            f"{used.name()} is for {used.belongs}"
        )
    if library.startswith("ballast"):
        return f"target {target} links {library}, which {TABLE} does not know: add a row for it"
    if row.pure:
        return (
            f"target {target} links {library}: {row.name()} is pure and links nothing from outside; "
            f"the shell around it may"
        )
    return None


def check_link_graph(table, graph):
    for target, (folder, libraries) in sorted(graph.items()):
        if folder.split("/")[0] not in OUR_FOLDERS:
            continue
        row = table.row_of_target(target)
        if row is None:
            # A part of a folder's library (object files of one instruction set, say) has its rights.
            row = table.row_of_file(folder + "/x.cc")
            if row is None or not target.startswith("ballast_"):
                yield f"target {target} in {folder} is not in {TABLE}: add it to the row of its folder"
                continue
        for library in libraries:
            problem = check_link(table, row, target, library)
            if problem:
                yield problem


def check(source, link_graph=None):
    table = read_table(source / TABLE)
    problems = list(check_includes(source, table))
    if link_graph:
        problems += check_link_graph(table, read_link_graph(link_graph))
    return problems


def main(arguments):
    source = Path(arguments[0])
    problems = check(source, Path(arguments[1]) if len(arguments) > 1 else None)
    for problem in problems:
        print(problem)
    print(f"layering: {len(problems)} violations of {TABLE}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
