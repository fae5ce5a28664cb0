"""make dashboards-png: the dashboards of the chart as pictures, drawn in a real browser from a real Prometheus.

  python3 tests/demo_metrics/pictures.py FOLDER [--operator FILE] [--minutes 6] [--width 1400]

It trains the job of `make demo-metrics` with Debian's Prometheus beside it, kills the coordinator on the way, and holds
a worker back. Then it asks every query of every panel for the time of the run, and has each dashboard drawn with
Grafana's own components (npm: @grafana/ui) by a headless Chromium. Packages from npm lie in the cache folder, and none
of them is kept beside our sources. Exit status 1 where the browser has drawn less than it was given.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

from demo import JOB, NAMES, ROOT, HeldBack, Monitoring, as_prometheus, get, read_on, say
from ballast_run import Run, some_text
from dashboards_test import DASHBOARDS

SOURCE = ROOT / "helm/dashboards/pictures"
CELL_AND_GAP = 38  # pixels of a row of Grafana's grid
BORDER = 8


def bundle(cache):
    """Our page's script with the packages that it uses: script and style."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "picture.jsx"):
        shutil.copy(SOURCE / name, cache / name)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts",
                    "--loglevel=error", "--legacy-peer-deps"], cwd=cache, check=True)
    subprocess.run(["node_modules/.bin/esbuild", "picture.jsx", "--bundle", "--minify", "--format=iife",
                    "--outfile=picture.js", '--define:process.env.NODE_ENV="production"', "--loader:.svg=dataurl",
                    "--loader:.woff2=dataurl", "--loader:.ttf=empty", "--log-level=error"], cwd=cache, check=True)
    return (cache / "picture.js").read_text(), (cache / "picture.css").read_text()


def number(text):
    value = float(text)
    return value if value == value and abs(value) != float("inf") else None


def key_of(panel):
    return f"{panel['title']}{panel['gridPos']['x']},{panel['gridPos']['y']}"


def ask(prometheus, expr, begin, end, step, names):
    query = urllib.parse.urlencode({"query": as_prometheus(expr, names), "start": begin, "end": end, "step": step})
    return [{"labels": {k: v for k, v in series["metric"].items() if k != "__name__"},
             "times": [round(1000 * at) for at, _ in series["values"]],
             "values": [number(value) for _, value in series["values"]]}
            for series in get(f"{prometheus}/api/v1/query_range?{query}")["data"]["result"]]


def at_the_end(series):
    """Of those that a panel asks for the present alone: what was the largest before is not shown."""
    latest = max((one["times"][-1] for one in series if one["times"]), default=0)
    return [one for one in series if one["times"] and one["times"][-1] == latest]


def data_of(dashboard, prometheus, begin, end, width, names=NAMES):
    """All that the page needs of a dashboard: what Prometheus answers to each query."""
    step = max(2, round((end - begin) / 240))

    def answer_to(target):
        series = ask(prometheus, target["expr"], begin, end, step, names)
        return at_the_end(series) if target.get("instant") else series
    answers = {key_of(panel): [answer_to(target) for target in panel.get("targets", [])]
               for panel in dashboard["panels"]}
    marks = []
    for annotation in dashboard.get("annotations", {}).get("list", []):
        for series in ask(prometheus, annotation["expr"], begin, end, step, names):
            # As Grafana does: a stretch in which it holds is one mark at its beginning.
            before = None
            for at in series["times"]:
                if before is None or at - before > 1000 * step:
                    marks.append({"time": at, "color": annotation["iconColor"]})
                before = at
    return {"dashboard": dashboard, "answers": answers, "marks": marks, "from": round(1000 * begin),
            "to": round(1000 * end), "width": width}


def page_of(data, script, style):
    text = json.dumps(data).replace("<", "\\u003c")
    script = script.replace("</script", "<\\/script")
    return (f'<!DOCTYPE html><html><head><meta charset="utf-8"><style>{style}</style></head>'
            f'<body style="margin:{BORDER}px"><div id="root" style="position:relative"></div>'
            f'<script id="data" type="application/json">{text}</script><script>{script}</script></body></html>')


def browse(page, profile, *options):
    """Headless, without a network: the page has all that it needs."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return subprocess.run(
        ["chromium-headless-shell", *sandbox, "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", *options, page.as_uri()],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=300).stdout


def draw(name, data, bundled, folder, work):
    """The picture, and how many panels the browser drew of how many that have data."""
    page = work / f"{name}.html"
    page.write_text(page_of(data, *bundled))
    panels = data["dashboard"]["panels"]
    height = CELL_AND_GAP * max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) + 2 * BORDER
    size = f"--window-size={data['width'] + 2 * BORDER},{height}"
    document = browse(page, work / "profile", size, "--dump-dom")
    wanted = [p for p in panels if p["type"] in ("timeseries", "heatmap") and any(data["answers"][key_of(p)])]
    drawn = len(re.findall(r"<canvas", document))
    browse(page, work / "profile", size, f"--screenshot={folder / ('dashboard-' + name + '.png')}")
    return drawn, len(wanted)


def draw_all(all_data, folder, work):
    cache = Path(os.environ.get("BALLAST_CACHE", Path.home() / ".cache/ballast")) / "dashboards-pictures"
    bundled = bundle(cache)
    folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for name, data in all_data.items():
        drawn, wanted = draw(name, data, bundled, folder, work)
        picture = folder / f"dashboard-{name}.png"
        say(f"{picture}: {drawn} of {wanted} charts with data drawn, {picture.stat().st_size / 1000:.0f} kB")
        missing += max(0, wanted - drawn)
    return 1 if missing else 0


def run_with_events(work, monitoring, minutes):
    """A run to look at: something happens, and it is over."""
    run = Run(work)
    try:
        run.wait_for_step(5)
        threading.Thread(target=read_on, args=[run], daemon=True).start()
        following = threading.Event()

        def follow():
            while not following.wait(1):
                monitoring.follow(run)
        follower = threading.Thread(target=follow)
        follower.start()
        try:
            third = minutes * 60 / 3
            time.sleep(third)
            say("a server is killed")
            run.kill("ps-0")
            time.sleep(third)
            say("a worker is held back")
            slow = HeldBack(run.processes["worker-2"]["pid"])
            slow.start()
            time.sleep(third)
            slow.done.set()
            slow.join()
        finally:
            following.set()
            follower.join()
        return run
    except BaseException:
        run.close()
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--operator", type=Path, help="what operator_load.py has written")
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--width", type=int, default=1400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ballast-pictures-") as made:
        work = Path(made)
        (work / "text.txt").write_text(some_text(400_000))
        (work / "job.yaml").write_text(JOB.format(text=work / "text.txt", folder=work))
        monitoring = Monitoring(work)
        begin = time.time()
        try:
            run = run_with_events(work, monitoring, options.minutes)
            try:
                end = time.time()
                data = {name: data_of(DASHBOARDS[name], monitoring.prometheus, begin, end, options.width)
                        for name in DASHBOARDS if name != "operator"}
            finally:
                run.close()
        finally:
            monitoring.stop()
        if options.operator:
            data["operator"] = json.loads(options.operator.read_text())
        return draw_all(data, options.folder.resolve(), work)


if __name__ == "__main__":
    sys.exit(main())
