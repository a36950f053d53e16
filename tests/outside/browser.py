"""Notebooks in a real browser: a headless Chromium before JupyterLab, Notebook 7 and Debian's Notebook 6.

    browser.py BUILD_FOLDER [--only lab,notebook,classic] [--screenshots FOLDER] [--theme "JupyterLab Dark"]
    browser.py BUILD_FOLDER --picture plots/readme-notebook.png      README's picture; wants MNIST in the cache

Cells are run, a training's curves are watched, the stop button interrupts it and the state goes on; digits are drawn
with the mouse and the predictions read from the page, while the kernel is idle, busy, restarted, and not there at all.
Ends with 77 and a reason where there is no browser, no Jupyter or no notebook kernel.
"""
import argparse
import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

CELLS = [
    """local peri = require "perilune"
local nn = peri.nn
local digits = peri.data.drawn { n = 3000, seed = 1 }
local net
local function begin()
  peri.seed(1)
  net = nn.Sequential {
    nn.Flatten {},
    nn.Dense { 64, activation = "relu" },
    nn.Dense { 10, activation = "softmax" },
  }
  net:build { 28, 28, 1 }
end
local function learn(epochs)
  return net:fit(digits, { epochs = epochs, batch = 50, loss = "sparse_categorical_crossentropy",
    metrics = { "accuracy" }, optimizer = peri.optim.Adam { lr = 2e-3 } })
end
begin()""",
    "learn(1000000)",
    """local before = net:evaluate(digits)
learn(1)
print("the net still knows", before.accuracy > 0.5)""",
    """begin()
learn(10)""",
    """drawing = peri.draw()""",
    """print(drawing)""",
    """while not io.open "go" do end
print "the long cell is done\"""",
    """peri.draw(net)""",
    """local canvas = peri.draw.canvas.new()
canvas:place(peri.ones(60, 8, 1))
peri.draw { canvas = canvas, net = peri.draw.recogniser.bundled().net }""",
]
SETUP, ENDLESS, KNOWS, FIT, DRAW, DRAWN, LONG, SECOND, GIVEN = range(len(CELLS))

PICTURE = [
    """local peri = require "perilune"
local nn = peri.nn
local train = peri.data.mnist()
local net = nn.Sequential {
  nn.Conv2D { 16, 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Conv2D { 32, 3, activation = "relu" }, nn.MaxPool2D { 2 },
  nn.Flatten {}, nn.Dense { 64, activation = "relu" }, nn.Dense { 10, activation = "softmax" },
}
net:fit(train, { epochs = 12, batch = 128, validation = 0.1, loss = "sparse_categorical_crossentropy",
  metrics = { "accuracy" }, optimizer = peri.optim.Adam { lr = 1e-3 } })""",
    "peri.draw()",
]


def arc(cx, cy, rx, ry, start, end, steps=24):
    """Points of an ellipse; angles in turns, clockwise from the top."""
    turns = [start + (end - start) * i / steps for i in range(steps + 1)]
    return [(cx + rx * math.sin(2 * math.pi * t), cy - ry * math.cos(2 * math.pi * t)) for t in turns]


