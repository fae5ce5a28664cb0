"""Runs the scenarios of this folder: real processes of `ballast run`, told in a few words what happens to them.

  python3 tests/scenarios/scenarios.py [--update] [NAME ...]

A scenario is a text file: a title with the promise it shows, a paragraph of purpose, then commands (`> ...`), each
followed by what is then seen. The commands run, and what they print must be what stands there; --update writes it
down instead, to be reviewed. What runs have trained is compared at the end, with one run that nobody disturbs. Who is
meant: `coordinator`, `server` (one that does not coordinate), `worker`.

  start [key=value ...]    ballast run with these values of the specification (NAN_STEP=, FLIP_BIT= for faults)
  resume [key=value ...]   the same with --resume
  until step N | ready | removed | appointed | whole | back | checkpoints N | workers N | told WORDS
  kill WHO, pause WHO, wake, kill run
  damage KIND              the newest checkpoint: flipped-bit, torn, no-manifest
  small disk, large disk   for checkpoints
  end                      exit code, steps, and whether the parameters are those of an undisturbed run
  stop                     the same of a run that would go on for long, ended by SIGTERM some steps later
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import ballast_run  # noqa: E402

# Without an end of their own, so that a scenario has the time that it takes on a machine of any speed.
DEFAULTS = {"training.steps": 1_000_000, "training.schedule.name": "constant", "training.evaluation.everySteps": 0,
            "servers.replicas": 2, "servers.replication": 2, "workers.replicas": 2, "checkpoint.everySteps": 100}


class Digest(NamedTuple):
    """The SHA-256 of the parameters of a run after so many steps: a line that is told when all are known."""

    steps: int
    sha256: str

    def line(self, undisturbed):
        same = self.sha256 == undisturbed[self.steps]
        return "the parameters of an undisturbed run" if same else "OTHER PARAMETERS"


class Scenario:
    """The world of one file."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "text.txt").write_text(ballast_run.some_text())
        (self.folder / "job.yaml").write_text(ballast_run.JOB.format(
            text=self.folder / "text.txt", checkpoints=self.folder / "checkpoints"))
        self.run = None
        self.steps = 0
        self.victim = None  # name, pid, events seen before
        self.mounted = False

    def close(self):
        if self.run:
            self.run.close()
        if self.mounted:
            subprocess.run(["umount", str(self.folder / "checkpoints")], check=True)

    # ---- commands; each returns the lines that it shows

    def start(self, *words, more=()):
        environment, values = {}, dict(DEFAULTS)
        for word in words:
            key, value = word.split("=", 1)
            if key in ("NAN_STEP", "FLIP_BIT"):
                environment["BALLAST_TEST_" + key] = value
            else:
                values[key] = value
        arguments = [part for key, value in values.items() for part in ("--set", f"spec.{key}={value}")]
        self.steps = values["training.steps"]
        self.run = ballast_run.Run(self.folder, [*arguments, "--sample-tokens", "0", *more], environment)
        return []

    def resume(self, *words):
        self.start(*words, more=["--resume"])
        found = self.run.wait_for("a start", lambda e: e["event"] in ("resume", "passedOver", "progress"))
        lines = []
        if found["event"] == "passedOver":
            lines.append("passed over a damaged checkpoint")
            found = self.run.wait_for("the checkpoint", lambda e: e["event"] == "resume")
        whole = [int(self.step_of(str(path))) for path in (self.folder / "checkpoints").rglob("manifest.json")]
        newer = sum(1 for step in whole if step > int(self.step_of(found["checkpoint"])))
        return lines + ["goes on from the newest checkpoint" if newer == 0 else
                        f"goes on from a checkpoint with {newer} newer"]

    def step_of(self, directory):
        return re.search(r"step-(\d+)", directory).group(1)

    def coordinator(self):
        return (self.run.last("appointed") or self.run.wait_for(
            "a coordinator", lambda e: e["event"] == "appointed"))["coordinator"]

    def name_of(self, who):
        if who == "worker":
            return "worker-0"
        servers = sorted(name for name in self.run.processes if name.startswith("ps-"))
        return self.coordinator() if who == "coordinator" else next(s for s in servers if s != self.coordinator())

    def strike(self, who, how):
        name = self.name_of(who)
        pid = self.run.ready(name)["pid"]
        self.victim = (name, pid, len(self.run.events))
        os.kill(pid, how)

    def kill(self, who):
        if who == "run":
            pids = [ready["pid"] for ready in self.run.processes.values()]
            self.run.process.kill()
            for pid in pids:
                ballast_run.wait_until(f"process {pid} ends", lambda pid=pid: ballast_run.gone(pid))
            self.run.close()
            return ["none of its processes is left"]
        self.strike(who, signal.SIGKILL)
        name = self.victim[0]
        ended = self.run.wait_for("its end", lambda e: e["event"] == "ended" and e["process"] == name)
        return [f"the {who} was ended by signal {ended['signal']}"]

    def pause(self, who):
        self.strike(who, signal.SIGSTOP)
        return []

    def wake(self):
        name, pid, _ = self.victim
        os.kill(pid, signal.SIGCONT)
        if name.startswith("worker"):
            return []
        ended = self.run.wait_for("its end", lambda e: e["event"] == "ended" and e["process"] == name)
        return [f"it ends by itself, with code {ended['code']}: it was removed while it was silent"]

    def since(self):
        return self.run.events[self.victim[2]:]

    def wait(self, what, seen):
        """Until some event since the last fault is such."""
        if not any(seen(event) for event in self.since()):
            self.run.wait_for(what, seen)

    def until(self, what, *words):
        if what == "step":
            self.run.wait_for_step(int(words[0]))
            return []
        if what == "checkpoints":
            for _ in range(int(words[0])):
                self.run.wait_for("a checkpoint", lambda e: e["event"] == "checkpoint")
            return []
        if what == "workers":
            self.run.wait_for("workers", lambda e: e["event"] == "progress" and e.get("workers") == int(words[0]))
            return [f"{words[0]} workers"]
        if what == "told":
            self.run.wait_for(" ".join(words), lambda e: " ".join(words) in str(e.get("message", "")))
            return []
        name = self.victim[0]
        if what == "ready":
            self.wait("a new life", lambda e: e["event"] == "ready" and e["process"] == name)
            return ["a new life of it is ready"]
        if what == "removed":
            self.wait("its removal", lambda e: e["event"] == "removed" and e["process"] == name)
            return ["the status names it no more"]
        if what == "appointed":
            self.wait("an appointment", lambda e: e["event"] == "appointed")
            return ["another server coordinates" if self.coordinator() != name else "the same server coordinates"]
        if what == "back":
            self.wait("the way back", lambda e: e["event"] == "back")
            checkpoint = next(e for e in reversed(self.run.events) if e["event"] == "back")["checkpoint"]
            return ["back to the last checkpoint" if checkpoint else "back to the beginning"]
        if what == "whole":
            def whole(_):
                alive = any(e["event"] == "ready" and e["process"] == name for e in self.since())
                replicas = [e["event"] for e in self.since() if e["event"] in ("degraded", "whole")]
                return alive and replicas[-1:] == ["whole"]
            if not whole(None):
                self.run.wait_for("all replicas", whole)
            return ["a new life of it is ready", "every segment has all its replicas again"]
        raise ValueError(f"until {what}")

    def damage(self, kind):
        manifests = (self.folder / "checkpoints").rglob("manifest.json")
        newest = max(manifests, key=lambda m: int(self.step_of(str(m))))
        part = sorted(newest.parent.glob("*.safetensors"))[0]
        whole = part.read_bytes()
        if kind == "flipped-bit":
            part.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        elif kind == "torn":
            part.write_bytes(whole[: len(whole) // 2])
        else:
            newest.unlink()
        return []

    def small(self, _):
        if os.geteuid() != 0:
            raise SystemExit("a small disk needs root")
        (self.folder / "checkpoints").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "ballast-scenario",
                        str(self.folder / "checkpoints")], check=True)
        self.mounted = True
        return []

    def large(self, _):
        subprocess.run(["mount", "-o", "remount,size=64m", str(self.folder / "checkpoints")], check=True)
        return []

    def end(self):
        code = self.run.end()
        lines = [f"exit {code}"]
        if code != 0:
            failed = re.search(r"(\d+ steps in a row were not finite|replicas of segment \d+ differ)",
                               self.run.stderr())
            named = sorted(set(re.findall(r"ps-\d has (?:checksum )?[0-9a-f]{16}", self.run.stderr())))
            lines += [failed.group(0)] if failed else [self.run.stderr()[-300:]]
            lines += [f"named: {', '.join(text.split()[0] for text in named)}"] if named else []
            return lines
        end = self.run.last("end")
        lines.append(", ".join([f"{end['steps']} steps", *self.times_back()])
                     + (f", {end['skipped']} skipped" if end["skipped"] else ""))
        if end["skipped"] == 0:
            lines.append(Digest(int(self.steps), end["parametersSha256"]))
        return lines

    def stop(self):
        self.run.wait_for_steps(20)
        self.run.process.send_signal(signal.SIGTERM)
        lines = [f"exit {self.run.end()}", *self.times_back()]
        self.steps = self.run.last("interrupted")["step"]
        self.run.close()
        self.start(f"training.steps={self.steps}", more=["--resume"])
        assert self.run.end() == 0, self.run.describe()
        return [*lines, Digest(int(self.steps), self.run.last("end")["parametersSha256"])]

    def times_back(self):
        """Where the job was not meant to go back to a checkpoint."""
        if any(e["event"] == "back" for e in self.run.events):
            return []
        steps = [e["step"] for e in self.run.events if e["event"] == "progress" and "step" in e]
        return [f"{sum(1 for a, b in zip(steps, steps[1:]) if b < a)} times back"]


