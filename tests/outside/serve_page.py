"""The service's page in a real browser, a headless Chromium: `perilune serve` is started and used as a person uses it.

    serve_page.py BUILD_FOLDER [--only NAME,...] [--pictures FOLDER]
    serve_page.py BUILD_FOLDER --picture plots/readme-serve.png      only makes README's picture

Draws the thirty drawings of tests/support/hands.json with the mouse; then what the bars, buttons, keys, a finger, photos,
corrections, Grad-CAM and the history do, what the page says when the service is gone, busy or asks for a token, that it
asks nobody else and breaks no policy, and axe-core's rules in light and dark on a desktop and on phones. --pictures keeps
what the page looked like. Ends with 77 and a reason where there is no browser or the build is without the service.
"""
import argparse
import base64
import os
import shutil
import signal
import sys
import tempfile

from draw_hands import Checks, need_modules, skip, wait_until
from serve_browser import COPY, DRAWINGS, Room, kept, photo, strokes_of
from serve_page_ink import SEVEN, check_eraser, check_number
from serve_page_states import (check_accessible, check_idle, check_lost, check_models, check_refusals, check_stale,
                               take_picture)


def check_thirty(room):
    face, seen = room.face(), []
    for one in DRAWINGS:
        face.draw([stroke["points"] for stroke in one["strokes"]])
        seen.append((one, face.seen()))
        face.clear()
    room.checks.thirty("the page", seen)
    room.checks.check("each of them is in the history", face.page.locator("#past button").count() == 30)
    said = [text.strip() for text in reversed(face.page.locator("#past span").all_inner_texts())]
    alone = [label if label else "?" for _, label in seen]
    check = room.checks.check
    check("none of them is taken for several digits", said == alone, [pair for pair in zip(said, alone) if pair[0] != pair[1]])
    face.wait("document.getElementById('speed').dataset.median")
    median = float(face.page.get_attribute("#speed", "data-median"))
    print(f"{face.asked} predictions; from pen to bars {median} ms (median)", flush=True)
    room.checks.check("the bars follow the pen", 0 < median < 100 and face.asked > 300, (median, face.asked))
    room.fine(face, "thirty drawings")


def check_bars(room):
    check, face = room.checks.check, room.face()
    check("there are ten bars", face.bars() == [0.0] * 10, face.bars())
    check("without ink there is no verdict", face.text("#label") == "–" and "Nothing" in face.text("#sure"),
          face.text("#verdict"))
    for stroke in SEVEN:
        face.draw([stroke], pace=30)
        face.page.wait_for_timeout(200)  # the hand's way to the next stroke: nothing has settled yet
    check("a 7 is recognised", face.seen() == "7" and face.text("#label") == "7", face.text("#label"))
    bars, lengths = face.bars(), face.lengths()
    check("the probabilities add up", abs(sum(bars) - 100) < 1 and max(bars) == bars[7], bars)
    check("the bars are as long as they say", all(abs(100 * length - bar) < 1.5 for length, bar in zip(lengths, bars)),
          lengths)
    check("the number beside the digit is the bar's", face.text("#sure") == face.text("#bars li:nth-child(8) .value"))
    check("they moved while it was drawn", face.asked >= 4, face.asked)
    lit = face.page.eval_on_selector("#seen", COPY + """return data.filter((value, i) => i % 4 === 0 && value > 128)
      .length; }""")
    check("what the net sees is shown", 30 < lit < 200, lit)
    check("it is said when it has settled, once", face.wait("announced.length > 0") and face.announced() ==
          [f"7, {round(bars[7])} percent"], face.announced())
    face.clear()
    check("Clear empties canvas and bars", face.ink() == 0 and face.bars() == [0.0] * 10 and face.text("#label") == "–")
    check("it is drawn anew", face.draw(strokes_of(3)) is None and face.seen() == "3", face.text("#label"))
    face.clear()
    star = [[(0.2, 0.2), (0.8, 0.8)], [(0.8, 0.2), (0.2, 0.8)], [(0.5, 0.1), (0.5, 0.9)], [(0.1, 0.5), (0.9, 0.5)]]
    face.draw(star)
    check("a star is no digit", face.seen() == "" and face.text("#label") == "not a digit"
          and "nearest" in face.text("#sure"), face.text("#verdict"))
    room.shot(face, "star")
    room.fine(face, "bars")


