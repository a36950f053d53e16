#!/usr/bin/env python3
"""`perilune draw` in a window, used as a person uses it: Xvfb, mouse and keys by xdotool, pictures of the screen.

    draw_window.py BUILD_FOLDER [--model FILE] [--pictures FOLDER]
    draw_window.py BUILD_FOLDER --picture FILE      (only draws a number, and takes README's picture of it)

Draws the thirty drawings of tests/support/hands.json in their own time, with the pen of their hand, clearing with one
click; then undo, redo, erasing, saving, sizes, a dropped file, a number, corrections, a new class, closing. What was
recognised is asked at the prompt that stays beside the window, and must be what the bars on the screen show. Without
--model the program's own model recognises. --pictures keeps what the screen showed.
Python's standard library only.
"""
import argparse
import os
import re
import struct
import sys
import tempfile
import time
import zlib

from draw_hands import ROOT, Checks, drawings, need_modules, need_programs, wait_until
from draw_pty import Prompt, Pty
from draw_screen import Screen, find_canvas, wait_for_calm

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import hands  # noqa: E402

ANSWER = ('not prediction and "nothing" or prediction.number or prediction.certain == false and "no digit" '
          'or prediction.label')


class Session:
    """The program, its window and the person before it."""

    def __init__(self, screen, build, folder, arguments, pictures):
        self.screen, self.folder, self.pictures = screen, folder, pictures
        environment = screen.environment(TERM="xterm-256color", LC_ALL="C.UTF-8",
                                         PERILUNE_HISTORY=os.path.join(folder, "history"))
        self.pty = Pty([os.path.join(build, "perilune"), "draw", *arguments], folder, environment)
        self.window, self.canvas, self.steps, self.shots = None, None, 0, 0

    def open(self):
        self.window = self.screen.window("Perilune")
        if not self.window:
            return False
        self.prompt = Prompt(self.pty)
        self.screen.xdotool(f"windowmove {self.window} 0 0\n")
        wait_for_calm(self.screen)
        self.measure()
        return True

    def measure(self):
        """Looks where things are: after a resize, with an empty canvas."""
        self.park()
        wait_for_calm(self.screen)
        self.place = self.screen.geometry(self.window)
        self.blank = self.screen.picture()
        self.canvas = find_canvas(self.blank, *self.place)

    def park(self):
        """The pointer where it lights nothing up: the window's corner."""
        left, top, _, _ = self.screen.geometry(self.window)
        self.screen.xdotool(f"mousemove {left + 2} {top + 2}\n")

    def ask(self, expression):
        return self.prompt.ask(expression)

    def do(self, line):
        """Runs a line at the prompt to its end."""
        self.prompt.run(line)
        self.ask("'done'")

    def answer(self):
        return self.ask(ANSWER)

    def places(self, name):
        """Where the program has a button, in pixels of the screen: left, top, width, height."""
        text = self.ask(f'(function(p) return table.concat({{ p.x, p.y, p.width, p.height }}, " ") end)'
                        f'(window:places()["{name}"])')
        x, y, width, height = (float(part) for part in text.split())
        return self.place[0] + x, self.place[1] + y, width, height

    def click(self, name):
        x, y, width, height = self.places(name)
        self.screen.click(x + width / 2, y + height / 2)

    def pen(self, steps, by_click=False):
        """Presses + or - (or their buttons) until the pen is so many steps from a new canvas' pen."""
        for _ in range(abs(steps - self.steps)):
            if by_click:
                self.click("wider" if steps > self.steps else "narrower")
            else:
                self.screen.keys("plus" if steps > self.steps else "minus")
        self.steps = steps

    def draw(self, drawing, box=(0, 0, 1, 1), button=1):
        """Draws strokes in a part of the canvas (left, top, width, height in 0..1)."""
        left, top, width, height = self.canvas
        before = 0
        for stroke in drawing["strokes"]:
            points = [(left + (box[0] + x * box[2]) * width, top + (box[1] + y * box[3]) * height, t)
                      for x, y, t in stroke["points"]]
            time.sleep(max(0, points[0][2] - before))
            before = points[-1][2]
            self.screen.stroke(points, button)

    def longest_bar(self):
        """The class whose row differs most from the empty window's: the longest bar."""
        self.park()
        wait_for_calm(self.screen)
        now, most = self.screen.picture(), (0, None)
        for class_, (x, y, width, height) in enumerate(self.rows):
            was, is_ = (p.cut(int(x), int(y), int(width), int(height)) for p in (self.blank, now))
            most = max(most, (sum(a != b for a, b in zip(was, is_)), str(class_)))
        return most[1]

    def picture(self, name):
        if self.pictures:
            self.shots += 1
            path = os.path.join(self.pictures, f"{self.shots:02d}-{name}.png")
            self.screen.picture().save(path, *self.screen.geometry(self.window))

    def becomes(self, wanted, seconds=5):
        """Waits for an answer; returns it (or another, when it does not come)."""
        said = None

        def asked():
            nonlocal said
            said = self.answer()
            return said == wanted
        wait_until(asked, seconds, 0.1)
        return said

    def empty(self):
        """Clears with one click, and waits until nothing is recognised."""
        self.click("clear")
        return self.becomes("nothing") == "nothing"


