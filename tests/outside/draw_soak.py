#!/usr/bin/env python3
"""Random mouse, keys, wheel, drops, text and sizes for a long time against a face of `perilune draw`: it must live,
answer at the end, keep its memory, and leave the sanitizers silent. Meant for a build with -DPERILUNE_SANITIZE=ON.

    draw_soak.py BUILD_FOLDER window|terminal [--minutes N] [--seed 1] [--log FILE] [--model FILE]

N is PERILUNE_SOAK_MINUTES, or 1, when it is left out. Resident memory is logged every 10 seconds, from after a first
correction on, which loads MNIST. After a warm-up (the first fifth, one minute at least, but no more than half) it is
held steady: the median of the last quarter may exceed the median of the first quarter by GROWTH of it and SLACK MB at
most (caches that fill, the allocator's fragments; a leak of 100 bytes an event would be tens of MB in minutes), of
GROWTH_SANITIZED under the sanitizers: they note the stack of every allocation that is unlike all before. In less than
SHORT seconds a quarter is a sample or a few, each before or after a correction gave back what it took: CORRECTION more.
The terminal then has to leave without a leak too; a window cannot, since SDL leaves blocks of D-Bus behind.
The window is on a screen of its own (Xvfb) with real mouse, keys and resizes by xdotool, and storms of events pushed
into SDL's queue; the terminal is a pseudo-terminal that gets reports, keys, sequences that nobody sends, and sizes.
What is typed at the prompt is chosen from harmless pieces. Nothing leaves on purpose: leaving early is a failure.
Python's standard library only.
"""
import argparse
import glob
import os
import random
import statistics
import sys
import tempfile
import time

from draw_hands import Checks, drawings, need_modules, need_programs, wait_until
from draw_pty import Prompt, Pty

GROWTH, GROWTH_SANITIZED, SLACK = 0.05, 0.25, 8
SHORT, CORRECTION = 600, 40

# Pieces of Lua that may be typed at the prompt: right, wrong and unfinished ones. Names come only from here.
LINES = [
    "1 + 1", "digit", "prediction", "canvas", "#canvas.strokes", "canvas:clear()", "canvas:undo()", "canvas:redo()",
    "prediction and prediction.label", "digit and net:predict(digit)", "error 'a mistake'",
    "error({})", "for i = 1, 3 do print(i) end", "x = canvas:render(28)", "x", "nothing.at.all", "1 +", ")", "'",
    "canvas.pen = 0.085", "canvas.pen = 0.12", "net:summary()", "('x'):rep(500)", "print(('line\\n'):rep(30))",
    "canvas:begin(0.5, 0.1) canvas:extend(0.5, 0.9) canvas:finish()", "coroutine.wrap(function() error 'inside' end)()",
    "canvas:extend(0, 0)", "canvas:begin('a')", "collectgarbage()", "program:run 'explain'", "program:run 'nothing'",
]
SIGNS = "0123456789+-*/%^<>=~,.:;(){}#&| \t'\"ßλ月\u0301\U0001F319"