def undisturbed_digests(steps):
    """The SHA-256 after each of these numbers of steps, the same for every number of servers and workers: one run,
    that goes on from one to the next."""
    digests = {}
    with tempfile.TemporaryDirectory(prefix="ballast-scenario-") as folder:
        for number in sorted(steps):
            with contextlib.closing(Scenario(folder)) as calm:
                calm.start("servers.replicas=1", "servers.replication=1", "workers.replicas=1",
                           "checkpoint.everySteps=0", f"training.steps={number}", more=["--resume"] if digests else [])
                assert calm.run.end() == 0, calm.run.describe()
                digests[number] = calm.run.last("end")["parametersSha256"]
    return digests


def play(path):
    """The lines of the file as it should read, with the digests of its runs among them."""
    head, commands = [], []
    for line in path.read_text().splitlines():
        if line.startswith("> "):
            commands.append(line[2:])
        elif not commands:
            head.append(line)
    out = list(head)
    with tempfile.TemporaryDirectory(prefix="ballast-scenario-") as folder:
        with contextlib.closing(Scenario(folder)) as scenario:
            for command in commands:
                verb, *words = command.split()
                out += [f"> {command}", *getattr(scenario, verb)(*words)]
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all without")
    parser.add_argument("--update", action="store_true", help="write down what is seen")
    options = parser.parse_args()
    paths = sorted(path for path in HERE.glob("*.txt") if path.stem != "CMakeLists")
    paths = [path for path in paths if not options.names or path.stem in options.names]
    seen = {}
    for path in paths:
        began = time.monotonic()
        try:
            seen[path] = play(path)
        except AssertionError as error:
            seen[path] = [str(error)]
        print(f"{time.monotonic() - began:5.1f} s  {path.stem}", flush=True)
    undisturbed = undisturbed_digests({line.steps for lines in seen.values() for line in lines
                                       if isinstance(line, Digest)})
    failed = 0
    for path, lines in seen.items():
        wanted = path.read_text()
        text = "".join(f"{line.line(undisturbed) if isinstance(line, Digest) else line}\n" for line in lines)
        if options.update:
            path.write_text(text)
        elif text != wanted:
            failed += 1
            print(f"---- {path.name}: expected\n{wanted}---- seen\n{text}")
        print(f"{'ok' if options.update or text == wanted else 'FAILED':8}{path.stem}", flush=True)
    print(f"{len(paths) - failed} of {len(paths)} scenarios")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
