"""The ink on the service's page, for serve_page.py: several digits side by side, and the eraser."""
import json
import os

from draw_hands import wait_until
from serve_browser import COPY, kept, photo, strokes_of

SEVEN = [[(0.28, 0.22), (0.5, 0.21), (0.72, 0.22)], [(0.72, 0.22), (0.6, 0.5), (0.46, 0.84)]]


def written(text, hand=1):
    """The strokes of several digits side by side."""
    n = len(text)
    return [[((i + x) / n, 0.5 + (y - 0.5) / n) for x, y, *_ in stroke]
            for i, digit in enumerate(text) for stroke in strokes_of(int(digit), hand)]


def check_number(room):
    """Several digits side by side are read, each with its frame."""
    check, face = room.checks.check, room.face()
    page, read = face.page, []
    seen = lambda text: face.wait(f"document.documentElement.dataset.seen === '{text}'")  # noqa: E731
    page.on("request", lambda request: read.append(request.url) if "v1/read" in request.url else None)
    page.focus("#pen")
    face.keys(*["ArrowLeft"] * 12)
    face.draw(strokes_of(3))
    face.seen()
    check("one digit of one stroke is not asked about", not read, read)
    face.clear()
    face.draw(written("42"))
    check("a 42 is read", seen("42") and face.text("#label") == "42", face.text("#verdict"))
    frames = page.locator("#boxes div")
    check("each digit has its frame", [text.strip() for text in frames.all_text_contents()] == ["4", "2"])
    paper, boxes = page.locator("#ink").bounding_box(), [frames.nth(i).bounding_box() for i in range(2)]
    middles = [(box["x"] + box["width"] / 2 - paper["x"]) / paper["width"] for box in boxes]
    check("around it", abs(middles[0] - 0.25) < 0.06 and abs(middles[1] - 0.75) < 0.06 and all(
        0.2 < box["height"] / paper["height"] < 0.5 for box in boxes), (middles, boxes))
    bars = face.bars()
    check("the bars are of the one written last", bars[2] == max(bars) and frames.nth(1).get_attribute("data-newest") == "true",
          bars)
    check("it is said", face.wait("announced.some((said) => /^42, 2 digits, \\d+ percent$/.test(said))"), face.announced())
    room.shot(face, "number")
    page.click("#why")
    page.mouse.move(1, 1)
    face.wait("document.getElementById('heat').dataset.on === 'true'")
    sides = page.eval_on_selector("#heat", COPY + """let left = 0, right = 0;
      for (let i = 3; i < data.length; i += 4) if ((i >> 2) % canvas.width < canvas.width / 2) left += data[i]; else right += data[i];
      return [left, right]; }""")
    check("that one is explained", sides[1] > 20 * sides[0], sides)
    page.click("#why")
    before = kept(room, 6)
    page.focus("#ink")
    face.keys("6")
    check("and kept", wait_until(lambda: "The newest digit is kept as 6." in face.text("#tip")) and
          len(kept(room, 6)) == len(before) + 2, (face.text("#tip"), kept(room, 6)))
    with open(os.path.join(room.corrections, "6", kept(room, 6)[-2]), encoding="utf-8") as file:
        strokes = json.load(file)["strokes"]
    check("that one alone", len(strokes) == len(strokes_of(2)) and all(point[0] > 0.5 for one in strokes
                                                                       for point in one["points"]), len(strokes))
    page.click("#undo")
    check("with one digit left it is one", seen("4") and frames.count() == 0 and face.text("#label") == "4",
          face.text("#verdict"))
    page.click("#redo")
    check("Redo makes it two again", seen("42") and frames.count() == 2)
    asked = face.asked
    face.draw([[(0.48, 0.45), (0.5, 0.5), (0.5, 0.6)]])
    check("while it is several nothing else is asked", face.asked == asked and len(read) > 3, (face.asked - asked, len(read)))
    number = face.seen() and face.text("#label")
    face.clear()
    check("an empty canvas has no frames", frames.count() == 0)
    check("the history has the number", len(number) > 1 and number == face.text("#past li:first-child span"),
          (number, face.text("#past")))
    face.draw(written("1984", 2))
    check("a 1984 is read", seen("1984"), face.text("#verdict"))
    room.shot(face, "number-long")
    room.fine(face, "number")


def ink_at(face, x, y):
    """How much ink is at a place of the canvas, 0 to 255."""
    return face.page.eval_on_selector("#ink", COPY.replace("(canvas)", "(canvas, place)") + """
      return data[4 * (Math.round(place[1] * (canvas.height - 1)) * canvas.width + Math.round(place[0] * (canvas.width - 1))) + 3];
    }""", [x, y])


