#!/usr/bin/env python3
"""Thirty digits as three persons would draw them with a mouse: writes hands.json beside this file.

    python3 tests/support/hands.py [--seed 7] [--out tests/support/hands.json] [--sheet sheet.png]

Each digit 0 to 9 stands in it once from each of three hands, which differ in form, slant, width, pen and position:
hand 1 writes upright and round in the middle; hand 2 slanted to the right, smaller, with a narrow pen, in the upper
left; hand 3 leaning left and wide with a thick pen, in the lower right. The drawings are a fixed yardstick: they were
made before any net was tried on them, and are not changed to please one.

hands.json: { "format": "perilune hands", "version": 1, "seed": n, "drawings": [ drawing, ... ] }, sorted by hand and
label; a drawing is what the canvas saves ("perilune strokes": strokes of points x, y in 0..1, y down, and t in seconds
from the first) with "label" (0 to 9), "hand" (1 to 3) and "pen_steps": how often + (or, negative, -) is pressed on a
new canvas, whose pen is 0.085 and changes by a factor of 1.2, to have the pen of this hand.
Python's standard library only. --sheet draws all thirty into one picture to look at.
"""
import argparse
import json
import math
import os
import random
import struct
import zlib

PEN, PEN_STEP = 0.085, 1.2
INTERVAL = 0.008  # seconds between two reports of a mouse

# A form is strokes, a stroke is places x,y in a box (y down) joined smoothly; ! marks a corner.
FORMS = {
    1: {
        0: ["52,2 24,10 6,40 9,72 34,98 66,95 92,64 89,28 68,5 46,3"],
        1: ["26,22 42,12 52,0! 52,34 51,68 50,100"],
        2: ["8,24 22,5 52,0 80,10 86,32 70,56 38,80 6,98! 36,96 66,97 94,97"],
        3: ["12,14 36,1 66,3 82,20 70,40 40,47! 72,52 90,72 76,92 46,100 10,88"],
        4: ["20,2 14,26 8,55! 40,57 92,56", "70,8 69,40 67,72 66,100"],
        5: ["24,2 21,22 18,44! 46,38 74,46 86,68 74,90 44,99 10,90", "24,3 50,4 82,1"],
        6: ["72,2 44,14 20,42 10,70 22,93 48,100 76,88 80,66 58,52 32,58 14,76"],
        7: ["8,4 44,5 90,2! 72,34 54,66 42,100"],
        8: ["78,14 50,1 22,14 26,36 52,48 80,66 80,88 50,100 20,88 20,66 50,47 76,32 80,14 66,4"],
        9: ["80,16 52,1 22,12 16,36 34,53 62,48 82,22 83,40 78,68 62,90 34,100"],
    },
    2: {
        0: ["56,0 38,14 28,42 30,74 44,98 60,94 72,66 72,30 62,6 52,1"],
        1: ["53,0 52,30 50,64 49,100"],
        2: ["14,20 34,2 66,3 80,22 66,50 40,76 18,92 10,84 24,76 50,88 74,98 94,86"],
        3: ["14,3 46,4 82,2! 64,20 44,38! 70,42 86,64 76,88 46,100 12,90"],
        4: ["62,2 44,26 26,46 8,66! 44,66 92,64", "64,4 62,36 61,68 60,100"],
        5: ["86,2 58,3 30,4! 26,22 22,42! 48,38 72,50 76,74 58,94 16,98"],
        6: ["64,0 46,20 32,46 28,76 40,97 62,95 72,78 62,62 42,64 30,80"],
        7: ["10,6 44,4 86,4! 70,32 56,64 46,100", "28,52 52,50 80,48"],
        8: ["54,2 30,10 32,34 54,44 74,30 72,8 52,2", "54,46 26,60 24,88 50,100 76,88 76,62 56,46"],
        9: ["76,20 54,2 28,14 24,38 46,52 70,38 77,16! 75,44 72,72 70,100"],
    },
    3: {
        0: ["60,4 30,2 6,26 2,58 18,90 52,99 84,86 98,54 88,20 64,3 50,6"],
        1: ["20,26 38,16 54,1! 54,34 53,66 52,97!", "20,99 52,97 86,98"],
        2: ["6,28 20,6 50,1 80,12 82,36 60,62 34,82 8,96! 34,88 62,98 96,92"],
        3: ["8,18 30,2 64,4 78,22 62,42 42,48 48,52 74,52 94,72 78,94 44,99 6,86"],
        4: ["14,4 8,28 14,48 44,54 92,50", "82,2 82,36 80,70 82,100"],
        5: ["20,4 18,24 14,46! 44,36 78,44 94,68 76,94 40,100 6,84", "18,5 52,3 94,6"],
        6: ["82,8 54,2 24,22 6,56 14,88 46,100 82,92 92,68 70,50 36,54 12,74"],
        7: ["8,22 10,4! 50,8 94,4! 78,26 58,54 50,100"],
        8: ["56,46 24,34 16,14 46,1 80,10 78,32 50,48 18,64 10,88 46,100 84,90 86,66 54,47"],
        9: ["86,22 62,4 26,8 12,32 32,54 66,48 88,18! 90,48 82,78 58,97 24,94"],
    },
}

