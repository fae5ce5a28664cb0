"""Container images without a registry and without a builder: a tar of files, as `docker save` writes it.

Only the files that are given are in an image; programs bring the libraries that they are linked with.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

PAUSE = """
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) {
  signal(SIGTERM, end);
  signal(SIGINT, end);
  for (;;) pause();
}
"""
NOBODY = "65534:65534"
TEXT = "/usr/share/common-licenses/GPL-3"  # every Debian has it


def libraries_of(program):
    """Paths of what the dynamic linker loads for it, and the linker itself."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    missing = re.findall(r"(\S+) => not found", said)
    if missing:
        raise RuntimeError(f"{program}: {', '.join(missing)} not found")
    return sorted(set(re.findall(r"(/\S+) \(0x", said)))


def layer(files):
    """A tar of path in the image -> file here. Owners, times and order are fixed: the same files, the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("tmp", "var", "run"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
        for path, source in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            content = Path(source).read_bytes()
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def write_image(target, name, files, entrypoint=None, environment=()):
    """An image `name` in the file `target`, which `ctr images import` takes."""
    content = layer(files)
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": NOBODY, "Entrypoint": entrypoint, "Env": ["PATH=/usr/bin:/bin", *environment]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as tar:
        for path, data in [(config_name, config), ("layer.tar", content), ("manifest.json", manifest)]:
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def write_program_image(target, name, programs, entrypoint=None):
    """Programs of this machine in /usr/bin, with their libraries where they expect them, and a text to train on."""
    files = {f"/usr/bin/{Path(program).name}": program for program in programs}
    files[TEXT] = TEXT
    for program in programs:
        files.update({path: path for path in libraries_of(program)})
    write_image(target, name, files, entrypoint)


def write_pause_image(target, name, folder):
    """What holds a pod's namespaces."""
    program = folder / "pause"
    subprocess.run(["cc", "-O2", "-static", "-s", "-x", "c", "-", "-o", program], input=PAUSE, text=True, check=True)
    write_image(target, name, {"/pause": program}, ["/pause"])


def main():
    """images.py FILE NAME PROGRAM...: an image with programs of this machine."""
    target, name, *programs = sys.argv[1:]
    write_program_image(target, name, programs)


if __name__ == "__main__":
    main()