def check_eraser(room):
    """The right button, the button and its key, a finger, a pen's other end, the keyboard; and undo."""
    check, face = room.checks.check, room.face()
    page, bar, across = face.page, [[(0.2, 0.5), (0.8, 0.5)]], [[(0.5, 0.4), (0.5, 0.6)]]
    check("with an empty canvas there is nothing to erase", page.is_disabled("#erase"))
    face.draw(across, button="right")
    check("the right button draws nothing", face.ink() == 0 and page.is_disabled("#undo"))
    face.draw(bar)
    whole = face.ink()
    face.draw([[(0.1, 0.1), (0.9, 0.1)]], button="right")
    check("what is not touched stays, and needs no undo", face.ink() == whole and page.evaluate("""() => {
        document.getElementById("undo").click(); return document.getElementById("undo").disabled; }"""))
    page.click("#redo")
    face.draw(across, button="right")
    cut = face.ink()
    check("the right button cuts a stroke in two", 0.5 * whole < cut < 0.9 * whole and ink_at(face, 0.5, 0.5) == 0 and
          ink_at(face, 0.3, 0.5) == ink_at(face, 0.7, 0.5) == 255, (whole, cut))
    face.draw(across, button="right")
    check("and takes no more in the same place", face.ink() == cut)
    page.click("#undo")
    check("Undo brings it back", face.ink() == whole)
    page.click("#redo")
    check("Redo erases again", face.ink() == cut)
    check("the pen draws as before", page.get_attribute("#erase", "aria-pressed") == "false" and
          face.draw(across) is None and ink_at(face, 0.5, 0.5) == 255)
    face.draw([[(0.05, 0.5), (0.95, 0.5)]], button="right")
    face.draw([[(0.5, 0.3), (0.5, 0.7)]], button="right")
    check("all can be erased: the canvas is empty then", face.ink() == 0 and face.text("#label") == "–" and
          page.is_disabled("#clear") and face.bars() == [0.0] * 10, face.text("#label"))
    page.click("#undo")
    check("which is undone too", face.ink() > 0)

    for stroke in strokes_of(4):
        face.draw([stroke])
    face.clear()
    face.draw(SEVEN)
    face.draw([[(0.3, 0.6), (0.5, 0.55), (0.7, 0.6)]])
    tail = [[(0.25, 0.6), (0.32, 0.6)], [(0.6, 0.58), (0.75, 0.62)]]
    crossed = face.seen() is not None and face.ink()
    page.click("#erase")
    check("the button takes the eraser", page.get_attribute("#erase", "aria-pressed") == "true")
    face.draw(tail[:1])
    check("with which the left button erases", face.ink() < crossed, (crossed, face.ink()))
    check("it shows where it is", face.shown("#mark") and page.get_attribute("#mark", "data-tool") == "eraser")
    room.shot(face, "eraser")
    face.draw(tail[1:])
    check("what is left is recognised", face.seen() == "7", face.text("#label"))
    face.keys("x")
    left = face.ink()
    face.draw([[(0.1, 0.9), (0.2, 0.9)]])
    check("x takes the pen again", page.get_attribute("#erase", "aria-pressed") == "false" and face.ink() > left)
    face.stylus([[(0.1, 0.9), (0.2, 0.9)]], button=5, buttons=32)
    check("a pen's other end erases", abs(face.ink() - left) < 1e-6, (left, face.ink()))
    face.stylus([[(0.1, 0.9), (0.2, 0.9)]])
    check("and the pen draws", face.ink() > left)
    face.keys("x")
    face.clear()
    check("an empty canvas takes the pen", page.get_attribute("#erase", "aria-pressed") == "false")

    page.focus("#ink")
    face.keys(" ", *["ArrowRight"] * 6, " ")
    drawn = face.ink()
    face.keys("x", " ", *["ArrowLeft"] * 3, " ")
    check("the keyboard erases", 0 < face.ink() < drawn and face.wait("announced.includes('Eraser up')"), face.announced())
    check("what it erased is undone at once", face.keys("u") is None and face.ink() == drawn)
    page.set_input_files("#file", photo(room, 3))
    check("of a photo nothing is erased", face.wait("document.documentElement.dataset.seen === '3'") and
          page.is_disabled("#erase"), face.text("#label"))
    face.draw(across, button="right")
    check("with the right button neither", face.wait("document.documentElement.dataset.seen === '3'", 2) and
          face.text("#label") == "3")
    room.fine(face, "eraser")
