"""Asks the test cluster that we run in for something; faults.py has the list.

ask.py VERB NAME     prints "ok", or what is wrong and ends with 1
"""

import os
import socket
import sys
import unittest


def ask(verb, name):
    """The answer: "ok", or a sentence on what is wrong. A test on a cluster that is not ours is skipped."""
    if "BALLAST_CLUSTER" not in os.environ:
        raise unittest.SkipTest(f"nobody can {verb} {name} of this cluster: it is not the built-in one")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.path.join(os.environ["BALLAST_CLUSTER"], "control"))
        connection.sendall(f"{verb} {name}\n".encode())
        return connection.makefile().read().strip()


def main():
    answer = ask(*sys.argv[1:])
    print(answer)
    sys.exit(0 if answer == "ok" else 1)


if __name__ == "__main__":
    main()
