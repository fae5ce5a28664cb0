"""Commands of tests, and what they say."""

import json
import subprocess


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
