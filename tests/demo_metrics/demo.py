"""make demo-metrics: a run with Debian's Prometheus and Alertmanager beside it.

It trains a job of 2 servers and 3 workers, follows its processes with the labels that the chart's monitors give, and
asks Prometheus every query of every panel and rule: each must return data. Meanwhile gradients are made NaN, a server
is killed, and a worker held back: the three alerts of those fire at Alertmanager and resolve again. Prints what it
sees; exit status 1 when anything is missing. Needs no root.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/dashboards")]
from ballast_run import Run, some_text  # noqa: E402
from dashboards_test import DASHBOARDS, expressions, rules  # noqa: E402

LIMIT_S = 900
NAMES = {"job": "ballast-jobs", "namespace": "default", "trainingjob": "demo"}
JOB = """\
apiVersion: ballast.dev/v1alpha1
kind: TrainingJob
metadata: {{name: demo}}
spec:
  model: {{family: gpt, layers: 2, heads: 2, embedding: 64, context: 64}}
  data: {{train: ["{text}"], validationPercent: 10}}
  training:
    steps: 1000000
    batch: 24
    microbatches: 8
    maxSkippedInARow: 1000000
    optimizer: {{name: adamw, learningRate: "1e-3"}}
    evaluation: {{everySteps: 50, batches: 4}}
  servers: {{replicas: 2, segmentElements: 4096}}
  workers: {{replicas: 3}}
  checkpoint: {{path: "{folder}/checkpoints"}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def wait_until(what, condition, limit_s=LIMIT_S):
    deadline = time.monotonic() + limit_s
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(1)
    return seen


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


class Monitoring:
    """Prometheus and Alertmanager in a folder of their own; stopped at the end."""

    def __init__(self, folder, job=NAMES["job"]):
        self.folder = folder
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self.alertmanager = f"http://127.0.0.1:{free_port()}"
        self.targets = folder / "targets.json"
        self.targets.write_text("[]")
        (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        (folder / "prometheus.yml").write_text(f"""\
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [{ROOT}/helm/ballast/rules/ballast.yaml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{self.alertmanager.removeprefix("http://")}']}}]}}]}}
scrape_configs:
- job_name: {job}
  file_sd_configs: [{{files: [targets.json], refresh_interval: 1s}}]
""")
        self.processes = [
            self.start("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                       f"--web.listen-address={self.prometheus.removeprefix('http://')}"),
            self.start("prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
                       f"--storage.path={folder}/alerts", "--cluster.listen-address=",
                       f"--web.listen-address={self.alertmanager.removeprefix('http://')}"),
        ]

    def start(self, *command):
        log = (self.folder / f"{command[0]}.log").open("w")
        return subprocess.Popen(command, stdout=log, stderr=log)

    def follow(self, run):
        """The processes that there are now, with the labels of the chart's PodMonitor."""
        groups = [{"targets": [ready["metricsAddress"]],
                   "labels": {**{k: v for k, v in NAMES.items() if k != "job"}, "pod": f"demo-{name}",
                              "role": name.split("-")[0]}} for name, ready in sorted(run.processes.items())]
        beside = self.targets.with_suffix(".new")
        beside.write_text(json.dumps(groups))
        beside.rename(self.targets)

    def ask(self, expr):
        query = urllib.parse.urlencode({"query": expr})
        return get(f"{self.prometheus}/api/v1/query?{query}")["data"]["result"]

    def fires(self, alert):
        """As Alertmanager has it."""
        return [a for a in get(f"{self.alertmanager}/api/v2/alerts?active=true") if a["labels"]["alertname"] == alert]

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()


def as_prometheus(expr, names=NAMES):
    """With the dashboard's variables filled in, as Grafana does it."""
    expr = expr.replace("$__rate_interval", "1m").replace("1h", "1m")
    return re.sub(r"\$(job|namespace|trainingjob)", lambda m: names[m[1]], expr)


def check_queries(monitoring):
    """Every query of every panel, and every recording rule, returns data."""
    missing, asked = [], 0
    for name, dashboard in DASHBOARDS.items():
        if name == "operator":  # `ballast run` needs none
            continue
        for title, expr in expressions(dashboard):
            if title in ("another coordinator", "skipped step"):  # marks of what happens rarely
                continue
            asked += 1
            if not monitoring.ask(as_prometheus(expr)):
                missing.append(f"{name}: {title}: {expr}")
    for kind, name, _ in rules():
        if kind == "record":
            asked += 1
            if not monitoring.ask(name):
                missing.append(f"rule {name}")
    return asked, missing


class HeldBack(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.done = pid, threading.Event()

    def run(self):
        while not self.done.wait(0.02):
            os.kill(self.pid, signal.SIGSTOP)
            self.done.wait(0.10)
            os.kill(self.pid, signal.SIGCONT)


def alert(monitoring, name, begin, end=lambda: None):
    """It fires after `begin`, and resolves after `end`."""
    if monitoring.fires(name):
        raise AssertionError(f"{name} fires before anything has happened")
    began = time.monotonic()
    begin()
    wait_until(f"{name} fires", lambda: monitoring.fires(name))
    fired = time.monotonic()
    say(f"{name} fires after {fired - began:.0f} s: {monitoring.fires(name)[0]['annotations']['summary']}")
    end()
    wait_until(f"{name} resolves", lambda: not monitoring.fires(name))
    say(f"{name} resolved after {time.monotonic() - fired:.0f} s")


def read_on(run):
    """Its processes as they come and go, for as long as the run goes on."""
    while (event := run._queue.get()) is not None:
        if event["event"] == "ready":
            run.processes[event["process"]] = event


def demo(folder, alerts):
    (folder / "text.txt").write_text(some_text(400_000))
    (folder / "job.yaml").write_text(JOB.format(text=folder / "text.txt", folder=folder))
    monitoring = Monitoring(folder)
    # Two skipped steps, far enough from the beginning to be seen as a change.
    run = Run(folder, environment={"BALLAST_TEST_NAN_STEP": "3000-3001"})
    try:
        run.wait_for_step(5)
        threading.Thread(target=read_on, args=[run], daemon=True).start()
        monitoring.follow(run)
        say(f"Prometheus at {monitoring.prometheus}, Alertmanager at {monitoring.alertmanager}")
        deadline = time.monotonic() + 240
        while True:
            asked, missing = check_queries(monitoring)
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(5)
        say(f"{asked} queries asked, {len(missing)} without data")
        for line in missing:
            print(f"  no data: {line}")
        if alerts:
            alert(monitoring, "BallastLossNotFinite", lambda: None)
            def kill_a_server():
                before = run.processes["ps-1"]["pid"]
                run.kill("ps-1")
                wait_until("ps-1 is back", lambda: run.processes["ps-1"]["pid"] != before)
                monitoring.follow(run)
            alert(monitoring, "BallastServerLost", kill_a_server)
            slow = HeldBack(run.processes["worker-2"]["pid"])
            alert(monitoring, "BallastStraggler", slow.start, lambda: (slow.done.set(), slow.join()))
        return 1 if missing else 0
    finally:
        run.close()
        monitoring.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--no-alerts", dest="alerts", action="store_false", help="the queries alone: two minutes")
    with tempfile.TemporaryDirectory(prefix="ballast-demo-") as made:
        sys.exit(demo(Path(made), parser.parse_args().alerts))