def of(label, hand):
    return next(one for one in drawings() if one["label"] == label and one["hand"] == hand)


def thirty(s, checks):
    s.rows = [s.places(f"bar {class_}") for class_ in range(1, 11)]
    seen, shown = [], []
    for one in drawings():
        s.pen(one["pen_steps"], by_click=one["hand"] == 3)
        s.draw(one)
        s.park()
        wait_for_calm(s.screen)
        answer = s.answer()
        seen.append((one, answer))
        if answer is not None and len(answer) == 1 and s.longest_bar() != answer:
            shown.append((answer, s.longest_bar()))
        if one["label"] in (2, 7):
            s.picture(f"hand{one['hand']}-{one['label']}")
        if not checks.check("one click clears", s.empty(), s.answer()):
            return
    checks.thirty("window", seen)
    checks.check("the bars on the screen show what is recognised", not shown, shown)
    s.pen(0)


def undoing(s, checks):
    s.draw(of(4, 1))
    checks.check("a four of two strokes", s.becomes("4") == "4", s.answer())
    s.park()
    wait_for_calm(s.screen)
    whole = s.screen.picture().cut(*s.canvas)
    s.click("undo")
    checks.check("undo takes one stroke back", s.ask("#canvas.strokes") == "1", s.ask("#canvas.strokes"))
    s.screen.keys("ctrl+z")
    checks.check("Ctrl-Z the other", s.becomes("nothing") == "nothing", s.answer())
    s.screen.keys("ctrl+y")
    s.click("redo")
    checks.check("Ctrl-Y and redo bring both back", s.becomes("4") == "4", s.answer())
    s.park()
    wait_for_calm(s.screen)
    checks.check("as they were, to the pixel", whole == s.screen.picture().cut(*s.canvas))
    s.screen.keys("c")
    checks.check("the key c clears", s.becomes("nothing") == "nothing", s.answer())
    s.screen.keys("u")
    checks.check("and u brings it back", s.becomes("4") == "4", s.answer())
    s.empty()


def erasing(s, checks):
    one = of(1, 1)
    s.draw(one)
    checks.check("a one", s.becomes("1") == "1", s.answer())
    s.draw(one, button=3)
    checks.check("the right button erases", s.becomes("nothing") == "nothing", s.answer())
    s.screen.keys("u")
    checks.check("and can be undone", s.becomes("1") == "1", s.answer())
    s.empty()