class Watch:
    """The log: memory every 10 seconds, what was done, and the judgement."""

    def __init__(self, soak, log, seconds, growth):
        self.soak, self.log, self.seconds, self.start, self.growth = soak, log, seconds, None, growth
        self.samples, self.due, self.done = [], 0, {}

    def note(self, kind, n=1):
        self.done[kind] = self.done.get(kind, 0) + n

    def say(self, text):
        print(text, file=self.log, flush=True)

    def over(self):
        self.start = self.start or time.monotonic()
        now = time.monotonic() - self.start
        if now >= self.due:
            memory = self.soak.pty.resident()
            if memory:
                self.samples.append((now, memory))
                self.say(f"{now:7.1f} s  {memory:7.1f} MB  " + " ".join(f"{k}={v}" for k, v in sorted(self.done.items())))
            self.due = now + 10
            if not self.soak.alive():
                return True
        return now >= self.seconds or not self.soak.pty.alive()

    def judge(self, checks):
        warm = min(max(self.seconds / 5, 60), self.seconds / 2)
        kept = [memory for t, memory in self.samples if t >= warm]
        quarter = max(len(kept) // 4, 1)
        if not checks.check("memory was watched", len(kept) >= 2, self.samples):
            return
        first, last = statistics.median(kept[:quarter]), statistics.median(kept[-quarter:])
        said = f"resident memory after the warm-up {first:.1f} MB, at the end {last:.1f} MB, at most {max(kept):.1f} MB"
        print(f"{said}; {sum(self.done.values())} events in {self.samples[-1][0] / 60:.1f} minutes: "
              + ", ".join(f"{v} {k}" for k, v in sorted(self.done.items())), flush=True)
        self.say(said)
        slack = SLACK + (CORRECTION if self.seconds < SHORT else 0)
        checks.check("memory is steady", last <= first * (1 + self.growth) + slack, said)


def is_sanitized(build):
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        return "PERILUNE_SANITIZE:BOOL=ON" in file.read()


def sanitized(folder, leaks, **more):
    """The environment of a program whose sanitizers write into files; `leaks`: what was not freed at the end too."""
    options = f"detect_leaks={int(leaks)}:allocator_may_return_null=1:quarantine_size_mb=16:thread_local_quarantine_size_kb=16"
    return dict(more, TERM="xterm-256color", COLORTERM="truecolor", LC_ALL="C.UTF-8",
                PERILUNE_HISTORY=os.path.join(folder, "history"),
                ASAN_OPTIONS=f"{options}:log_path={folder}/sanitizer",
                UBSAN_OPTIONS=f"print_stacktrace=1:log_path={folder}/sanitizer")


def prepare(folder):
    """Files to drop: a picture, one that is none, strokes, and one that does not exist."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
    import hands
    import json
    hands.sheet(drawings()[:1], os.path.join(folder, "zero.png"), 120)
    with open(os.path.join(folder, "strokes.json"), "w", encoding="ascii") as file:
        json.dump(drawings()[5], file)
    with open(os.path.join(folder, "broken.png"), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    return [os.path.join(folder, name) for name in ("zero.png", "strokes.json", "broken.png", "missing.png")]


def tidy(folder):
    """Takes away what Save wrote, so that an hour of saving fills no disk."""
    for path in glob.glob(os.path.join(folder, "drawing-*.png")):
        os.unlink(path)


class TerminalSoak:
    """A terminal that sends what terminals send, and what none does. Keys that leave (q, Esc, Ctrl-C, Ctrl-D) are not
    pressed where they leave, nor is the word that stands for q clicked: presses stay off the last rows."""

    def __init__(self, rng, build, folder, arguments):
        self.rng, self.folder, self.columns, self.rows = rng, folder, 80, 24
        self.heights = [(0, 24)]  # of late: when the screen became so many rows high
        self.pty = Pty([os.path.join(build, "perilune"), "draw", "--terminal", *arguments], folder,
                       sanitized(folder, True, **os.environ), self.columns, self.rows)
        self.files = prepare(folder)

    def ready(self):
        return wait_until(lambda: "draw" in self.pty.text(), 60)

    def lowest(self):
        """The least rows that the program may still take the screen to have."""
        return min(high for _, high in self.heights)

    def place(self):
        rows = self.lowest()
        if self.rng.random() < 0.95:
            return self.rng.randint(1, max(self.columns, 1)), self.rng.randint(1, max(rows - 2, 1))
        return self.rng.choice([0, 1, 500, 99999]), self.rng.choice([0, 1, 300, 2 ** 31])

    def click(self):
        """Somewhere on the canvas: what was typed is left, keys are commands again."""
        self.pty.send("\x1b[<0;5;4M\x1b[<0;5;4m")

    def scribble(self, watch):
        x, y = self.place()
        button = self.rng.choice([0, 0, 0, 2, 2, 1])
        if button == 0 and x > 0.5 * self.columns and self.rng.random() < 0.97:
            x = max(x // 2, 1)  # on the right there are the bars: a click on one learns for a while
        out = [f"\x1b[<{button};{x};{y}M"]
        for _ in range(self.rng.randint(0, 60)):
            x, y = max(1, x + self.rng.randint(-3, 3)), max(1, y + self.rng.randint(-2, 2))
            out.append(f"\x1b[<{button + 32};{x};{y}M")
        if self.rng.random() < 0.9:
            out.append(f"\x1b[<{button};{x};{y}m")
        watch.note("mouse", len(out))
        self.pty.send("".join(out))

    def digit(self, watch):
        rows = self.lowest() - 4
        one, columns = self.rng.choice(drawings()), min(self.columns // 2, 2 * rows)
        out = []
        for stroke in one["strokes"]:
            code = 0
            for x, y, _ in stroke["points"][::3]:
                out.append(f"\x1b[<{code};{max(2 + int(x * columns), 1)};{max(2 + int(y * rows), 1)}M")
                code = 32
            out.append("\x1b[<0;5;5m")
        watch.note("mouse", len(out))
        self.pty.send("".join(out))

    def keys(self, watch):
        keys = [self.rng.choice("cccuuuurrr++--==esdfgxvyzCUR \t") for _ in range(self.rng.randint(1, 12))]
        watch.note("keys", len(keys))
        self.pty.send("".join(keys))

    def arrows(self, watch):
        self.pty.send(self.rng.choice(["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[5~", "\x1b[6~",
                                       "\x1b[1;2A", "\x1b[1;2D", "\x1bOP", "\x1b[1;5C", "\x1b[Z", "\x7f", "\x0c", "\x01", "\x05",
                                       "\x0b", "\x0e", "\x10", "\x19", "\x1a"]))
        watch.note("keys")

    def wheel(self, watch):
        for _ in range(5):
            column, row = self.place()
            self.pty.send(f"\x1b[<{self.rng.choice([64, 65, 66, 67])};{column};{row}M")
        watch.note("wheel", 5)

    def garbage(self, watch):
        r = self.rng
        made = r.choice([
            lambda: "\x1b[<" + ";".join(str(r.choice([3, 32, 64, 128, 255, 2 ** 40])) for _ in range(r.randint(0, 5))) + r.choice("Mm"),
            lambda: "\x1b[" + "".join(r.choice("0123456789;:<=>?") for _ in range(r.randint(0, 50))) + r.choice("@ABJKhlmnXZ~u"),
            lambda: "\x1b[200~" + "".join(r.choice(SIGNS) for _ in range(r.randint(0, 300))) + "\x1b[201~",
            lambda: "\x1b]z;" + "A" * r.randint(0, 300) + "\x07", lambda: "\x1bP" + "#" * r.randint(0, 50) + "\x1b\\",
            lambda: bytes(r.choice([0x80, 0xBF, 0xC0, 0xE2, 0xF0, 0xFF, 0xED, 0xA0]) for _ in range(r.randint(1, 30))),
        ])()
        watch.note("sequences")
        self.pty.send(made)

    def drop(self, watch):
        """A file dropped on a terminal comes as a paste of its path."""
        self.click()
        self.pty.send(f"\x1b[200~{self.rng.choice(self.files)}\x1b[201~")
        watch.note("drops")

    def size(self, watch):
        r = self.rng
        self.pty.drained()  # what was meant for this size is not to be taken for another
        self.columns, self.rows = r.choice([(r.randint(1, 300), r.randint(1, 100)), (80, 24), (200, 60), (44, 14), (1, 1), (0, 0),
                                            (r.randint(40, 120), r.randint(12, 50)), (500, 200)])
        self.heights = [(t, high) for t, high in self.heights if t > time.monotonic() - 3] + [(time.monotonic(), self.rows)]
        self.pty.resize(self.columns, self.rows)
        watch.note("sizes")

    def enter(self, text):
        """Types a line of Lua, whatever was being typed before: in the class' question Enter on nothing gives up, else it
        begins a line; the colon begins one after the former, and is taken back after the latter."""
        self.click()
        self.pty.send(f"\x15\r:\x15{text}\r")

    def line(self, watch):
        self.enter(self.rng.choice(LINES) if self.rng.random() < 0.8 else "".join(
            self.rng.choice(SIGNS) for _ in range(self.rng.randint(1, 40))))
        if self.rng.random() < 0.8:
            self.click()
        watch.note("lines")

    def correct(self, watch):
        self.enter("canvas:clear()")
        self.click()
        self.digit(watch)
        self.pty.send(self.rng.choice([str(self.rng.randint(0, 9)), "tA\r"]))
        watch.note("corrections")

    def anew(self):
        """All is painted anew, also what stands there already."""
        self.pty.forget()
        self.columns = 100 + (self.columns + 1) % 100
        self.pty.resize(self.columns, 30)

    def learned(self):
        def told():
            self.anew()
            return wait_until(lambda: "learned " in self.pty.text(), 2)
        return wait_until(told, 120)

    def work(self, watch):
        kinds = [(self.scribble, 30), (self.digit, 12), (self.keys, 20), (self.arrows, 8), (self.wheel, 5), (self.garbage, 10),
                 (self.size, 6), (self.line, 6), (self.drop, 3)]
        rare = 0
        while not watch.over():
            act = self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
            act(watch)
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0, 0.05))
            if time.monotonic() > rare:
                self.correct(watch)
                tidy(self.folder)
                rare = time.monotonic() + 30

    def alive(self):
        return self.pty.alive()

    def answers(self, checks):
        def told():
            self.enter("print('six times seven is ' .. 6 * 7)")
            time.sleep(1)
            self.anew()
            return wait_until(lambda: "seven is 42" in self.pty.text(), 10)
        checks.check("it answers at the end", wait_until(told, 60), (self.pty.status, self.pty.text()[-500:]))
        self.click()
        self.pty.send("q")
        checks.check("and leaves when it is told to", self.pty.wait(30) == 0, self.pty.status)

    def close(self):
        self.pty.close()


STORM = (
    "function storm(n, seed) math.randomseed(seed) local r = math.random "
    "local names = {'c','u','r','+','-','e','f1','delete','left','backspace','tab'} "
    "for i = 1, n do local k = r(10) local b = ({'left','left','right','middle'})[r(4)] local x, y = r(-50, 1300), r(-50, 1000) "
    "if k <= 2 then window.window:push{type='press', button=b, x=x % 500 + 20, y=y % 400 + 80} "
    "elseif k <= 6 then window.window:push{type='move', x=x, y=y} "
    "elseif k == 7 then window.window:push{type='release', button=b, x=x, y=y} "
    "elseif k == 8 then window.window:push{type='wheel', dy=r(-9, 9)} "
    "elseif k == 9 then window.window:push{type='key', key=names[r(#names)], ctrl=r(9)==1, shift=r(9)==1} "
    "else window.window:push{type=({'expose','leave','text'})[r(3)], text='x'} end end end")


class WindowSoak:
    def __init__(self, rng, build, folder, arguments):
        from draw_screen import Screen
        self.rng, self.folder = rng, folder
        self.screen = Screen(1280, 960)
        self.pty = Pty([os.path.join(build, "perilune"), "draw", *arguments], folder,
                       sanitized(folder, False, **self.screen.environment()))
        self.files = prepare(folder)
        self.place = (0, 0, 900, 640)

    def ready(self):
        self.window = self.screen.window("Perilune", 60)
        if not self.window:
            return False
        self.prompt = Prompt(self.pty, 60)
        self.prompt.run(STORM)
        self.place = self.screen.geometry(self.window)
        return self.prompt.ready and self.prompt.ask("storm ~= nil") == "true"

    def spot(self):
        """Mostly where the canvas and the buttons are: a click on a bar learns for a while."""
        left, top, width, height = self.place
        right = 1 if self.rng.random() < 0.02 else 0.55
        return left + self.rng.uniform(0, right) * width, top + self.rng.uniform(0, 1) * height

    def run(self, lines):
        self.screen.xdotool("\n".join(lines) + "\n")

    def scribble(self, watch):
        x, y = self.spot()
        button = self.rng.choice([1, 1, 1, 3, 2])
        lines = [f"mousemove {int(max(x, 0))} {int(max(y, 0))}", f"mousedown {button}"]
        for _ in range(self.rng.randint(0, 120)):
            x, y = min(max(x + self.rng.gauss(0, 9), 0), 1279), min(max(y + self.rng.gauss(0, 9), 0), 959)
            lines.append(f"mousemove {int(x)} {int(y)}")
        watch.note("mouse", len(lines))
        self.run(lines + [f"mouseup {button}"])

    def digit(self, watch):
        one = self.rng.choice(drawings())
        side = min(self.place[2] * 0.5, self.place[3] * 0.8)
        for stroke in one["strokes"]:
            points = stroke["points"][::2]
            where = [f"mousemove {int(self.place[0] + 15 + x * side)} {int(self.place[1] + 65 + y * side)}" for x, y, _ in points]
            self.run([where[0], "mousedown 1", *where[1:], "mouseup 1"])
            watch.note("mouse", len(where) + 2)

    def keys(self, watch):
        names = [self.rng.choice(["c", "u", "r", "plus", "minus", "e", "s", "ctrl+z", "ctrl+y", "ctrl+s", "Delete", "F1", "x", "space",
                                  "Left", "Page_Down", "shift+u", "BackSpace", "Tab", "equal", "odiaeresis"])
                 for _ in range(self.rng.randint(1, 8))]
        watch.note("keys", len(names))
        self.run([f"key --delay 1 {name}" for name in names])

    def wheel(self, watch):
        x, y = self.spot()
        self.run([f"mousemove {int(max(x, 0))} {int(max(y, 0))}"] + [f"click {self.rng.choice([4, 5, 6, 7])}" for _ in range(6)])
        watch.note("wheel", 6)

    def size(self, watch):
        r = self.rng
        width, height = r.choice([(r.randint(1, 1270), r.randint(1, 950)), (900, 640), (r.randint(300, 1270), r.randint(300, 950)),
                                  (400, 900), (1, 1), (1270, 200)])
        lines = [f"windowsize {self.window} {width} {height}"]
        if r.random() < 0.2:
            lines += [f"windowunmap {self.window}", f"windowmap {self.window}", f"windowfocus {self.window}"]
        if r.random() < 0.2:
            lines.append(f"windowmove {self.window} {r.randint(0, 40)} {r.randint(0, 40)}")
        self.run(lines)
        watch.note("sizes")
        if r.random() < 0.5:
            self.place = self.screen.geometry(self.window)

    def storm(self, watch):
        self.prompt.run(f"storm(500, {self.rng.randint(1, 10 ** 6)})")
        watch.note("pushed", 500)

    def drop(self, watch):
        self.prompt.run(f"window.window:push{{type='drop', path='{self.rng.choice(self.files)}'}}")
        watch.note("drops")

    def line(self, watch):
        text = self.rng.choice(LINES) if self.rng.random() < 0.8 else "".join(
            self.rng.choice(SIGNS) for _ in range(self.rng.randint(1, 40)))
        self.prompt.run(text)
        watch.note("lines")

    def text(self, watch):
        """The dialog of a new class with a name typed and taken back."""
        self.run(["key --delay 1 t", "key --delay 1 a", "key --delay 1 adiaeresis", "key --delay 1 3"]
                 + ["key --delay 1 BackSpace"] * 12)
        self.prompt.run("window.dialog = nil")
        watch.note("text", 16)

    def correct(self, watch):
        self.run(["key --delay 1 c"])
        self.digit(watch)
        self.run([f"key --delay 1 {self.rng.randint(0, 9)}"])
        watch.note("corrections")

    def learned(self):
        return wait_until(lambda: self.prompt.ask("program.learned ~= nil and not program:behind()", 60) == "true", 120)

    def work(self, watch):
        kinds = [(self.scribble, 30), (self.digit, 12), (self.keys, 20), (self.wheel, 5), (self.size, 6), (self.storm, 3),
                 (self.drop, 3), (self.line, 5), (self.text, 2)]
        rare = 0
        while not watch.over():
            act = self.rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
            act(watch)
            time.sleep(self.rng.uniform(0, 0.04))
            if time.monotonic() > rare:
                self.correct(watch)
                self.place = self.screen.geometry(self.window)
                tidy(self.folder)
                rare = time.monotonic() + 30

    def alive(self):
        return self.pty.alive() and self.window in self.screen.windows("Perilune")

    def answers(self, checks):
        self.screen.resize(self.window, 900, 640)
        self.pty.send("\x15\r")
        checks.check("the prompt answers at the end", wait_until(lambda: self.prompt.ask("6 * 7", 20) == "42", 120),
                     self.pty.text()[-500:])
        self.prompt.run("window.dialog = nil canvas:clear()")
        self.place = self.screen.geometry(self.window)
        self.prompt.run("canvas:begin(0.5, 0.2) canvas:extend(0.5, 0.8) canvas:finish()")
        checks.check("and the recogniser", wait_until(lambda: self.prompt.ask("prediction and 'seen'") == "seen", 30))
        self.screen.ask_to_close(self.window)
        if not wait_until(lambda: not self.pty.alive(), 5):
            self.pty.send("\x15\x04")
        checks.check("and it leaves when it is told to", self.pty.wait(30) == 0, (self.pty.status, self.pty.text()[-500:]))

    def close(self):
        self.pty.close()
        self.screen.close()


def main():
    parser = argparse.ArgumentParser(description="Random events for a long time against a face of perilune draw.")
    parser.add_argument("build")
    parser.add_argument("face", choices=["window", "terminal"])
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("PERILUNE_SOAK_MINUTES", "1")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log")
    parser.add_argument("--model")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    need_modules(build, "image")
    if options.face == "window":
        need_programs("Xvfb", "xdotool")
        need_modules(build, "window")
    checks, log = Checks(), open(options.log, "a", encoding="utf-8") if options.log else sys.stdout
    arguments = ["--drawings", "kept"] + (["--model", os.path.abspath(options.model)] if options.model else [])
    with tempfile.TemporaryDirectory() as folder:
        soak = (WindowSoak if options.face == "window" else TerminalSoak)(random.Random(options.seed), build, folder, arguments)
        try:
            if checks.check("it opens", soak.ready(), soak.pty.text()):
                watch = Watch(soak, log, options.minutes * 60, GROWTH_SANITIZED if is_sanitized(build) else GROWTH)
                try:
                    soak.correct(watch)
                    checks.check("it learns", soak.learned(), soak.pty.text()[-3000:])
                    soak.work(watch)
                except RuntimeError as reason:  # of xdotool, which wants a window
                    watch.say(f"{reason}")
                if checks.check("it lives", soak.alive(), (soak.pty.status, soak.pty.text()[-3000:])):
                    soak.answers(checks)
                watch.judge(checks)
                if checks.failures:
                    watch.say(soak.pty.text())
        finally:
            soak.close()
        reports = [open(path, encoding="utf-8", errors="replace").read() for path in glob.glob(os.path.join(folder, "sanitizer*"))]
        checks.check("the sanitizers are silent", not reports, "\n".join(reports)[:6000])
    checks.end()


if __name__ == "__main__":
    main()
