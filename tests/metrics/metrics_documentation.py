"""Holds docs/metrics.md against what processes expose, and both against the naming rules.

metrics_documentation.py docs/metrics.md PROGRAM=URL_OR_FILE...

PROGRAM is a section of the page ("ballast-ps"); URL_OR_FILE is where its metrics are read. For each
program: everything exposed is on the page with its type and labels, everything on the page is exposed,
and `promtool check metrics`, where it is installed, has nothing to say.
"""

import re
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# Where the meaning is that of controller-runtime or client-go, so is the name.
THEIR_PREFIXES = ("controller_runtime_", "workqueue_", "rest_client_", "leader_election_")
EVERY_PROCESS = "Every process"
ROW = re.compile(r"^\|\s*`([a-z0-9_]+)`\s*\|\s*(counter|gauge|histogram|summary)\s*\|([^|]*)\|(.*)\|\s*$")
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+\S+")
LABEL = re.compile(r'([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"')


@dataclass
class Metric:
    kind: str
    labels: set = field(default_factory=set)
    help: str = ""
    seen: bool = False  # with a value: a family without one says nothing of its labels


def read_page(text):
    """{section: {name: Metric}} of the tables."""
    sections, current = {}, None
    for line in text.splitlines():
        if line.startswith("## "):
            current = sections.setdefault(line[3:].strip(), {})
        match = ROW.match(line)
        if match and current is not None:
            name, kind, labels, meaning = match.groups()
            current[name] = Metric(kind, set(re.findall(r"`(\w+)`", labels)), meaning.strip(), True)
    return sections


def family_of(sample, families):
    """The family a sample belongs to: histograms have _bucket, _sum and _count."""
    if sample in families:
        return sample
    base = re.sub(r"_(bucket|sum|count)$", "", sample)
    return base if base in families else None


def read_exposition(text):
    """{name: Metric} of Prometheus text."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            families.setdefault(name, Metric(kind)).kind = kind
        elif line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            families.setdefault(name, Metric("untyped")).help = words
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            name = match and family_of(match.group(1), families)
            if not name:
                raise ValueError(f"not a sample of a declared metric: {line}")
            families[name].seen = True
            families[name].labels |= set(LABEL.findall(match.group(2) or "")) - {"le", "quantile"}
    return families


def naming_problems(name, metric):
    if not name.startswith(("ballast_", "process_", *THEIR_PREFIXES)):
        yield f"{name}: our metrics start with ballast_"
    if metric.kind == "counter" and not name.endswith("_total"):
        yield f"{name}: a counter ends with _total"
    if metric.kind != "counter" and name.endswith("_total"):
        yield f"{name}: only counters end with _total"
    if re.search(r"_(ms|milliseconds|us|microseconds|minutes|kb|mb|mib|percent)(_|$)", name):
        yield f"{name}: base units only: seconds, bytes, ratios from 0 to 1"
    if metric.kind == "histogram" and not re.search(r"_(seconds|bytes|tokens)$", name):
        yield f"{name}: a histogram's name ends with its unit"
    if not metric.help:
        yield f"{name}: has no help text"


def compare(program, documented, exposed):
    for name, metric in sorted(exposed.items()):
        yield from (f"{program}: {problem}" for problem in naming_problems(name, metric))
        page = documented.get(name)
        if page is None:
            yield f"{program}: {name} ({metric.kind}) is exposed, and docs/metrics.md does not list it for {program}"
            continue
        if page.kind != metric.kind:
            yield f"{program}: {name} is a {metric.kind}, and docs/metrics.md says {page.kind}"
        if metric.seen and page.labels != metric.labels:
            yield (
                f"{program}: {name} has the labels {sorted(metric.labels)}, and docs/metrics.md says "
                f"{sorted(page.labels)}"
            )
    for name in sorted(set(documented) - set(exposed)):
        yield f"{program}: {name} is on docs/metrics.md, and is not exposed"


def promtool_problems(program, text):
    if not shutil.which("promtool"):
        print(f"{program}: promtool is not installed, and was not asked")
        return
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    for line in (result.stdout + result.stderr).splitlines():
        yield f"{program}: promtool: {line}"
    if result.returncode != 0:
        yield f"{program}: promtool check metrics exited with {result.returncode}"


def read_metrics(place):
    if "://" in place:
        with urllib.request.urlopen(place, timeout=10) as response:
            return response.read().decode()
    return Path(place).read_text()


def check(page_text, programs):
    """programs: {program: Prometheus text}"""
    sections = read_page(page_text)
    for program, text in programs.items():
        if program not in sections:
            yield f"{program}: docs/metrics.md has no section for it"
            continue
        documented = {**sections.get(EVERY_PROCESS, {}), **sections[program]}
        yield from compare(program, documented, read_exposition(text))
        yield from promtool_problems(program, text)


def main(arguments):
    programs = {}
    for argument in arguments[1:]:
        program, _, place = argument.partition("=")
        programs[program] = read_metrics(place)
    problems = list(check(Path(arguments[0]).read_text(), programs))
    for problem in problems:
        print(problem)
    print(f"metrics: {len(problems)} differences for {', '.join(programs)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
