"""The service as a process, and its page in a headless Chromium, for serve_page.py."""
import ctypes
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

PATIENCE = 30  # seconds that a slow machine may take for anything


def end_with_parent():
    """In a child: a service must not outlive the test, however that ends (Linux: PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Service:
    """`perilune serve`, which can be ended and started again on the same port."""

    def __init__(self, build, *arguments, token=None):
        self.command = [os.path.join(build, "perilune"), "serve", *arguments]
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("LUA_", "PERILUNE_"))}
        if token:
            self.environment["PERILUNE_TOKEN"] = token
        self.process, self.port, self.log = None, 0, tempfile.TemporaryFile("w+")
        self.start()

    def words(self):
        self.log.seek(0)
        return self.log.read()

    def start(self):
        before = len(self.words())
        self.process = subprocess.Popen(self.command + ["--port", str(self.port)], env=self.environment, stdout=subprocess.DEVNULL,
                                        stderr=self.log, preexec_fn=end_with_parent)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"http://[\d.]+:(\d+)", self.words()[before:])
            if found:
                self.port = int(found.group(1))
                self.url = f"http://127.0.0.1:{self.port}/"
                return
            time.sleep(0.02)
        raise RuntimeError(f"the service did not start: {self.words()[-2000:]!r}")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def end(self):
        """Ends it as a system does; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


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

    def wait(self, script, seconds=10):
        """Whether an expression in the page becomes true."""
        try:
            self.page.wait_for_function(script, timeout=1000 * seconds)
            return True
        except Exception:  # pylint: disable=broad-except
            return False

    def bars(self):
        """The classes' probabilities in percent, as a screen reader has them."""
        return [float(value) for value in self.page.eval_on_selector_all(
            "[role=meter]", "list => list.map((one) => one.getAttribute('aria-valuenow'))")]

    def lengths(self):
        """How long the bars are, as shares of their troughs, when they have come to rest."""
        script = """() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0))).then(() =>
          [...document.querySelectorAll("[role=meter]")].map((one) =>
            one.firstChild.getBoundingClientRect().width / one.getBoundingClientRect().width))"""
        return self.page.evaluate(script)

    def ink(self):
        """How much of the canvas is ink, in its own pixels."""
        return self.page.eval_on_selector("#ink", """(canvas) => new Promise((done) => requestAnimationFrame(() => {
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          let sum = 0;
          for (let i = 3; i < data.length; i += 4) sum += data[i];
          done(sum / 255 / canvas.width / canvas.height); }))""")

    def announced(self):
        return self.page.evaluate("announced")

    # ---- what a person does

    def draw(self, strokes, pace=0):
        """Draws lists of [x, y, ...] from 0 to 1 with the mouse; pace: milliseconds between the points."""
        mouse, box = self.page.mouse, self.page.locator("#ink").bounding_box()
        for stroke in strokes:
            for i, (x, y, *_) in enumerate(stroke):
                mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
                if i == 0:
                    mouse.down()
                if pace:
                    self.page.wait_for_timeout(pace)
            mouse.up()

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
