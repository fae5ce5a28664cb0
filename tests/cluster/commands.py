"""Commands of tests, and what they say."""

import json
import subprocess
import time
from pathlib import Path

DEFINITION = Path(__file__).resolve().parents[2] / "crds" / "trainingjobs.yaml"


def run(*command, given=None):
    return subprocess.run(list(map(str, command)), input=given, capture_output=True, text=True, check=False)


def said(*command, given=None):
    """What it prints; an AssertionError with what went wrong when it fails."""
    done = run(*command, given=given)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def read(kind, name="", *arguments):
    """An object, or a list of them."""
    return json.loads(said("kubectl", "get", kind, *([name] if name else []), "--output=json", *arguments))


def define_training_jobs(limit_seconds=600):
    """Applies the definition, and waits until the API server serves it. Asked again and again: `kubectl wait` fails at
    once where a definition is so new that its conditions are null."""
    said("kubectl", "apply", "--server-side", "--filename", DEFINITION)
    deadline = time.monotonic() + limit_seconds
    while True:
        waited = run("kubectl", "wait", "--for=condition=Established", "crd/trainingjobs.ballast.dev", "--timeout=10s")
        if waited.returncode == 0:
            return
        if time.monotonic() >= deadline:
            raise AssertionError(f"the definition is not established: {waited.stderr}")
        time.sleep(0.1)
