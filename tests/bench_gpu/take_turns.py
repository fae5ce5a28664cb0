#!/usr/bin/env python3
"""Steps of several programs on one GPU, in turns, so that its clock and its warmth are the same for all; prints a line
of JSON for each (medians over all its turns), then the first one's speed against each other's.

    take_turns.py [--rounds 5] [--steps 10] [--apart] COMMAND COMMAND...

Each COMMAND is one argument, split as a shell would: a program that prints a line of JSON when it has warmed up, then
reads a number of steps from each line of standard input and answers with a line of JSON that has "milliseconds" (a
step, the median), "tokens_per_second" and "name", as `torch_gpt.py --serve` does. They warm up all at once, since
compiling takes most of the time; --apart has one after the other in memory, with all its turns in a row, for models
that do not fit beside each other. A command that ends is told, and left out.

    take_turns.py "bench_gpu serve --size 124M --batch 32" \\
                  "python3 torch_gpt.py --serve --batch 32" \\
                  "python3 torch_gpt.py --serve --batch 32 --precision bf16 --attention cudnn"
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys


class Side:
    """One program, and what it has answered."""

    def __init__(self, command):
        self.command = command
        self.answers = []
        # A program that cannot be started is told like one that ends.
        self.process = subprocess.Popen(shlex.split(command), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self):
        """The next line of JSON, or None where the program has ended; lines that are none are passed on."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
            print(line, end="", file=sys.stderr)
        return None

    def turn(self, steps, keep=True):
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        answer = self.answer()
        if answer and keep:
            self.answers.append(answer)
        return answer is not None

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()

    def summary(self):
        """The last answer, with the median over all turns in place of its own."""
        whole = dict(self.answers[-1])
        whole.pop("steps", None)
        milliseconds = statistics.median(answer["milliseconds"] for answer in self.answers)
        whole["tokens_per_second"] = round(whole["tokens_per_second"] * whole["milliseconds"] / milliseconds)
        whole["milliseconds"] = round(milliseconds, 4)
        whole["turns"] = [answer["milliseconds"] for answer in self.answers]
        return whole


def start(command):
    try:
        return Side(command)
    except OSError as error:
        print(f"take_turns: left out: {command}: {error}", file=sys.stderr)
        return None


def played(sides, rounds, steps):
    """Those of the sides that answered every time. The first turn is for warmth."""
    sides = [side for side in sides if side]
    alive = [side for side in sides if side.answer() is not None]
    for turn in range(rounds + 1):
        alive = [side for side in alive if side.turn(steps, keep=turn > 0)]
    for side in sides:
        side.close()
        if side not in alive:
            print(f"take_turns: left out: {side.command}: ended with {side.process.returncode}", file=sys.stderr)
    return alive


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("commands", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    groups = [[command] for command in options.commands] if options.apart else [options.commands]
    sides = []
    for group in groups:
        sides += played([start(command) for command in group], options.rounds, options.steps)
    for side in sides:
        print(json.dumps(side.summary()), flush=True)
    if sides and sides[0].command == options.commands[0]:
        first = sides[0].summary()
        for side in sides[1:]:
            other = side.summary()
            ratio = first["tokens_per_second"] / other["tokens_per_second"]
            print(f"{first.get('name', 'first')} against {other.get('name', side.command)}: {ratio:.3f}", flush=True)
    return 0 if len(sides) == len(options.commands) else 1


if __name__ == "__main__":
    sys.exit(main())