# Where and how a hand writes. Sizes and places are parts of the canvas; speed is in sides of the canvas a second.
HANDS = {
    1: {"width": 0.42, "height": 0.60, "middle": (0.50, 0.50), "slant": 0.02, "steps": 0, "speed": 1.5, "wobble": 0.0035},
    2: {"width": 0.34, "height": 0.47, "middle": (0.30, 0.32), "slant": 0.30, "steps": -3, "speed": 1.2, "wobble": 0.0030},
    3: {"width": 0.50, "height": 0.52, "middle": (0.64, 0.66), "slant": -0.22, "steps": 2, "speed": 1.9, "wobble": 0.0050},
}


def parse(text):
    """A stroke's runs between corners: lists of places in 0..1."""
    runs, run = [], []
    for word in text.split():
        x, y = word.rstrip("!").split(",")
        run.append((float(x) / 100, float(y) / 100))
        if word.endswith("!"):
            runs.append(run)
            run = [run[-1]]
    if len(run) > 1:
        runs.append(run)
    return runs


def spline(places, fine=24):
    """A smooth line through the places (centripetal enough: Catmull-Rom with mirrored ends)."""
    def mirrored(end, inner):
        return (2 * end[0] - inner[0], 2 * end[1] - inner[1])
    p = [mirrored(places[0], places[1])] + places + [mirrored(places[-1], places[-2])]
    line = []
    for i in range(1, len(p) - 2):
        for k in range(fine):
            u = k / fine
            line.append(tuple(
                0.5 * (2 * p[i][a] + (p[i + 1][a] - p[i - 1][a]) * u
                       + (2 * p[i - 1][a] - 5 * p[i][a] + 4 * p[i + 1][a] - p[i + 2][a]) * u * u
                       + (3 * p[i][a] - p[i - 1][a] - 3 * p[i + 1][a] + p[i + 2][a]) * u ** 3) for a in (0, 1)))
    return line + [places[-1]]


def place(points, hand, tilt, stretch, shift):
    """From the form's box to the canvas: size, slant, a little tilt, position."""
    out = []
    for x, y in points:
        u, v = (x - 0.5) * hand["width"] * stretch[0], (y - 0.5) * hand["height"] * stretch[1]
        u -= v * hand["slant"]
        u, v = u * math.cos(tilt) - v * math.sin(tilt), u * math.sin(tilt) + v * math.cos(tilt)
        out.append((u + hand["middle"][0] + shift[0], v + hand["middle"][1] + shift[1]))
    return out


def times(line, speed):
    """When the hand is at each place of a run: it sets off from rest, slows where the line bends, and stops."""
    lengths = [0.0]
    for a, b in zip(line, line[1:]):
        lengths.append(lengths[-1] + math.dist(a, b))
    total, clock, at = lengths[-1] or 1e-9, 0.0, [0.0]
    for i in range(1, len(line)):
        part = (lengths[i] + lengths[i - 1]) / 2 / total
        pace = 0.25 + 0.75 * math.sin(math.pi * min(max(part, 0), 1)) ** 0.6
        before, after = line[max(i - 6, 0)], line[min(i + 6, len(line) - 1)]
        chord, way = math.dist(before, after), lengths[min(i + 6, len(line) - 1)] - lengths[max(i - 6, 0)]
        bend = 0.45 + 0.55 * (chord / way if way > 0 else 1)
        clock += (lengths[i] - lengths[i - 1]) / (speed * pace * bend)
        at.append(clock)
    return at