# Digits as strokes in a unit square, x to the right and y down.
STROKES = {
    0: [arc(0.5, 0.5, 0.24, 0.36, 0, 1)],
    1: [[(0.38, 0.28), (0.52, 0.14), (0.52, 0.88)]],
    2: [arc(0.49, 0.32, 0.2, 0.19, -0.22, 0.34, 16) + [(0.44, 0.68), (0.28, 0.86)], [(0.28, 0.86), (0.76, 0.86)]],
    3: [arc(0.47, 0.31, 0.2, 0.18, -0.2, 0.46, 16) + arc(0.47, 0.69, 0.23, 0.2, 0.02, 0.72, 18)],
    4: [[(0.36, 0.12), (0.26, 0.55), (0.76, 0.55)], [(0.62, 0.2), (0.6, 0.9)]],
    5: [[(0.7, 0.14), (0.36, 0.14), (0.32, 0.46)] + arc(0.48, 0.66, 0.24, 0.22, -0.12, 0.66, 18)],
    6: [[(0.62, 0.12), (0.42, 0.34), (0.31, 0.6)] + arc(0.5, 0.69, 0.19, 0.19, -0.25, 0.72, 20)],
    7: [[(0.24, 0.16), (0.74, 0.16), (0.46, 0.88)]],
    8: [arc(0.5, 0.31, 0.18, 0.18, 0, 1), arc(0.5, 0.69, 0.22, 0.2, 0, 1)],
    9: [arc(0.49, 0.34, 0.2, 0.2, 0.25, 1.25), [(0.69, 0.32), (0.67, 0.6), (0.6, 0.9)]],
}


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Canvas:
    """A drawing canvas in a page, used with the mouse."""

    def __init__(self, notebook, root):
        self.page, self.notebook, self.root = notebook.page, notebook, root

    def data(self, name):
        return self.root.get_attribute(f"data-{name}")

    def wait(self, **wanted):
        self.notebook.wait(lambda: all(self.data(name) == value for name, value in wanted.items()),
                           f"the canvas to be {wanted}, not {self.root.evaluate('e => ({...e.dataset})')}")

    def state_text(self):
        return self.root.locator(".pd-state").inner_text()

    def draw(self, strokes, pace=0.0):
        """Draws strokes; returns how long it took, and how many answers came meanwhile."""
        paper = self.root.locator(".pd-paper")
        paper.scroll_into_view_if_needed()
        box = paper.bounding_box()
        before, start = int(self.data("answers") or 0), time.monotonic()
        for stroke in strokes:
            for i, (x, y) in enumerate(stroke):
                self.page.mouse.move(box["x"] + 1 + 280 * x, box["y"] + 1 + 280 * y, steps=1 if i == 0 else 3)
                if i == 0:
                    self.page.mouse.down()
                if pace:
                    self.page.wait_for_timeout(pace)
            self.page.mouse.up()
        return time.monotonic() - start, int(self.data("answers") or 0) - before

    def press(self, name):
        self.root.get_by_role("button", name=name, exact=True).click()

    def probabilities(self):
        return [float(text.split()[0]) for text in self.root.locator(".pd-value").all_inner_texts() if text]


def canvas_of(notebook, index):
    return Canvas(notebook, notebook.output(index).locator(".perilune-draw"))


def curves(notebook, index):
    return notebook.output(index).locator("svg, img[src^='data:image']").first


def check_curve(notebook, shot):
    """A training shows a curve that grows, the stop button ends it, and its net is there afterwards."""
    notebook.start(ENDLESS)
    output = notebook.output(ENDLESS)
    curve = curves(notebook, ENDLESS)
    curve.wait_for()
    seen = set()

    def grows():
        seen.add(curve.evaluate("e => e.outerHTML"))
        return len(seen) >= 4
    notebook.wait(grows, "the curve to grow while the net trains")
    notebook.wait(lambda: re.search(r"[Ee]poch", output.inner_text()), "the epoch to be told")
    expect(not notebook.is_done(ENDLESS), "the training is over before it was stopped")
    shot("training")
    asked = time.monotonic()
    notebook.stop()
    notebook.wait(lambda: notebook.is_done(ENDLESS), "the stop button to end the training")
    print(f"  interrupted after {time.monotonic() - asked:.2f} s")
    notebook.wait(lambda: "interrupt" in notebook.text(ENDLESS), "the cell to say that it was interrupted")
    text = notebook.run(KNOWS)
    expect(re.search(r"the net still knows\s+true", text), f"after the interrupt the net is not there: {text!r}")


