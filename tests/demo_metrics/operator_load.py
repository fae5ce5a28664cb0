"""What Prometheus knows of an operator with something to do, for the picture of its dashboard (make dashboards-png).

  python3 -B tests/cluster/cluster.py run --fake-nodes 2 -- python3 -B tests/demo_metrics/operator_load.py FILE

Two operators on a real API server, with nodes that only pretend; Debian's Prometheus beside them. Jobs come, are
deleted and come again; the leader is killed on the way, and the other takes over.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from demo import ROOT, Monitoring, say
from pictures import data_of
from dashboards_test import DASHBOARDS

sys.path.insert(0, str(ROOT / "tests/bench_cluster"))
from api import job  # noqa: E402
from operator_process import OperatorProcess  # noqa: E402
from world import World  # noqa: E402

FOREVER = 10**6  # steps
NAMES = {"job": "ballast-operator", "namespace": "ballast-system"}


def follow(monitoring, operators):
    groups = [{"targets": [operator.address],
               "labels": {"namespace": NAMES["namespace"], "pod": f"ballast-operator-{number}"}}
              for number, operator in enumerate(operators)]
    monitoring.targets.write_text(json.dumps(groups))


def come_and_go(world, namespace, until, done):
    number = 0
    while not done.is_set() and time.time() < until:
        jobs = [job(f"job-{number}-{i}", namespace, 2, 4, FOREVER) for i in range(6)]
        world.api.apply_jobs(jobs)
        world.wait_for_pods(6 * len(jobs), namespace)
        done.wait(15)
        world.delete_jobs(namespace)
        number += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--width", type=int, default=1400)
    options = parser.parse_args()
    world, done = World(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="ballast-operator-load-") as made:
        monitoring = Monitoring(Path(made), NAMES["job"])
        begin = time.time()
        try:
            operators = [world.start_operator(), OperatorProcess(world.kubeconfig)]
            follow(monitoring, operators)
            namespace = world.namespace("load")
            load = threading.Thread(target=come_and_go,
                                    args=[world, namespace, begin + options.minutes * 60, done])
            load.start()
            time.sleep(options.minutes * 40)
            say("the leader is killed")
            operators[0].process.send_signal(signal.SIGKILL)
            load.join()
            data = data_of(DASHBOARDS["operator"], monitoring.prometheus, begin, time.time(), options.width, NAMES)
            options.file.parent.mkdir(parents=True, exist_ok=True)
            options.file.write_text(json.dumps(data))
            say(f"{options.file}: {sum(len(series) for panel in data['answers'].values() for series in panel)} series")
            operators[1].stop()
        finally:
            done.set()
            monitoring.stop()
            world.end()


if __name__ == "__main__":
    main()
