"""The service's page in another engine than Chromium's: a headless Firefox.

    serve_firefox.py BUILD_FOLDER [--pictures FOLDER]

It is spoken to over Marionette's socket, so that nothing is needed but Debian's firefox-esr. Ten digits with the mouse,
undo, clear, the eraser, several digits, the keyboard, what speaks for a digit, the service that goes and comes back.
Ends with 77 and a reason where there is no Firefox, or the build is without the service.
"""
import argparse
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from draw_hands import Checks, drawings, need_modules, skip, wait_until
from serve_service import Service

DRAWINGS = {one["label"]: [stroke["points"] for stroke in one["strokes"]] for one in drawings() if one["hand"] == 1}
WIDTH, HEIGHT = 1100, 800
KEYS = {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Firefox:
    """Marionette: JSON with its length before it, [0, id, command, arguments] there and [1, id, error, result] back."""

    def __init__(self, program, folder):
        profile, port, self.count = os.path.join(folder, "firefox"), free_port(), 0
        os.mkdir(profile)
        with open(os.path.join(profile, "user.js"), "w", encoding="utf-8") as file:
            for name, value in (("marionette.port", port), ("browser.shell.checkDefaultBrowser", False),
                                ("datareporting.policy.dataSubmissionEnabled", False), ("app.update.enabled", False),
                                ("network.captive-portal-service.enabled", False)):
                file.write(f'user_pref("{name}", {json.dumps(value)});\n')
        self.process = subprocess.Popen(
            [program, "--headless", "--marionette", "--no-remote", "--profile", profile], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": folder})
        found = wait_until(lambda: self.connect(port), 60, 0.2)
        if not found:
            self.close()
            raise RuntimeError("Firefox does not listen")
        self.read()
        self.send("NewSession")
        self.send("SetWindowRect", width=WIDTH, height=HEIGHT + 85)

    def connect(self, port):
        try:
            self.stream = socket.create_connection(("127.0.0.1", port), 60).makefile("rwb")
        except OSError:
            return False
        return True

    def read(self):
        length = b""
        while not length.endswith(b":"):
            length += self.stream.read(1) or b"0:"
        return json.loads(self.stream.read(int(length[:-1])))

    def send(self, command, **arguments):
        self.count += 1
        text = json.dumps([0, self.count, "WebDriver:" + command, arguments]).encode()
        self.stream.write(b"%d:%s" % (len(text), text))
        self.stream.flush()
        _, _, error, result = self.read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def go(self, url):
        self.send("Navigate", url=url)

    def run(self, script, *arguments):
        return self.send("ExecuteScript", script=script, args=list(arguments))

    def act(self, actions):
        self.send("PerformActions", actions=actions)

    def picture(self):
        return base64.b64decode(self.send("TakeScreenshot", full=False))

    def close(self):
        end_group(self.process)


def end_group(process):
    """Ends a process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        time.sleep(0.5)
    process.wait()


class Person:
    """Somebody before the page in a browser."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, url):
        self.browser.go(url)
        wait_until(lambda: self.run("return document.querySelectorAll('#bars li').length") == 10, 30)
        self.run("""window.troubles = [];
          addEventListener("error", (event) => troubles.push(event.message));
          addEventListener("unhandledrejection", (event) => troubles.push(String(event.reason)));
          document.addEventListener("securitypolicyviolation", (event) => troubles.push(event.violatedDirective));""")

    def run(self, script, *arguments):
        return self.browser.run(script, *arguments)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def seen(self, label):
        return bool(wait_until(lambda: self.run("return document.documentElement.dataset.seen") == label, 10))

    def ink(self):
        """How much of the canvas is ink, when it has been painted."""
        time.sleep(0.15)
        return self.run("""const ink = document.getElementById("ink"), copy = document.createElement("canvas");
          copy.width = copy.height = 200;
          const context = copy.getContext("2d");
          context.drawImage(ink, 0, 0, 200, 200);
          const data = context.getImageData(0, 0, 200, 200).data;
          let sum = 0;
          for (let i = 3; i < data.length; i += 4) sum += data[i];
          return sum / 255 / 40000;""")

    def box(self, name):
        return self.run("""const box = document.getElementById(arguments[0]).getBoundingClientRect();
          return [box.left, box.top, box.width, box.height];""", name)

    def draw(self, strokes, button=0):
        left, top, width, height = self.box("ink")
        for stroke in strokes:
            steps = [{"type": "pointerMove", "duration": 0, "origin": "viewport", "x": int(left + x * width),
                      "y": int(top + y * height)} for x, y, *_ in stroke]
            steps.insert(1, {"type": "pointerDown", "button": button})
            steps.append({"type": "pointerUp", "button": button})
            self.browser.act([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}])

    def click(self, name):
        left, top, width, height = self.box(name)
        at = {"type": "pointerMove", "duration": 0, "origin": "viewport", "x": int(left + width / 2), "y": int(top + height / 2)}
        self.browser.act([{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                           "actions": [at, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]}])

    def keys(self, *names):
        steps = []
        for name in names:
            steps += [{"type": kind, "value": KEYS.get(name, name)} for kind in ("keyDown", "keyUp")]
        self.browser.act([{"type": "key", "id": "keyboard", "actions": steps}])


def check_drawing(check, person):
    wrong = []
    for label, strokes in DRAWINGS.items():
        person.draw(strokes)
        if not person.seen(str(label)):
            wrong.append((label, person.text("label")))
        person.click("clear")
    check("ten digits are recognised", not wrong, wrong)
    check("and are in the history", person.run("return document.querySelectorAll('#past button').length") == 10)
    check("Clear empties the canvas", person.ink() == 0 and person.text("label") == "–", person.ink())
    person.click("undo")
    check("Undo takes it back", person.seen("9") and person.ink() > 0.02, person.text("label"))
    ink = person.ink()
    person.draw([[(0.2, 0.92), (0.8, 0.92)]])
    more = person.ink()
    person.click("erase")
    person.draw([[(0.5, 0.85), (0.5, 0.99)]])
    check("the eraser erases", ink < person.ink() < more, (ink, person.ink(), more))
    person.click("erase")
    person.click("undo")
    person.draw([[(0.5, 0.85), (0.5, 0.99)]], button=2)
    check("so does the right button", ink < person.ink() < more, (ink, person.ink(), more))
    person.click("undo")
    person.click("undo")
    check("which is undone", abs(person.ink() - ink) < 1e-3, (ink, person.ink()))
    person.click("why")
    check("what speaks for it is shown", wait_until(
        lambda: person.run("return document.getElementById('heat').dataset.on") == "true"))
    person.click("why")
    person.click("clear")


def check_number(check, person):
    person.run("const pen = document.getElementById('pen'); pen.value = 12; pen.dispatchEvent(new Event('input'));")
    person.draw([[((i + x) / 2, 0.25 + y / 2) for x, y, *_ in stroke] for i, label in enumerate((4, 2))
                 for stroke in DRAWINGS[label]])
    check("a 42 is read", person.seen("42") and person.text("label") == "42", person.text("label"))
    check("with a frame around each digit", person.run("return document.querySelectorAll('#boxes div').length") == 2)


def check_keyboard(check, person):
    person.run("document.getElementById('ink').focus(); const pen = document.getElementById('pen'); pen.value = 24; "
               "pen.dispatchEvent(new Event('input'));")
    person.keys("c")
    check("c clears", person.ink() == 0)
    person.keys(*["ArrowLeft"] * 6, *["ArrowUp"] * 7, " ", *["ArrowRight"] * 11)
    for _ in range(4):
        person.keys("ArrowLeft", "ArrowDown", "ArrowDown")
    person.keys(*["ArrowDown"] * 6, " ")
    check("a 7 is drawn with the arrow keys", person.seen("7"), person.text("label"))
    person.keys("u")
    check("u takes it back", person.ink() == 0)


def check_lost(check, person, service, serve):
    port = service.port
    service.end()
    check("that the service is gone is told, though nobody draws", wait_until(
        lambda: person.run("return !document.getElementById('notice').hidden"), 25), person.text("notice-text"))
    person.draw(DRAWINGS[6])
    check("the drawing stays", person.ink() > 0.02)
    service = serve(port)
    check("it is recognised when the service is back", person.seen("6") and
          wait_until(lambda: person.run("return document.getElementById('notice').hidden")), person.text("notice-text"))
    return service


def check_page(program, options, folder, checks):
    def serve(port=0):
        return Service(options.build, port=port, folder=folder)
    service, browser, check = serve(), Firefox(program, folder), checks.check
    try:
        person = Person(browser)
        person.open(f"http://127.0.0.1:{service.port}/")
        check_drawing(check, person)
        check_number(check, person)
        if options.pictures:
            with open(os.path.join(options.pictures, "firefox.png"), "wb") as file:
                file.write(browser.picture())
        check_keyboard(check, person)
        service = check_lost(check, person, service, serve)
        troubles = person.run("return troubles")
        check("nothing went wrong in the page", not troubles, troubles)
    finally:
        browser.close()
        service.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="the folder in which Perilune was built")
    parser.add_argument("--pictures", help="a folder for a picture of the page")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    need_modules(options.build, "http", "image")
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        skip("no firefox here (on Debian: apt-get install firefox-esr)")
    if options.pictures:
        os.makedirs(options.pictures, exist_ok=True)
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="perilune-firefox-", ignore_cleanup_errors=True) as folder:
        check_page(program, options, folder, checks)
    checks.end()


if __name__ == "__main__":
    main()