def check_drawing(notebook, shot, measure=False):
    """Digits drawn with the mouse are recognised while they are drawn, by the net that the session has trained."""
    notebook.run(FIT)
    curves(notebook, FIT).wait_for()
    notebook.run(DRAW)
    canvas = canvas_of(notebook, DRAW)
    canvas.wait(state="ready")
    expect("net" in canvas.state_text(), f"the canvas does not name its net: {canvas.state_text()!r}")
    seconds, answers = canvas.draw(STROKES[3], 12 if measure else 0)
    canvas.wait(best="3", state="ready")
    chances = canvas.probabilities()
    expect(len(chances) == 10 and abs(sum(chances) - 100) < 1, f"ten probabilities do not add up: {chances}")
    expect(canvas.root.locator(".pd-label").inner_text() == "3", "the label is not what the data say")
    expect(answers >= 5, f"the bars moved {answers} times while a digit was drawn: they do not follow the pen")
    print(f"  bars moved {answers} times in {seconds:.1f} s of drawing: {answers / seconds:.0f} a second")
    shot("drawing")
    text = notebook.run(DRAWN)
    expect(re.search(r"drawing of 1 stroke, recognised as 3 \(\d", text), f"the next cell sees {text!r}")
    return canvas


def check_buttons(canvas):
    paper = canvas.root.locator(".pd-paper")
    drawn = paper.evaluate("e => e.toDataURL()")
    canvas.press("Undo")
    canvas.wait(best=None, state="ready")
    blank = paper.evaluate("e => e.toDataURL()")
    canvas.press("Redo")
    canvas.wait(best="3", state="ready")
    canvas.press("Clear")
    canvas.wait(best=None)
    expect(paper.evaluate("e => e.toDataURL()") == blank and blank != drawn, "Clear leaves ink")
    canvas.press("Undo")
    canvas.wait(best="3", state="ready")
    canvas.press("Eraser")
    canvas.draw([[(0.2, y / 12), (0.8, y / 12)] for y in range(1, 12)])
    canvas.wait(best=None, state="ready")
    canvas.press("Eraser")
    canvas.press("Clear")
    canvas.draw(STROKES[2])
    canvas.wait(best="2", state="ready")


def check_busy(notebook, canvas):
    """While the kernel works the canvas says so; what was drawn is recognised afterwards."""
    notebook.start(LONG)
    canvas.press("Clear")
    canvas.draw(STROKES[3])
    canvas.wait(state="busy")
    expect("busy" in canvas.state_text(), f"a busy kernel is told as {canvas.state_text()!r}")
    (notebook.server.folder / "notebooks" / "go").touch()
    canvas.wait(best="3", state="ready")
    notebook.wait(lambda: "the long cell is done" in notebook.text(LONG), "the long cell")


def check_two(notebook, first):
    """A second canvas is one of its own; a cell that is run again has a new one."""
    notebook.run(SECOND)
    second = canvas_of(notebook, SECOND)
    second.wait(state="ready")
    second.draw(STROKES[0])
    second.wait(best="0")
    first.wait(best="3")
    number = second.data("canvas")
    notebook.run(SECOND)
    second = canvas_of(notebook, SECOND)
    second.wait(state="ready", best=None)
    expect(second.data("canvas") != number, "a cell that is run again shows the old canvas")
    second.draw(STROKES[1])
    second.wait(best="1")


def check_given(notebook, shot):
    """A canvas that comes with a picture shows it; several digits are a number, and a star is no digit."""
    notebook.run(GIVEN)
    canvas = canvas_of(notebook, GIVEN)
    canvas.wait(state="ready", seen="1")
    ink = """e => { const p = e.getContext("2d").getImageData(0, 0, e.width, e.height).data, at = (x, y) =>
        p[4 * (Math.floor(y * e.height) * e.width + Math.floor(x * e.width)) + 3]; return [at(.5, .5), at(.5, .01), at(.3, .5)]; }"""
    paper = canvas.root.locator(".pd-paper")
    expect(paper.evaluate(ink) == [255, 255, 0], f"the picture's ink is {paper.evaluate(ink)}")
    canvas.draw([[(0.8, 0.2), (0.8, 0.85)]])
    canvas.wait(state="ready", seen="11")
    label = canvas.root.locator(".pd-label")
    expect(label.inner_text() == "11", f"two digits are shown as {label.inner_text()!r}")
    shot("number")
    canvas.press("Clear")
    canvas.wait(seen=None)
    canvas.draw([[(0.2, 0.2), (0.8, 0.8), (0.5, 0.5), (0.8, 0.2), (0.2, 0.8), (0.5, 0.5), (0.2, 0.5), (0.8, 0.5), (0.5, 0.5),
                  (0.5, 0.2), (0.5, 0.8)]])
    canvas.wait(state="ready", seen="")
    expect(label.inner_text() == "not a digit", f"a star is shown as {label.inner_text()!r}")
    shot("star")
    canvas.press("Undo")
    canvas.press("Undo")
    canvas.wait(state="ready", seen="11")


