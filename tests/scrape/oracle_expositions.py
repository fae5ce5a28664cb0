"""What our reader accepts and refuses, against promtool (text format) and prometheus_client (OpenMetrics).

oracle_expositions.py READ_EXPOSITION

The table is every line below and, from a seed, damaged copies of two whole expositions. Where we differ on
purpose, the table says why. promtool is Debian's (package prometheus); prometheus_client, whose OpenMetrics
parser is the format's reference, is fetched once by pip.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle_tools"))
from peers import cache_folder, fail, from_pip, ready_once, run  # noqa: E402

PEER = "prometheus_client==0.21.1"
SEED = 20260101
DAMAGED_TEXTS = 150  # each is a process of promtool
DAMAGED_OPEN_METRICS = 1500

TEXTS = [
    "", "\n\n", "a 1\n", "a 1", "a{} 1\n", "a{,} 1\n", "a{x=\"1\",} 1\n", "a { x = \"1\" , } 1\n", "a{x=\"1\"}1\n",
    "a{x=\"1\",x=\"2\"} 1\n", "a{x=\"\\q\"} 1\n", "a{x=\"\\\\\\n\\\"\"} 1\n", "a{x=\"a\nb\"} 1\n",
    "a{x=\"1\" y=\"2\"} 1\n",
    "a{x:y=\"1\"} 1\n", "a{1=\"1\"} 1\n", "a{__name__=\"b\"} 1\n", "{x=\"1\"} 1\n", "1a 1\n", "a-b 1\n", "a:b 1\n",
    "a\n",
    "a \n", "  a 1\n", "a\t{x=\"1\"}\t1\t5\n", "a 1\r\n", "a +1\n", "a -1\n", "a --1\n", "a 1.\n", "a .5\n", "a .\n",
    "a 1e\n", "a e1\n", "a 1e5\n", "a 1E-5\n", "a 1e999\n", "a 1e-999\n", "a 0.0e999\n", "a 0x1p3\n", "a 0X1\n",
    "a 1_0\n", "a nan\n", "a +nan\n", "a NaN(1)\n", "a Inf\n", "a +inf\n", "a -Infinity\n", "a infinit\n", "a 1,5\n",
    "a 1 2.5\n", "a 1 -5\n", "a 1 +5\n", "a 1 9223372036854775807\n", "a 1 9223372036854775808\n", "a 1 2 3\n",
    "a 1 #x\n",
    "# TYPE a foo\n", "# TYPE a counter\na 1\n", "# TYPE a COUNTER\na 1\n", "# TYPE a counter x\na 1\n", "# TYPE a\n",
    "# TYPE 1a counter\n", "#TYPE a counter\na 1\n", "# TYPE a counter\n# TYPE a counter\n",
    "a 1\n# TYPE a counter\n",
    "# HELP a\na 1\n", "# HELP a b\\q\n", "# HELP a b\\\\\\n\n", "# HELP a b\n# HELP a c\n", "# HELP\n", "# EOF\n",
    "#\n",
    "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
    "# TYPE s summary\ns{quantile=\"x\"} 1\n", "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n",
    "a 1\na 2\n", "a 1\nb 1\na{x=\"1\"} 1\n",
]  # fmt: skip

OPEN_METRICS = [
    "", "# EOF", "# EOF\n", "# EOF\n\n", "# EOF\na 1\n", "a 1\n", "a 1\n# EOF\n", "\n# EOF\n", "a  1\n# EOF\n",
    "a 1 \n# EOF\n", " a 1\n# EOF\n", "a{x=\"1\"} 1\n# EOF\n", "a{x=\"1\",} 1\n# EOF\n",
    "a{x=\"1\", y=\"1\"} 1\n# EOF\n",
    "a{} 1\n# EOF\n", "a{x=\"1\",x=\"2\"} 1\n# EOF\n", "a{1=\"1\"} 1\n# EOF\n", "a 1 1\n# EOF\n", "a 1 1.5\n# EOF\n",
    "a 1 1 1\n# EOF\n", "a 1 nan\n# EOF\n", "a 1 1\na 1 2\n# EOF\n", "a 1 2\na 1 1\n# EOF\n", "a 1\na 1\n# EOF\n",
    "a 1\nb 1\na{x=\"1\"} 1\n# EOF\n", "# TYPE a gauge\na 1\n# EOF\n", "# TYPE a untyped\na 1\n# EOF\n",
    "# TYPE a gauge\n# TYPE a gauge\na 1\n# EOF\n", "# TYPE a gauge\na 1\n# HELP a x\n# EOF\n", "# HELP a\n# EOF\n",
    "# TYPE a counter\na_total 1\n# EOF\n", "# TYPE a counter\na 1\n# EOF\n", "# TYPE a counter\na_total -1\n# EOF\n",
    "# TYPE a counter\na_total NaN\n# EOF\n", "# TYPE a counter\na_total 1\na_created 1\n# EOF\n",
    "# UNIT a_s s\n# TYPE a_s gauge\na_s 1\n# EOF\n", "# UNIT a s\na 1\n# EOF\n",
    "# TYPE i info\ni_info{x=\"1\"} 1\n# EOF\n",
    "# TYPE i info\ni_info 2\n# EOF\n", "# TYPE s stateset\ns{s=\"x\"} 1\n# EOF\n",
    "# TYPE s stateset\ns{s=\"x\"} 2\n# EOF\n",
    "# TYPE s stateset\ns{x=\"x\"} 1\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n# EOF\n", "# TYPE h histogram\nh_bucket 1\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\n# EOF\n",
    "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1.5\n# EOF\n", "# TYPE s summary\ns{quantile=\"0.5\"} 1\n# EOF\n",
    "# TYPE s summary\ns{quantile=\"2\"} 1\n# EOF\n", "# TYPE s summary\ns{quantile=\"x\"} 1\n# EOF\n",
    "# TYPE a counter\na_total 1 # {x=\"1\"} 1\n# EOF\n", "# TYPE a counter\na_total 1 1 # {x=\"1\"} 1 1\n# EOF\n",
    "# TYPE a gauge\na 1 # {x=\"1\"} 1\n# EOF\n",
    "# TYPE a counter\na_total 1 # {x=\"" + "x" * 200 + "\"} 1\n# EOF\n",
    "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum -1\n# EOF\n", "# x\n# EOF\n",
]  # fmt: skip

WHOLE_TEXT = """# HELP a_total x
# TYPE a_total counter
a_total{x="\\n\\\\",y="2"} 1.5 12
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
"""

WHOLE_OPEN_METRICS = """# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds x
a_seconds_total{x="1",y="\\n"} 1.5 12.5 # {t="1"} 0.5 11
a_seconds_created 9
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="+Inf"} 2
h_count 2
h_sum 3
# EOF
"""


def damaged(text, count, generator):
    """Copies with one line dropped, doubled or swapped, or one character changed; ASCII."""
    for _ in range(count):
        lines = text.splitlines(keepends=True)
        at, other = generator.randrange(len(lines)), generator.randrange(len(lines))
        kind = generator.randrange(6)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[other])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        changed = "".join(lines)
        if kind > 2:
            where = generator.randrange(len(changed))
            with_what = generator.choice(["", " ", "\n", '"', "\\", "{", "}", ",", "=", "#", "1", "-", ".", "a", "_"])
            changed = changed[:where] + with_what + changed[where + 1:]
        yield changed


def promtool_says(text):
    """Why promtool cannot read it, or "ok"; what its linter thinks of it does not matter."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    errors = done.stderr.decode(errors="replace").strip()
    return errors if done.returncode == 1 else "ok"


