#!/usr/bin/env python3
"""From a pen's movement to the presented frame that shows its prediction, as `perilune draw` itself logs it.

    bash scripts/bench/bench.sh draw [--sizes 900x640,1600x1200] [--hand 1] [--rounds 1] [--model FILE]

A window on a screen of its own (Xvfb: SDL paints by software there), and ten digits of tests/support/hands.json drawn
by xdotool in the hand's own time, a mouse report every 8 ms; a click on Clear between them. One process a size and
round; of several rounds the median is told. The figures go to build/bench/draw.json too.
Python's standard library only.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "outside"))
from draw_hands import drawings, need_programs  # noqa: E402
from draw_screen import Screen  # noqa: E402
from draw_window import Session  # noqa: E402


def measure(size, hand, model):
    """One process: { p50, p99, most (ms), n }."""
    width, height = size
    with tempfile.TemporaryDirectory() as folder, Screen(max(width, 1280), max(height, 960)) as screen:
        session = Session(screen, os.path.join(ROOT, "build"), folder, ["--model", model] if model else [], None)
        try:
            if not session.open():
                sys.exit(f"bench: the window did not open: {session.pty.text()[-2000:]}")
            if not screen.resize(session.window, width, height):
                sys.exit(f"bench: the window did not become {width} x {height}")
            session.measure()
            for one in drawings():
                if one["hand"] == hand:
                    session.draw(one)
                    session.click("clear")
            said = session.ask('(function(l) return ("%.3f %.3f %.3f %d"):format(l.p50 * 1e3, l.p99 * 1e3, l.most * 1e3, l.n) end)'
                               '(window:latency())')
        finally:
            session.pty.close()
    p50, p99, most, n = (float(part) for part in said.split())
    return {"p50": p50, "p99": p99, "most": most, "n": int(n)}


def main():
    parser = argparse.ArgumentParser(description="The latency of perilune draw's window.")
    parser.add_argument("bench", choices=["draw"])
    parser.add_argument("--sizes", default="900x640,1600x1200")
    parser.add_argument("--hand", type=int, default=1, choices=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model")
    options = parser.parse_args()
    need_programs("Xvfb", "xdotool")
    table = {}
    for size in options.sizes.split(","):
        rounds = [measure(tuple(int(n) for n in size.split("x")), options.hand, options.model) for _ in range(options.rounds)]
        table[size] = {name: statistics.median(one[name] for one in rounds) for name in ("p50", "p99", "most", "n")}
    print("| window | p50, ms | p99, ms | most, ms | pen events |\n| --- | --- | --- | --- | --- |")
    for size, row in table.items():
        print(f"| {size} | {row['p50']:.2f} | {row['p99']:.2f} | {row['most']:.2f} | {row['n']:.0f} |")
    os.makedirs(os.path.join(ROOT, "build", "bench"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "bench", "draw.json"), "w", encoding="ascii") as file:
        json.dump(table, file, indent=1)


if __name__ == "__main__":
    main()
