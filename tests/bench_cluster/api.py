"""A small client of a test cluster's API server: keep-alive, one connection a thread."""

import base64
import http.client
import json
import os
import ssl
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

JOBS = "/apis/ballast.dev/v1alpha1"
PATIENCE_SECONDS = 600
MOST_IDLE_SECONDS = 20  # of a connection


class Api:
    """Of the kubeconfig in KUBECONFIG, as JSON. Any thread."""

    def __init__(self):
        with open(os.environ["KUBECONFIG"], encoding="utf-8") as file:
            config = json.load(file)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.cluster = cluster
        self.address = urllib.parse.urlsplit(cluster["server"]).netloc
        self.tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.tls.load_cert_chain(pair.name)
        self.own = threading.local()

    def ask(self, method, path, body=None, content="application/json"):
        """(status, answer). What may be done twice is asked again where the connection was lost."""
        for attempt in range(5):
            # The server closes what was idle for long, and a create is not asked for twice.
            idle = time.monotonic() - getattr(self.own, "used", 0)
            if idle > MOST_IDLE_SECONDS or not hasattr(self.own, "connection"):
                self.own.connection = http.client.HTTPSConnection(self.address, context=self.tls, timeout=120)
            self.own.used = time.monotonic()
            text = None if body is None else json.dumps(body)
            try:
                self.own.connection.request(method, path, text, {"Content-Type": content})
                answer = self.own.connection.getresponse()
                return answer.status, json.loads(answer.read() or b"{}")
            except (http.client.HTTPException, OSError):
                del self.own.connection
                if method == "POST" or attempt == 4:
                    raise
        raise AssertionError("not reached")

    def must(self, method, path, body=None, content="application/json"):
        status, answer = self.ask(method, path, body, content)
        if status not in (200, 201, 202):
            raise RuntimeError(f"{method} {path}: {status} {answer.get('message')}")
        return answer

    def items(self, path):
        """All of them, in pages."""
        items, following = [], ""
        while True:
            page = self.must("GET", f"{path}{'&' if '?' in path else '?'}limit=1000&continue={following}")
            items += page["items"]
            following = urllib.parse.quote(page["metadata"].get("continue", ""))
            if not following:
                return items

    def count(self, path):
        page = self.must("GET", f"{path}{'&' if '?' in path else '?'}limit=1")
        return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)

    def make_namespace(self, name):
        status, answer = self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        if status not in (201, 409):
            raise RuntimeError(f"namespace {name}: {status} {answer}")

    def apply_jobs(self, jobs, at_once=16):
        """Creates them; the time at which the last answer came."""
        def create(job):
            self.must("POST", f"{JOBS}/namespaces/{job['metadata']['namespace']}/trainingjobs", job)
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(create, jobs))
        return time.time()


def wait_until(what, condition, every=0.1, patience=PATIENCE_SECONDS, seen=lambda: ""):
    """The first true value of condition(); seen() is told where it does not come."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)  # sleeps: between two looks
    raise AssertionError(f"{what}: not within {patience} s {seen()}")


def job(name, namespace, servers, workers, steps):
    """A TrainingJob; on fake nodes it trains one step a second (fake_pods.cc)."""
    microbatches = 1
    while microbatches < workers:
        microbatches *= 2
    return {
        "apiVersion": "ballast.dev/v1alpha1", "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "data": {"train": ["/data"]},
            "training": {"steps": steps, "batch": microbatches, "microbatches": microbatches,
                         "schedule": {"name": "constant"}},
            "servers": {"replicas": servers}, "workers": {"replicas": workers},
            "network": {"trusted": True}, "checkpoint": {"path": "/checkpoints"},
        },
    }