def prometheus_client_says(text):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    try:
        list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def ours_say(program, text_format, texts):
    with tempfile.TemporaryDirectory(prefix="ballast-") as folder:
        files = []
        for number, text in enumerate(texts):
            files.append(Path(folder) / str(number))
            files[-1].write_bytes(text.encode())
        return run("our reader", [program, text_format, *files]).decode().splitlines()


def blank_at_end(text):
    return any(line != line.rstrip(" \t") and not line.startswith("#") for line in text.split("\n"))


def compare(name, texts, ours, theirs, on_purpose):
    different = 0
    accepted = 0
    for text, our_answer, their_answer in zip(texts, ours, theirs, strict=True):
        accepted += our_answer == "ok"
        if (our_answer == "ok") != (their_answer == "ok") and not on_purpose(text, our_answer, their_answer):
            different += 1
            print(f"{name}: {text!r}\n  ours:   {our_answer}\n  theirs: {their_answer}")
    print(f"{name}: {len(texts)} expositions, {accepted} accepted, {different} with another answer")
    return different == 0 and 0 < accepted < len(texts)


def text_on_purpose(text, _ours, _theirs):
    """The format says that blanks at the end of a line mean nothing; promtool wants a timestamp there."""
    return blank_at_end(text)


# What prometheus_client refuses and we read: it makes no number mean something else.
HARMLESS = ("Clashing name", "must be present", "negative _gsum")
# What the format forbids and prometheus_client lets pass.
FORBIDDEN = (
    "more than once", "no bucket le", "buckets must ascend", "expected one space before the value",
    "label le must be a number",
)  # fmt: skip


def open_metrics_on_purpose(_text, ours, theirs):
    if ours == "ok":
        return any(reason in theirs for reason in HARMLESS)
    return any(reason in ours for reason in FORBIDDEN)


def main(arguments):
    if len(arguments) != 1:
        fail("usage: oracle_expositions.py READ_EXPOSITION")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.insert(0, str(ready_once(cache_folder("oracle_expositions") / f"{PEER}-python{version}", from_pip(PEER))))
    generator = random.Random(SEED)
    texts = TEXTS + [WHOLE_TEXT, *damaged(WHOLE_TEXT, DAMAGED_TEXTS, generator)]
    good = compare("promtool", texts, ours_say(arguments[0], "prometheus", texts), [promtool_says(t) for t in texts],
                   text_on_purpose)  # fmt: skip
    texts = OPEN_METRICS + [WHOLE_OPEN_METRICS, *damaged(WHOLE_OPEN_METRICS, DAMAGED_OPEN_METRICS, generator)]
    good &= compare("prometheus_client", texts, ours_say(arguments[0], "openmetrics", texts),
                    [prometheus_client_says(t) for t in texts], open_metrics_on_purpose)  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main(sys.argv[1:]))