def check_restart(notebook, canvas):
    notebook.restart()
    notebook.wait(lambda: canvas.data("state") in ("restarted", "unknown"), "the canvas to see the restart")
    expect("run this cell again" in canvas.state_text(), f"after a restart it says {canvas.state_text()!r}")
    notebook.wait_ready()
    notebook.run(SETUP)
    notebook.run(DRAW)
    canvas = canvas_of(notebook, DRAW)
    canvas.wait(state="ready", canvas="1")
    canvas.draw(STROKES[1])
    notebook.wait(lambda: canvas.data("best"), "a canvas that answers after the restart")


def stored_canvas(saved, index):
    return [output["data"] for output in saved["cells"][index]["outputs"] if "text/html" in output.get("data", {})]


def check_saved(notebook):
    """What is saved has no id of the kernel, and opened again without it, shows a text."""
    saved = notebook.save()
    kernel = notebook.page.evaluate("fetch(new URL('api/kernels', location.origin)).then((r) => r.json())")[0]["id"]
    data = stored_canvas(saved, DRAW)
    expect(len(data) == 1, f"the cell with the canvas keeps {len(data)} outputs")
    html = "".join(data[0]["text/html"])
    expect('data-canvas="1"' in html and kernel not in html, "the stored canvas names the kernel")
    expect("Run this cell" in "".join(data[0]["text/plain"]), "the stored canvas has no text for consoles")
    return html


def check_reopened(notebook, shot):
    """Opened again, the page shows the text, or where its scripts run and find the kernel, the canvas as it was."""
    notebook.save()
    notebook.connected = False
    notebook.page.reload()
    notebook.wait_ready()
    canvas = canvas_of(notebook, DRAW)
    canvas.root.wait_for()

    def settled():
        if canvas.data("state") == "ready":
            return canvas.data("best") is not None
        return canvas.root.inner_text().startswith("A canvas to draw digits on. Run this cell")
    notebook.wait(settled, "the canvas or its text in the page that was opened again")
    print(f"  opened again: {canvas.data('state') or 'no scripts'}")
    shot("reopened")


def drive(browser, kind, folder, prefix, options):
    """All that is held of one front end."""
    from pages import Notebook, Server, write_notebook
    shutil.copytree(prefix / "share", folder / "share")
    server = Server(kind, folder, options.theme)
    start = time.monotonic()
    try:
        write_notebook(folder / "notebooks" / "digits.ipynb", CELLS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})

        def shot(name):
            if options.screenshots:
                page.screenshot(path=str(options.screenshots / f"{kind}-{name}.png"))
        notebook = Notebook(page, server, "digits.ipynb")
        try:
            notebook.run(SETUP)
            if kind != "notebook":
                check_curve(notebook, shot)
            canvas = check_drawing(notebook, shot, measure=True)
            if kind != "notebook":
                check_buttons(canvas)
                check_busy(notebook, canvas)
                check_two(notebook, canvas)
                check_given(notebook, shot)
            html = check_saved(notebook)
            check_restart(notebook, canvas_of(notebook, DRAW))
            shot("restarted")
            check_reopened(notebook, shot)
            expect(not [e for e in notebook.errors if "perilune" in e.lower() or "comm" in e.lower()],
                   f"errors in the page: {notebook.errors}")
            print(f"  {kind}: {time.monotonic() - start:.1f} s")
            return html
        except BaseException:
            shot("failed")
            print(f"the server's last words:\n{server.tail()}", file=sys.stderr)
            raise
        finally:
            page.close()
    finally:
        server.close()