def read_grey(path):
    """A PNG of 8 bits a channel without interlacing: width, height, the channels, and the mean of its pixels."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    body, i = b"", 8
    while i < len(data):
        length, name = struct.unpack(">I4s", data[i:i + 8])
        body += data[i + 8:i + 8 + length] if name == b"IDAT" else b""
        i += 12 + length
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    raw, stride = zlib.decompress(body), width * channels * depth // 8
    assert len(raw) == (stride + 1) * height
    return width, height


def saving(s, checks):
    path = os.path.join(s.folder, "drawing-1.png")
    s.draw(of(5, 1))
    s.click("save")
    checks.check("the Save button writes a picture", wait_until(lambda: os.path.exists(path)))
    checks.check("and it is told", "drawing-1.png" in (s.ask("program.message") or ""), s.ask("program.message"))
    if os.path.exists(path):
        width, height = read_grey(path)
        checks.check("a square PNG", width == height and width >= 28, (width, height))
    s.screen.keys("ctrl+s")
    checks.check("Ctrl-S writes another", wait_until(lambda: os.path.exists(os.path.join(s.folder, "drawing-2.png"))))
    s.empty()
    s.do('program:open "drawing-1.png"')
    checks.check("what was saved can be opened", s.becomes("5") == "5", s.answer())
    s.do('program:save "five.json"')
    s.empty()
    s.do('program:open "five.json"')
    checks.check("strokes too", s.becomes("5") == "5", s.answer())
    s.empty()


def dropping(s, checks):
    path = os.path.join(s.folder, "a three, dropped.png")
    hands.sheet([of(3, 1)], path, 200)
    s.do(f'window.window:push {{ type = "drop", path = "{path}" }}')
    checks.check("a dropped picture is recognised", s.becomes("3") == "3", s.answer())
    s.park()
    wait_for_calm(s.screen)
    s.picture("dropped")
    bad = os.path.join(s.folder, "no picture.png")
    with open(bad, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + bytes(60))
    s.do(f'window.window:push {{ type = "drop", path = "{bad}" }}')
    told = wait_until(lambda: "no picture.png" in (s.ask("program.message") or ""), 5, 0.1)
    checks.check("a dropped file that is no picture is told", told, s.ask("program.message"))
    checks.check("and changes nothing", s.answer() == "3", s.answer())
    s.empty()


def number(s, checks):
    s.pen(-4)
    for i, label in enumerate((1, 9, 8, 4)):
        s.draw(of(label, 1), (0.02 + 0.24 * i, 0.26, 0.24, 0.48))
    checks.check("four digits side by side are a number", s.becomes("1984") == "1984", s.answer())
    s.park()
    wait_for_calm(s.screen)
    s.picture("number")
    s.pen(0)
    s.empty()


def explaining(s, checks):
    s.draw(of(8, 1))
    s.park()
    wait_for_calm(s.screen)
    plain = s.screen.picture().cut(*s.canvas)
    s.screen.keys("e")
    checks.check("e lays what speaks for the answer over it",
                 wait_until(lambda: s.screen.picture().cut(*s.canvas) != plain, 5))
    wait_for_calm(s.screen)
    s.picture("why")
    s.screen.keys("e")
    checks.check("e takes it away again", wait_until(lambda: s.screen.picture().cut(*s.canvas) == plain, 5))
    s.empty()


def resizing(s, checks):
    s.draw(of(2, 1))
    checks.check("a two", s.becomes("2") == "2", s.answer())
    s.empty()
    for width, height in ((1200, 900), (480, 800), (360, 300), (200, 150), (900, 640)):
        checks.check(f"resized to {width} x {height}", s.screen.resize(s.window, width, height))
        s.measure()
        if width < 360:
            checks.check("too small, and it lives", s.answer() == "nothing", s.answer())
            continue
        side = s.canvas[2]
        checks.check(f"{width} x {height}: the canvas is square and large", abs(side - s.canvas[3]) <= 8 and side >= 100, s.canvas)
        s.draw(of(2, 1))
        checks.check(f"{width} x {height}: a two is a two", s.becomes("2") == "2", s.answer())
        s.park()
        wait_for_calm(s.screen)
        s.picture(f"{width}x{height}")
        s.empty()


def prompting(s, checks):
    s.draw(of(7, 1))
    checks.check("a seven", s.becomes("7") == "7", s.answer())
    checks.check("digit is what the net sees", s.ask("table.concat(digit.shape, 'x')") == "28x28x1", s.ask("digit.shape"))
    checks.check("net answers to it", s.ask("net:predict(digit):argmax():item() - 1") == "7")
    drawn = s.screen.picture().cut(*s.canvas)
    s.prompt.run("canvas:clear()")
    checks.check("canvas:clear() at the prompt clears the window",
                 wait_until(lambda: s.screen.picture().cut(*s.canvas) != drawn, 5))
    checks.check("nothing is left", s.becomes("nothing") == "nothing", s.answer())
    s.prompt.run("error 'a mistake'")
    checks.check("a mistake at the prompt is told and nothing ends", wait_until(lambda: "a mistake" in s.pty.text())
                 and s.ask("1 + 1") == "2")


def correcting(s, checks):
    folder = os.path.join(s.folder, "corrected")
    s.pen(-3)
    s.draw(of(7, 2))
    s.becomes("7")
    s.click("bar 8")
    learned = wait_until(lambda: "learned this 7" in (s.ask("program.message") or ""), 60, 0.2)
    checks.check("a click on a bar teaches", learned, s.ask("program.message"))
    checks.check("the drawing is kept with its label", os.path.exists(os.path.join(folder, "7", "0001.png")))
    s.picture("corrected")
    s.empty()
    s.draw(of(1, 2))
    s.screen.keys("1")
    learned = wait_until(lambda: "learned this 1" in (s.ask("program.message") or ""), 60, 0.2)
    checks.check("a key teaches", learned, s.ask("program.message"))
    seconds = re.search(r"in ([0-9.]+) s", s.ask("program.message") or "")
    print(f"    {s.ask('program.message')}")
    checks.check("it says in which time", seconds)
    checks.check("this drawing is kept too", os.path.exists(os.path.join(folder, "1", "0001.png")))
    s.pen(0)
    s.empty()
    s.draw(of(3, 1))
    checks.check("nothing was forgotten", s.becomes("3") == "3", s.answer())
    s.empty()


def teaching(s, checks):
    def delta(shift):
        line = [(0.5, 0.2), (0.25 + shift, 0.75), (0.75, 0.75 - shift), (0.5, 0.2)]
        points = [(a[0] + (b[0] - a[0]) * k / 40, a[1] + (b[1] - a[1]) * k / 40, 0.32 * i + 0.008 * k)
                  for i, (a, b) in enumerate(zip(line, line[1:])) for k in range(40)]
        return {"strokes": [{"points": points}]}
    for shift in (0, 0.03, 0.06):
        s.draw(delta(shift))
        s.screen.keys("t")
        time.sleep(0.3)
        s.picture("teach")
        s.screen.keys("ctrl+a", "BackSpace", "BackSpace", "BackSpace", "d", "e", "l", "Return")
        learned = wait_until(lambda: "learned del" in (s.ask("program.message") or ""), 60, 0.2)
        if not checks.check("t, a name and Enter teach a class", learned, s.ask("program.message")):
            return
        s.empty()
    checks.check("the net has a class more", s.ask("#program.recogniser.labels") == "11")
    s.draw(delta(0.02))
    checks.check("and knows it", s.becomes("del") == "del", s.answer())
    s.park()
    wait_for_calm(s.screen)
    s.picture("taught")
    s.empty()


def closing(s, checks):
    s.screen.ask_to_close(s.window)
    checks.check("closing takes the window away", wait_until(lambda: not s.screen.windows("Perilune"), 5))
    if s.pty.alive():
        s.pty.send("\x04")
    checks.check("and the program ends well", s.pty.wait(10) == 0, s.pty.status)
    checks.check("with the latency it was asked for", re.search(r"p50.*p99|99 %", s.pty.text()), s.pty.text()[-300:])


def show(s, path):
    """The picture of README: a number, what in each digit speaks for it, and the bars of its last."""
    s.pen(-4)
    for i, label in enumerate((1, 9, 8, 4)):
        s.draw(of(label, 1), (0.02 + 0.24 * i, 0.26, 0.24, 0.48))
    s.becomes("1984")
    s.screen.keys("e")
    s.park()
    time.sleep(0.5)
    wait_for_calm(s.screen)
    s.screen.picture().save(path, *s.screen.geometry(s.window))


def main():
    parser = argparse.ArgumentParser(description="perilune draw in a window, as a person uses it.")
    parser.add_argument("build")
    parser.add_argument("--model")
    parser.add_argument("--pictures")
    parser.add_argument("--picture")
    options = parser.parse_args()
    need_programs("Xvfb", "xdotool")
    build = os.path.abspath(options.build)
    need_modules(build, "image", "window")
    if options.pictures:
        os.makedirs(options.pictures, exist_ok=True)
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder, Screen() as screen:
        arguments = ["--drawings", "corrected", "--latency"]
        if options.model:
            arguments += ["--model", os.path.abspath(options.model)]
        session = Session(screen, build, folder, arguments, options.pictures)
        try:
            opened = checks.check("the window opens", session.open(), session.pty.text())
            if opened and options.picture:
                show(session, options.picture)
            elif opened:
                checks.check("the prompt stays beside it", session.prompt.ready, session.pty.text())
                for part in (thirty, undoing, erasing, saving, dropping, number, explaining, resizing, prompting,
                             correcting, teaching, closing):
                    part(session, checks)
                    if part is not closing and not checks.check(f"alive after {part.__name__}", session.pty.alive(),
                                                                session.pty.text()[-2000:]):
                        break
        finally:
            session.pty.close()
    checks.end()


if __name__ == "__main__":
    main()