def check_undo(room):
    check, face = room.checks.check, room.face()
    page = face.page
    check("nothing is there to undo", all(page.is_disabled(button) for button in ("#undo", "#redo", "#clear")))
    one, two = strokes_of(4)[:1], strokes_of(4)[1:]
    face.draw(one)
    first, ink = face.seen(), face.ink()
    face.draw(two)
    check("the second stroke makes it a 4", face.seen() == "4" and face.ink() > ink)
    page.click("#undo")
    check("Undo takes the stroke back", face.seen() == first and abs(face.ink() - ink) < 1e-6, face.ink())
    page.click("#redo")
    check("Redo brings it back", face.seen() == "4" and face.ink() > ink)
    face.clear()
    page.click("#undo")
    check("Undo takes Clear back", face.seen() == "4", face.text("#label"))
    whole = face.ink()
    page.focus("#pen")
    face.keys("Home")
    thin = face.seen() is not None and face.ink()
    face.keys("End")
    check("the pen's width changes the drawing", 0 < thin < whole < (face.seen() is not None and face.ink()),
          (thin, whole))
    page.focus("#ink")
    before = page.input_value("#pen")
    face.keys("-")
    check("the key - makes it narrower", int(page.input_value("#pen")) < int(before), page.input_value("#pen"))
    room.fine(face, "undo")


def check_keyboard(room):
    """From the first Tab to the recognised digit, without a mouse."""
    check, face = room.checks.check, room.face()
    page = face.page
    for _ in range(20):
        face.keys("Tab")
        if page.evaluate("document.activeElement.id") == "ink":
            break
    check("Tab leads to the canvas", page.evaluate("document.activeElement.id") == "ink")
    check("its cursor shows", face.shown("#mark"))
    face.keys(*["ArrowLeft"] * 6, *["ArrowUp"] * 7, " ", *["ArrowRight"] * 11)
    page.keyboard.down("ArrowLeft")
    face.keys(*["ArrowDown"] * 4)
    page.keyboard.up("ArrowLeft")
    face.keys(*["ArrowDown"] * 8, " ")
    check("a 7 drawn with the arrow keys is recognised", face.seen() == "7", face.text("#label"))
    room.shot(face, "keyboard")
    check("the pen is told", face.wait("announced.includes('Pen up')")
          and any("Pen down" in said for said in face.announced()))
    check("and then the digit", face.wait("announced.some((said) => /^7, \\d+ percent$/.test(said))"), face.announced())
    ink = face.ink()
    face.keys("ArrowLeft", "ArrowLeft")
    check("a lifted pen does not draw", face.ink() == ink)
    face.keys("Shift+ArrowUp", " ", "Shift+ArrowUp", "Escape", "ArrowUp")
    check("Escape lifts the pen", page.get_attribute("#mark", "data-down") == "false")
    face.keys("u")
    check("u takes back", abs(face.ink() - ink) < 1e-6)
    face.keys("e")
    check("e asks why", page.get_attribute("#why", "aria-pressed") == "true" and face.wait(
        "document.getElementById('heat').dataset.on === 'true'"))
    face.keys("c")
    check("c clears", face.ink() == 0 and page.is_disabled("#clear"))
    face.keys("Control+z")
    check("Ctrl+Z brings it back", face.ink() == ink)
    page.focus("#clear")
    face.keys("Enter")
    check("a button under the focus does not lose it", page.evaluate("document.activeElement.id") == "ink")
    page.focus("#pen")
    face.keys("c", "e", "7")
    check("letters are commands on the canvas alone", page.get_attribute("#why", "aria-pressed") == "true")
    room.fine(face, "keyboard")


