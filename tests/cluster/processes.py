"""The processes of a test cluster, by name: each has a log, and is told to be ready by asking it."""

import ssl
import subprocess
import time
import urllib.error
import urllib.request

END_SECONDS = 10
POLL_SECONDS = 0.05
LOG_TAIL = 2000


class Failed(Exception):
    """A sentence for people, with the end of the log that tells why."""


class Processes:
    """Not for several threads at once."""

    def __init__(self, logs):
        self.logs = logs
        logs.mkdir()
        self.running = {}
        self.commands = {}

    def start(self, name, command, **options):
        self.commands[name] = ([str(word) for word in command], options)
        self.start_again(name)

    def start_again(self, name):
        """With the command that it had before."""
        command, options = self.commands[name]
        with open(self.logs / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True, **options)

    def signal(self, name, number):
        self.running[name].send_signal(number)

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait(END_SECONDS)

    def tail(self, name):
        log = self.logs / f"{name}.log"
        return log.read_text(errors="replace")[-LOG_TAIL:] if log.exists() else ""

    def wait_until(self, what, name, condition, seconds=180):
        """Until it holds; fails when the process has ended meanwhile, or the time is over."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self.running[name].poll()
            if ended is not None:
                raise Failed(f"{name} ended with {ended} before {what}:\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds} s:\n{self.tail(name)}")
            time.sleep(POLL_SECONDS)


def answers(url, ca=None):
    """Whether an HTTP GET is answered with 200. Without a CA, whoever answers is believed."""
    context = None
    if url.startswith("https:"):
        context = ssl.create_default_context(cafile=ca)
        if ca is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