def tremor(rng, size):
    """A hand's wobble: three slow waves an axis, as a function of time."""
    waves = [[(rng.uniform(1.5, 9), rng.uniform(0, 2 * math.pi), rng.gauss(0, size)) for _ in range(3)] for _ in (0, 1)]
    def at(t):
        return tuple(sum(a * math.sin(2 * math.pi * f * t + phase) for f, phase, a in axis) for axis in waves)
    return at


def sample(line, at, shake, start):
    """The reports of a mouse: a place every 8 ms, shaken."""
    points, i = [], 0
    reports = max(int(at[-1] / INTERVAL), 1)
    for k in range(reports + 1):
        t = at[-1] * k / reports
        while i < len(at) - 2 and at[i + 1] < t:
            i += 1
        u = (t - at[i]) / (at[i + 1] - at[i]) if at[i + 1] > at[i] else 0
        dx, dy = shake(start + t)
        points.append((line[i][0] + (line[i + 1][0] - line[i][0]) * u + dx,
                       line[i][1] + (line[i + 1][1] - line[i][1]) * u + dy, start + t))
    return points


def drawing(hand_number, label, rng):
    hand = HANDS[hand_number]
    tilt, shake = rng.gauss(0, 0.03), tremor(rng, hand["wobble"])
    stretch = (rng.uniform(0.92, 1.08), rng.uniform(0.94, 1.06))
    shift = (rng.gauss(0, 0.015), rng.gauss(0, 0.015))
    speed = hand["speed"] * rng.uniform(0.85, 1.15)
    width, clock, strokes = round(PEN * PEN_STEP ** hand["steps"], 4), 0.0, []
    for text in FORMS[hand_number][label]:
        points = []
        for run in parse(text):
            jittered = [(x + rng.gauss(0, 0.012), y + rng.gauss(0, 0.012)) for x, y in run]
            if points:
                jittered[0] = corner
            corner = jittered[-1]
            line = place(spline(jittered), hand, tilt, stretch, shift)
            made = sample(line, times(line, speed), shake, clock)
            points += made[1:] if points else made
            clock = points[-1][2] + INTERVAL * rng.randint(1, 4)
        strokes.append({"width": width, "erase": False,
                        "points": [[round(x, 4), round(y, 4), round(t, 3)] for x, y, t in points]})
        clock += rng.uniform(0.18, 0.35)  # lifted, on the way to the next stroke
    return {"label": label, "hand": hand_number, "pen_steps": hand["steps"],
            "format": "perilune strokes", "version": 1, "strokes": strokes}


def write_png(path, rows):
    """An 8-bit grey PNG from rows of bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + bytes(row) for row in rows)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def sheet(drawings, path, side=150):
    """All drawings in rows of ten at most, black on white, for a person to read."""
    wide, high = min(len(drawings), 10), (len(drawings) + 9) // 10
    rows = [bytearray(b"\xff" * (side * wide)) for _ in range(side * high)]
    for n, one in enumerate(drawings):
        left, top = n % 10 * side, n // 10 * side
        for stroke in one["strokes"]:
            reach = stroke["width"] / 2
            for (xa, ya, _), (xb, yb, _) in zip(stroke["points"], stroke["points"][1:]):
                steps = max(int(math.dist((xa, ya), (xb, yb)) * side), 1)
                for k in range(steps + 1):
                    x, y = xa + (xb - xa) * k / steps, ya + (yb - ya) * k / steps
                    for j in range(max(int((y - reach) * side), 0), min(int((y + reach) * side) + 1, side)):
                        for i in range(max(int((x - reach) * side), 0), min(int((x + reach) * side) + 1, side)):
                            if math.dist(((i + 0.5) / side, (j + 0.5) / side), (x, y)) <= reach:
                                rows[top + j][left + i] = 0
        for k in range(side):
            rows[top][left + k] = rows[top + k][left] = min(rows[top][left + k], 200)
    write_png(path, rows)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="Thirty digits in three hands.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", default=os.path.join(here, "hands.json"))
    parser.add_argument("--sheet")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    drawings = [drawing(hand, label, rng) for hand in sorted(HANDS) for label in range(10)]
    body = ",\n".join(json.dumps(one, separators=(",", ":")) for one in drawings)
    with open(options.out, "w", encoding="ascii") as file:
        file.write('{"format":"perilune hands","version":1,"seed":%d,"drawings":[\n%s\n]}\n' % (options.seed, body))
    if options.sheet:
        sheet(drawings, options.sheet)


if __name__ == "__main__":
    main()