def check_touch(room):
    check = room.checks.check
    face = room.face(width=390, height=844, has_touch=True, is_mobile=True, device_scale_factor=3)
    face.touch(strokes_of(2))
    check("a 2 drawn with a finger is recognised", face.seen() == "2", face.text("#label"))
    check("the page did not move under it", face.page.evaluate("scrollY") == 0)
    check("the canvas has the screen's pixels",
          face.page.eval_on_selector("#ink", "(one) => one.width === 3 * one.clientWidth"))
    face.page.tap("#clear")
    check("a tap on Clear empties it", face.ink() == 0)
    face.draw(strokes_of(5))
    face.page.tap("#erase")
    whole = face.ink()
    face.touch([[(0.3, 0.5), (0.7, 0.5)]])
    check("a finger erases with the button", face.ink() < whole)
    face.page.tap("#undo")
    ink, label = face.ink(), face.seen()
    face.page.set_viewport_size({"width": 844, "height": 390})
    check("turned on its side the drawing is there", face.wait("document.getElementById('ink').width > 0") and
          abs(face.ink() - ink) < 0.01 and face.seen() == label == "5", (face.ink(), ink))
    room.fine(face, "touch")


DROP = """([kind, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)), data = new DataTransfer();
  data.items.add(new File([bytes], "digit.png", { type: "image/png" }));
  document.dispatchEvent(kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""


def check_photo(room):
    check, face = room.checks.check, room.face()
    with face.page.expect_file_chooser() as chooser:
        face.page.click("#photo")
    chooser.value.set_files(photo(room, 9))
    check("a photo of a 9 is recognised", face.seen() == "9", face.text("#label"))
    room.shot(face, "photo")
    face.page.set_input_files("#file", photo(room, 3, 30, 230))
    check("one of bright ink on a dark ground too", face.wait("document.documentElement.dataset.seen === '3'"),
          face.text("#label"))
    check("the one before is in the history", face.text("#past li:first-child span") == "9", face.text("#past"))
    face.page.click("#why")
    check("a photo's explanation lies on what the net sees", wait_until(lambda: face.page.eval_on_selector(
        "#seen", COPY + "return data.some((value, i) => i % 4 === 0 && value > data[i + 1] + 40); }")))
    for kind, label in (("drop", 6), ("paste", 8)):
        with open(photo(room, label), "rb") as file:
            text = base64.b64encode(file.read()).decode()
        face.page.evaluate(DROP, [kind, text])
        check(f"{kind}: a picture of a {label} is recognised", face.wait(
            f"document.documentElement.dataset.seen === '{label}'"), face.text("#label"))
    face.draw(strokes_of(1))
    check("drawing on a photo begins a new sheet", face.seen() == "1", face.text("#label"))
    face.page.click("#undo")
    check("which undo takes back", face.seen() == "8", face.text("#label"))
    bad = os.path.join(room.folder, "bad.png")
    with open(bad, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\nno picture")
    face.page.set_input_files("#file", bad)
    check("what is no picture is told", face.appears("tip") and
          "no picture" in face.text("#tip"), face.text("#tip"))
    check("and changes nothing", face.page.get_attribute("html", "data-seen") == "8")
    room.fine(face, "photo")


def check_correction(room):
    check, face = room.checks.check, room.face()
    check("no bar corrects before something is drawn", face.page.is_disabled("#bars li:nth-child(2) .fix"))
    face.draw(strokes_of(1))
    face.seen()
    face.page.click("#bars li:nth-child(8)")
    check("a click on a bar keeps the drawing: a picture and its strokes",
          wait_until(lambda: kept(room, 7) == ["0001.json", "0001.png"]), kept(room, 7))
    check("the page says so", face.appears("tip") and face.text("#tip") == "Kept as 7.")
    check("and marks the bar", face.page.get_attribute("#bars li:nth-child(8)", "data-kept") == "true")
    room.shot(face, "correction")
    face.page.click("#bars li:nth-child(8)")
    face.page.focus("#ink")
    face.keys("4")
    check("so does a digit's key", wait_until(lambda: kept(room, 4) == ["0001.json", "0001.png"]), kept(room, 4))
    check("what is kept already is not kept twice", len(kept(room, 7)) == 2, kept(room, 7))
    face.clear()
    check("the history shows it", face.text("#past li:first-child span") == "4 ✓", face.text("#past"))
    face.keys("4")
    check("an empty canvas cannot be kept", face.appears("tip") and "Nothing" in face.text("#tip"))
    check("the folder holds nothing else", len(kept(room, 4)) == 2)
    room.fine(face, "correction")


def check_why(room):
    check, face = room.checks.check, room.face()
    face.draw(strokes_of(4))
    face.seen()
    face.page.mouse.move(1, 1)
    before = face.page.locator("#paper").screenshot()
    face.page.click("#why")
    check("Why is on", face.page.get_attribute("#why", "aria-pressed") == "true")
    check("the overlay comes", face.wait("document.getElementById('heat').dataset.on === 'true'"))
    share = face.page.eval_on_selector("#heat", COPY + """return data.filter((value, i) => i % 4 === 3 && value > 60)
      .length / data.length * 4; }""")
    check("it speaks for a part of the canvas", 0.005 < share < 0.5, share)
    face.goes("tip")
    face.page.mouse.move(1, 1)
    face.page.wait_for_timeout(300)
    check("and is seen", face.page.locator("#paper").screenshot() != before)
    room.shot(face, "why")
    old = face.page.eval_on_selector("#heat", "(one) => one.toDataURL()")
    face.page.hover("#bars li:nth-child(10)")
    check("a bar under the pointer is explained instead",
          face.wait("document.getElementById('heat').dataset.label === '9'") and
          face.page.eval_on_selector("#heat", "(one) => one.toDataURL()") != old)
    face.page.click("#why")
    face.page.mouse.move(1, 1)
    face.page.wait_for_timeout(400)
    check("off again all is as before", face.page.locator("#paper").screenshot() == before)
    room.fine(face, "why")


def check_history(room):
    check, face = room.checks.check, room.face()
    for label in (5, 0):
        face.draw(strokes_of(label))
        face.seen()
        face.clear()
    buttons = face.page.locator("#past button")
    check("what is cleared is kept, the newest first", [text.strip() for text in buttons.all_inner_texts()] == ["0", "5"],
          buttons.all_inner_texts())
    check("and named for a screen reader", (buttons.nth(1).get_attribute("aria-label") or "").startswith("5, "),
          buttons.nth(1).get_attribute("aria-label"))
    buttons.nth(1).click()
    check("a click brings one back", face.seen() == "5" and face.ink() > 0, face.text("#label"))
    check("it is marked", buttons.nth(1).get_attribute("aria-current") == "true")
    face.clear()
    check("one that was left as it was is not kept twice", buttons.count() == 2, buttons.count())
    buttons.nth(0).click()
    face.seen()
    face.draw([[(0.9, 0.9), (0.95, 0.95)]])
    face.clear()
    check("one that was changed is kept beside it", buttons.count() == 3, buttons.count())
    room.fine(face, "history")


CHECKS = {"thirty": check_thirty, "bars": check_bars, "number": check_number, "undo": check_undo, "eraser": check_eraser, "keyboard": check_keyboard,
          "touch": check_touch, "photo": check_photo, "correction": check_correction, "why": check_why,
          "history": check_history, "lost": check_lost, "idle": check_idle, "stale": check_stale, "refusals": check_refusals,
          "models": check_models, "accessible": check_accessible}


def program():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="the folder in which Perilune was built")
    parser.add_argument("--only", help=f"some of {', '.join(CHECKS)}, with commas between them")
    parser.add_argument("--pictures", help="a folder for pictures of the page")
    parser.add_argument("--picture", help="make README's picture instead, in this file")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    if options.pictures:
        os.makedirs(options.pictures, exist_ok=True)
    return options


def main():
    options = program()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    need_modules(options.build, "http", "image")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
        import axe_playwright_python  # noqa: F401  pylint: disable=unused-import
    except ImportError as missing:
        skip(f"{missing}; tests/outside/requirements-page.txt has it")
    if not chromium:
        skip("no chromium here (on Debian: apt-get install chromium)")
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="perilune-page-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        room = Room(browser, options, folder, checks)
        try:
            if options.picture:
                take_picture(room, options.picture)
            for name in [] if options.picture else (options.only or ",".join(CHECKS)).split(","):
                CHECKS[name](room)
            checks.check("the service ends well", room.service.end() == 0, room.service.text())
        finally:
            room.service.end()
            browser.close()
    checks.end()


if __name__ == "__main__":
    main()
