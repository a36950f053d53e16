#!/usr/bin/env python3
"""The thirty drawings through `perilune draw --terminal` in a real terminal (tmux), at 80x24 and 200x60.

    draw_terminal.py BUILD_FOLDER [--model FILE] [--sizes 80x24,200x60] [--screens FOLDER]

The mouse is what a terminal sends: SGR reports, one whenever the pointer has come to another cell, in the hand's own
time. Where the canvas is, is found on the screen by its colour; the answer is read off the bars. Without --model the
program's own model recognises. --screens keeps what stood on the screen after each drawing, with its colours.
Python's standard library only.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

from draw_hands import Checks, drawings, empty_canvas, need_modules, need_programs, wait_until

BAR = re.compile(r"(?:^|\s)([0-9]) [ ▏▎▍▌▋▊▉█#=.-]+ *([0-9]+\.[0-9])%")
EMPTY = "draw a digit"


class Terminal:
    """A program in tmux: what it shows, and keys and mouse reports for it."""

    def __init__(self, command, size, folder):
        self.columns, self.rows = (int(part) for part in size.split("x"))
        self.server = ["tmux", "-L", f"perilune-thirty-{os.getpid()}-{size}", "-f", "/dev/null"]
        environment = dict(os.environ, LC_ALL="C.UTF-8", COLORTERM="truecolor")
        environment.pop("TMUX", None)
        subprocess.run([*self.server, "new-session", "-d", "-s", "t", "-x", str(self.columns), "-y", str(self.rows),
                        f"cd '{folder}' && {command}; echo left $?; sleep 60"], env=environment, check=True)

    def tmux(self, *arguments):
        return subprocess.run([*self.server, *arguments], capture_output=True, text=True).stdout

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", "-t", "t", *(["-e", "-N"] if colours else []))

    def send(self, text):
        subprocess.run([*self.server, "send-keys", "-t", "t", "-l", "--", text], check=True)

    def mouse(self, code, cell, final="M"):
        self.send(f"\x1b[<{code};{cell[0]};{cell[1]}{final}")

    def close(self):
        subprocess.run([*self.server, "kill-server"], capture_output=True)


def grounds(screen):
    """The background of every cell: rows of colours, as the escape sequences name them."""
    rows, ground = [], ""
    for line in screen.split("\n"):
        row = []
        for sequence, _ in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b])", line):
            if _:
                row.append(ground)
                continue
            codes = sequence.split(";")
            while codes:
                code = codes.pop(0)
                if code in ("38", "48"):
                    take = 4 if codes[0] == "2" else 2
                    if code == "48":
                        ground = ";".join(codes[:take])
                    del codes[:take]
                elif code in ("", "0", "49"):
                    ground = ""
                elif code[0:1] == "4" and len(code) == 2 or code[0:2] == "10":
                    ground = code
        rows.append(row)
    return rows


def find_canvas(screen):
    """Where the empty canvas is: column and row from 1, columns, rows."""
    column, row, columns, rows = empty_canvas(grounds(screen))
    return column + 1, row + 1, columns, rows


def winner(screen):
    """The class with the longest bar, or None while nothing is drawn."""
    bars = BAR.findall(screen)
    if not bars or EMPTY in screen:
        return None
    value, label = max((float(value), label) for label, value in bars)
    return label if value > 0 else None


def cells(stroke, canvas):
    """The reports of a stroke: [(cell, seconds)], one whenever the pointer comes to another cell."""
    column, row, columns, rows = canvas
    reports = []
    for x, y, t in stroke["points"]:
        cell = (column + min(int(x * columns), columns - 1), row + min(int(y * rows), rows - 1))
        if not reports or reports[-1][0] != cell:
            reports.append((cell, t))
    return reports


def draw(terminal, drawing, canvas):
    start = time.monotonic()
    for stroke in drawing["strokes"]:
        code = 0
        for cell, t in cells(stroke, canvas):
            time.sleep(max(0, start + t - time.monotonic()))
            terminal.mouse(code, cell)
            code = 32
        terminal.mouse(0, cell, "m")


def settled(terminal):
    """The winner once the bars stand still."""
    before = None

    def still():
        nonlocal before
        now = terminal.screen()
        same, before = now == before, now
        return same and winner(now)
    wait_until(still, 5, 0.12)
    return winner(before)


def thirty(checks, size, command, folder, screens):
    terminal = Terminal(command, size, folder)
    try:
        if not checks.check(f"{size}: the face opens", wait_until(lambda: EMPTY in terminal.screen()), terminal.screen()):
            return
        canvas = find_canvas(terminal.screen(colours=True))
        checks.check(f"{size}: the canvas is found on the screen", canvas[2] >= 16 and canvas[3] >= 8, canvas)
        steps, seen = 0, []
        for one in drawings():
            terminal.send(("+" if one["pen_steps"] > steps else "-") * abs(one["pen_steps"] - steps))
            steps = one["pen_steps"]
            draw(terminal, one, canvas)
            seen.append((one, settled(terminal)))
            if screens:
                with open(os.path.join(screens, f"{size}-{one['hand']}-{one['label']}.txt"), "w", encoding="utf-8") as file:
                    file.write(terminal.screen(colours=True))
            terminal.send("c")
            if not checks.check(f"{size}: c clears", wait_until(lambda: EMPTY in terminal.screen()), terminal.screen()):
                return
        checks.thirty(f"terminal {size}", seen)
        terminal.send("q")
        checks.check(f"{size}: q leaves", wait_until(lambda: "left 0" in terminal.screen()), terminal.screen())
    finally:
        terminal.close()


def main():
    parser = argparse.ArgumentParser(description="Thirty drawings through the terminal face.")
    parser.add_argument("build")
    parser.add_argument("--model")
    parser.add_argument("--sizes", default="80x24,200x60")
    parser.add_argument("--screens")
    options = parser.parse_args()
    need_programs("tmux")
    build = os.path.abspath(options.build)
    need_modules(build, "image")
    command = f"'{build}/perilune' draw" + " --terminal"
    if options.model:
        command += f" --model '{os.path.abspath(options.model)}'"
    if options.screens:
        os.makedirs(options.screens, exist_ok=True)
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            thirty(checks, size, command, folder, options.screens)
    checks.end()


if __name__ == "__main__":
    sys.exit(main())
