"""What the tests of the drawing program share: the thirty drawings of tests/support/hands.json, counting checks, skipping.

A test that draws all thirty passes when at least AT_LEAST are recognised; it names those that were not.
"""
import collections
import json
import os
import shutil
import sys
import time

AT_LEAST = 28
SKIPPED = 77
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def drawings():
    with open(os.path.join(ROOT, "tests", "support", "hands.json"), encoding="ascii") as file:
        return json.load(file)["drawings"]


def skip(reason):
    """Ends with 77 and the reason."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def need_programs(*names):
    """Ends with 77 and a reason when a program is missing."""
    for name in names:
        if not shutil.which(name):
            skip(f"no {name}")


def need_modules(build, *names):
    """Ends with 77 and a reason when the build is without an optional module."""
    for name in names:
        if not os.path.exists(os.path.join(build, "lua", "perilune", name + ".so")):
            skip(f"built without {name}")


def wait_until(found, seconds=10, interval=0.03):
    """Asks found() until it is true or the time is over; returns what it said last."""
    end = time.monotonic() + seconds
    while True:
        value = found()
        if value or time.monotonic() > end:
            return value
        time.sleep(interval)


def largest(rows, colour):
    """The largest rectangle of one colour in rows of colours: (cells, column, row, columns, rows), places from 0."""
    best, heights = (0, 0, 0, 0, 0), [0] * max(map(len, rows))
    for y, row in enumerate(rows):
        for x in range(len(heights)):
            heights[x] = heights[x] + 1 if x < len(row) and row[x] == colour else 0
        stack = []
        for x, height in enumerate(heights + [0]):
            start = x
            while stack and stack[-1][1] >= height:
                start, high = stack.pop()
                best = max(best, ((x - start) * high, start, y - high + 1, x - start, high))
            stack.append((start, height))
    return best


def empty_canvas(rows):
    """Where an empty canvas shows: the largest area of one colour that is not the corner's. (column, row, columns, rows)"""
    common = collections.Counter(colour for row in rows for colour in row)
    del common[rows[0][0]]
    return max((largest(rows, colour) for colour, _ in common.most_common(4)), default=(0, 0, 0, 0, 0))[1:]


class Checks:
    """Counts what holds and tells what does not."""

    def __init__(self):
        self.count, self.failures = 0, 0

    def check(self, what, holds, detail=""):
        self.count += 1
        if not holds:
            self.failures += 1
            print(f"FAILED: {what}" + (f": {detail}" if detail != "" else ""), flush=True)
        return bool(holds)

    def thirty(self, where, seen):
        """seen: a list of (drawing, what was recognised)."""
        wrong = [f"{one['label']} of hand {one['hand']} as {got}" for one, got in seen if got != str(one["label"])]
        right = len(seen) - len(wrong)
        print(f"{where}: {right} of {len(seen)} recognised" + (f"; not: {', '.join(wrong)}" if wrong else ""), flush=True)
        self.check(f"{where}: at least {AT_LEAST} of 30 are recognised", len(seen) == 30 and right >= AT_LEAST, right)

    def end(self):
        print(f"{self.count} checks, {self.failures} failed")
        sys.exit(1 if self.failures else 0)
