"""What serve_page.py and serve_page_states.py share: the service's page in a headless Chromium, a person before it."""
import os
import sys

from draw_hands import ROOT, drawings, wait_until
from serve_service import Service

sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import hands  # noqa: E402

DRAWINGS = drawings()

PATIENCE = 30  # seconds that a slow machine may take for anything


WATCH = """
window.announced = [];
document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("live");
  new MutationObserver(() => { if (live.textContent) announced.push(live.textContent); }).observe(live,
    { childList: true, characterData: true, subtree: true });
});
document.addEventListener("securitypolicyviolation", (event) => {
  console.error("CSP: " + event.violatedDirective + " " + event.blockedURI);
});
"""

# The beginning of a function of a canvas, with its pixels in data: of a copy, since reading slows a canvas down.
COPY = """(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  """


class Face:
    """The page of a service, as a person has it before them. Notes what must not be: `errors` of the console, requests to
    others in `foreign`, and in `most` how many predictions were asked for at a time."""

    def __init__(self, browser, url, width=1280, height=800, scheme="dark", **options):
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        self.context.add_init_script(WATCH)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.url, self.errors, self.foreign, self.asked, self.most, self.under_way = url, [], [], 0, 0, 0
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self.on_request)
        self.page.on("requestfinished", self.on_answer)
        self.page.on("requestfailed", self.on_answer)

    def open(self):
        self.page.goto(self.url)
        self.page.locator("#bars li").first.wait_for()
        return self

    def close(self):
        self.context.close()

    def on_request(self, request):
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.foreign.append(request.url)
        if "v1/predict" in request.url:
            self.asked += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)

    def on_answer(self, request):
        if "v1/predict" in request.url:
            self.under_way -= 1

    # ---- what is there

    def text(self, selector):
        return self.page.inner_text(selector)

    def shown(self, selector):
        return self.page.is_visible(selector)

    def seen(self):
        """What all that is drawn was recognised as: a label, "" for no digit; None when that does not come."""
        try:
            self.page.wait_for_selector("html[data-seen]", state="attached", timeout=10000)
        except Exception:  # pylint: disable=broad-except
            return None
        return self.page.get_attribute("html", "data-seen")

    def wait(self, expression, seconds=10):
        """Whether an expression in the page becomes true. (The driver's own waiting evaluates in the page, which its
        policy forbids.)"""
        return bool(wait_until(lambda: self.page.evaluate(expression), seconds))

    def appears(self, name, seconds=10):
        """Whether the element of this id is shown within the time."""
        return self.wait(f"!document.getElementById('{name}').hidden", seconds)

    def goes(self, name, seconds=10):
        return self.wait(f"document.getElementById('{name}').hidden", seconds)

    def bars(self):
        """The classes' probabilities in percent, as a screen reader has them."""
        return [float(value) for value in self.page.eval_on_selector_all(
            "[role=meter]", "list => list.map((one) => one.getAttribute('aria-valuenow'))")]

    def lengths(self):
        """How long the bars are, as shares of their troughs, when they have come to rest."""
        script = """() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0))).then(() =>
          [...document.querySelectorAll("[role=meter]")].map((one) => {
            const trough = one.getBoundingClientRect();
            return (one.firstChild.getBoundingClientRect().right - trough.left) / trough.width; }))"""
        return self.page.evaluate(script)

    def ink(self):
        """How much of the canvas is ink, in its own pixels."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self.page.eval_on_selector("#ink", COPY + """let sum = 0;
          for (let i = 3; i < data.length; i += 4) sum += data[i];
          return sum / 255 / canvas.width / canvas.height; }""")

    def announced(self):
        return self.page.evaluate("announced")

    # ---- what a person does

    def draw(self, strokes, pace=0, button="left"):
        """Draws lists of [x, y, ...] from 0 to 1 with the mouse; pace: milliseconds between the points. The right button
        erases."""
        mouse, box = self.page.mouse, self.page.locator("#ink").bounding_box()
        for stroke in strokes:
            for i, (x, y, *_) in enumerate(stroke):
                mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
                if i == 0:
                    mouse.down(button=button)
                if pace:
                    self.page.wait_for_timeout(pace)
            mouse.up(button=button)

    def stylus(self, strokes, button=0, buttons=1):
        """Draws with a pen, or erases with its other end: with the pointer events that a browser makes of it."""
        self.page.evaluate("""([strokes, button, buttons]) => {
          const ink = document.getElementById("ink"), box = ink.getBoundingClientRect();
          const send = (name, [x, y], also) => ink.dispatchEvent(new PointerEvent(name, { pointerId: 77, pointerType: "pen",
            isPrimary: true, bubbles: true, cancelable: true, clientX: box.left + x * box.width,
            clientY: box.top + y * box.height, buttons, button: -1, ...also }));
          for (const stroke of strokes) {
            send("pointerdown", stroke[0], { button });
            for (const point of stroke.slice(1)) for (const name of ["pointermove", "pointerrawupdate"]) send(name, point);
            send("pointerup", stroke.at(-1), { button, buttons: 0 });
          } }""", [strokes, button, buttons])

    def touch(self, strokes):
        """Draws with a finger."""
        session, box = self.context.new_cdp_session(self.page), self.page.locator("#ink").bounding_box()

        def send(kind, points):
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        for stroke in strokes:
            for i, (x, y, *_) in enumerate(stroke):
                send("touchStart" if i == 0 else "touchMove",
                     [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}])
            send("touchEnd", [])
        session.detach()

    def keys(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def clear(self):
        self.page.click("#clear")


def strokes_of(label, hand=1):
    one = next(one for one in DRAWINGS if one["label"] == label and one["hand"] == hand)
    return [stroke["points"] for stroke in one["strokes"]]


def photo(room, label, ground=255, ink=0):
    """A PNG of a drawing: its path."""
    side, path = 200, os.path.join(room.folder, f"photo-{label}-{ground}.png")
    rows = [bytearray([ground]) * side for _ in range(side)]
    for stroke in strokes_of(label):
        for (xa, ya, _), (xb, yb, _) in zip(stroke, stroke[1:]):
            for k in range(9):
                x, y = (xa + (xb - xa) * k / 8) * side, (ya + (yb - ya) * k / 8) * side
                for j in range(max(int(y) - 7, 0), min(int(y) + 8, side)):
                    for i in range(max(int(x) - 7, 0), min(int(x) + 8, side)):
                        if (i - x) ** 2 + (j - y) ** 2 <= 49:
                            rows[j][i] = ink
    hands.write_png(path, rows)
    return path


def kept(room, label):
    folder = os.path.join(room.corrections, str(label))
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


class Room:
    """What every check has at hand: the browser, a service with corrections, a scratch folder, and who counts."""

    def __init__(self, browser, options, folder, checks):
        self.browser, self.build, self.pictures = browser, options.build, options.pictures
        self.folder, self.checks = folder, checks
        self.corrections = os.path.join(folder, "corrections")
        self.service = self.serve("--corrections", self.corrections)

    def serve(self, *arguments, **options):
        return Service(self.build, *arguments, **options)

    def blank(self, service=None, **options):
        """A tab of a browser with nothing in it yet."""
        return Face(self.browser, f"http://127.0.0.1:{(service or self.service).port}/", **options)

    def face(self, service=None, **options):
        return self.blank(service, **options).open()

    def shot(self, face, name, **options):
        if self.pictures:
            face.page.screenshot(path=os.path.join(self.pictures, name + ".png"), **options)

    def fine(self, face, where):
        """Closes a page on which nothing may have gone wrong."""
        self.checks.check(f"{where}: the console is free of errors", not face.errors, face.errors)
        self.checks.check(f"{where}: no request to another origin", not face.foreign, face.foreign)
        self.checks.check(f"{where}: one prediction is asked for at a time", face.most <= 1, face.most)
        face.close()