def take_picture(browser, folder, prefix, options):
    """A net learns MNIST in a notebook (Notebook 7), with its curves; then a digit is drawn for it."""
    from pages import Notebook, Server, write_notebook
    shutil.copytree(prefix / "share", folder / "share")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    server = Server("notebook", folder, options.theme, {"XDG_CACHE_HOME": cache})
    try:
        write_notebook(folder / "notebooks" / "digits.ipynb", PICTURE)
        page = browser.new_page(viewport={"width": 1000, "height": 1150})
        notebook = Notebook(page, server, "digits.ipynb")
        notebook.run(0)
        notebook.run(1)
        canvas = canvas_of(notebook, 1)
        canvas.wait(state="ready")
        canvas.draw(STROKES[5])
        canvas.wait(best="5", state="ready")
        page.wait_for_timeout(500)  # the bars are on their way
        page.screenshot(path=str(options.picture))
    finally:
        server.close()


def check_export(browser, html, options):
    """In a page without a kernel the canvas is a text that says where it lives; with scripts and without."""
    for scripts in (True, False):
        context = browser.new_context(java_script_enabled=scripts)
        page = context.new_page()
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))  # pylint: disable=cell-var-from-loop
        page.set_content(f"<html><body>{html}</body></html>")
        text = page.locator(".perilune-draw").inner_text()
        expect(text.startswith("A canvas to draw digits on. Run this cell in JupyterLab"), f"without a kernel: {text!r}")
        expect(page.locator("canvas").count() == 0 and not errors, f"a canvas without a kernel; {errors}")
        if options.screenshots:
            page.screenshot(path=str(options.screenshots / f"export-{'scripts' if scripts else 'plain'}.png"))
        context.close()


def program():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="the folder in which Perilune was built")
    parser.add_argument("--only", default="lab,notebook,classic", help="front ends, with commas between them")
    parser.add_argument("--screenshots", type=Path, help="a folder for pictures of the pages")
    parser.add_argument("--picture", type=Path, help="make README's picture instead, in this file")
    parser.add_argument("--theme", help="JupyterLab's theme")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    return options


def skip(reason):
    print(f"browser.py: skipped: {reason}")
    sys.exit(77)


def main():
    options = program()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    try:
        from playwright.sync_api import sync_playwright
        import jupyterlab  # noqa: F401  pylint: disable=unused-import
    except ImportError as missing:
        skip(f"{missing}; tests/outside/requirements-jupyter.txt has it")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        skip("no chromium here (on Debian: apt-get install chromium)")
    if not list((options.build / "lua" / "perilune").glob("transport.*")):
        skip("built without the notebook kernel (libzmq, libsodium)")
    from pages import has_classic
    here = {"lab": True, "classic": has_classic(), "notebook": importlib.util.find_spec("notebook") is not None}
    kinds = [kind for kind in options.only.split(",") if here[kind]]
    with tempfile.TemporaryDirectory(prefix="perilune-browser-") as place, sync_playwright() as playwright:
        place = Path(place)
        subprocess.run([options.build / "perilune", "kernel", "install", "--prefix", place / "prefix"], check=True,
                       stdout=subprocess.DEVNULL)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            if options.picture:
                (place / "picture").mkdir()
                take_picture(browser, place / "picture", place / "prefix", options)
                return
            html = None
            for kind in kinds:
                print(f"{kind}:", flush=True)
                (place / kind).mkdir()
                html = drive(browser, kind, place / kind, place / "prefix", options)
            check_export(browser, html, options)
        finally:
            browser.close()
    print(f"fine: {', '.join(kinds)}, and pages without a kernel")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as wrong:
        traceback.print_exc()
        print(f"FAILED: {wrong}")
        sys.exit(1)
