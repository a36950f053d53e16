"""What the service's page looks like and says in states that are rare, for serve_page.py: the service gone, busy or
locked, several models, every size of screen in light and dark before axe-core's rules; and README's picture."""
import time

from draw_hands import wait_until
from serve_browser import strokes_of
from serve_service import bundled

PHONES = {"phone": (390, 844), "small": (360, 640)}
ODD = {"on its side": (844, 390), "enlarged": (640, 400)}
SIZES = {"desktop": (1280, 800), "tablet": (900, 1100), **ODD, **PHONES}

# Controls that lie over each other, or are cut off by the window's sides; the canvas must fit into the window.
CROWDED = """() => {
  const controls = [...document.querySelectorAll("main button, main input[type=range], select, #ink, summary")].filter(
    (one) => one.checkVisibility() && !one.closest("#past"));
  const boxes = controls.map((one) => [one.id || one.className, one.getBoundingClientRect()]), found = [];
  for (const [i, [name, a]] of boxes.entries()) {
    if (a.left < 0 || a.right > innerWidth + 0.5) found.push(`${name} is cut off`);
    if (name === "ink" && a.height > innerHeight) found.push("the canvas is higher than the window");
    for (const [other, b] of boxes.slice(i + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) {
        found.push(`${name} and ${other}`);
      }
    }
  }
  return found;
}"""


def check_lost(room):
    """The service ends while the page is open, and comes back on the same port."""
    check, service = room.checks.check, room.serve()
    port = service.port
    try:
        face = room.face(service)
        face.draw(strokes_of(2))
        check("before it goes all is well", face.seen() == "2" and face.text("#link-text") == "ready")
        check("the service ends well", service.end() == 0, service.text())
        face.clear()
        face.draw(strokes_of(6))
        check("the page says that it is gone", face.appears("notice", 20) and
              "gone" in face.text("#notice-text") and face.text("#link-text") == "gone", face.text("#notice"))
        check("as an alert", face.page.get_attribute("#notice-text", "role") == "alert")
        check("the drawing stays", face.ink() > 0.02)
        room.shot(face, "gone")
        check("all that the console has is that there is no connection",
              face.errors and all("ERR_CONNECTION" in said for said in face.errors), face.errors)
        check("in place of a verdict it says what it waits for", "waiting" in face.text("#sure"), face.text("#sure"))
        service = room.serve(port=port)
        check("when it is back the notice goes", face.goes("notice", 20))
        check("and what is on the canvas is recognised", face.seen() == "6" and face.text("#link-text") == "ready",
              face.text("#label"))
        service.end()
        face.draw([[(0.9, 0.9), (0.9, 0.9)]])
        face.appears("notice", 20)
        face.page.wait_for_timeout(4000)  # by now it is asked every few seconds
        service = room.serve(port=port)
        face.page.click("#retry")
        check("Try now does not wait", face.goes("notice", 1.5))
        face.errors.clear()
        room.fine(face, "lost")
    finally:
        service.end()


def check_stale(room):
    """An answer that comes late is not taken for one about what is drawn by then."""
    check, face, held = room.checks.check, room.face(), []
    page = face.page
    page.route("**/v1/predict*", lambda route: route.continue_() if held else held.append(route))
    face.draw(strokes_of(3))
    check("one question is under way", wait_until(lambda: page.wait_for_timeout(20) or held) and len(held) == 1, len(held))
    face.clear()
    held[0].continue_()
    page.wait_for_timeout(600)
    check("the answer about what was cleared is not shown", face.text("#label") == "–" and face.bars() == [0.0] * 10 and
          page.get_attribute("html", "data-seen") is None, face.text("#verdict"))
    check("the history knows it", face.text("#past li:first-child span") in ("3", "?"), face.text("#past"))
    face.draw(strokes_of(7))
    check("and what is drawn then is recognised", face.seen() == "7", face.text("#label"))
    room.fine(face, "stale")


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def check_idle(room):
    """The service goes and comes while nobody draws: the page asks now and then, one question at a time."""
    check, service = room.checks.check, room.serve()
    port = service.port
    try:
        face, asked = room.face(service), []
        face.page.on("request", lambda request: asked.append(time.monotonic()) if "readyz" in request.url else None)
        face.page.wait_for_timeout(12500)
        check("an idle page asks now and then whether the service is there", 1 <= len(asked) <= 3, asked)
        face.page.evaluate(HIDE, True)
        asked.clear()
        face.page.wait_for_timeout(11500)
        check("a hidden one does not", not asked, asked)
        face.page.evaluate(HIDE, False)
        check("but as soon as it is looked at again", wait_until(lambda: face.page.wait_for_timeout(20) or asked, 2), asked)
        service.end()
        check("that it is gone is told though nobody draws", face.appears("notice", 25) and
              "gone" in face.text("#notice-text") and face.text("#link-text") == "gone", face.text("#notice"))
        asked.clear()
        face.page.wait_for_timeout(3500)
        check("it is asked soon and then ever more seldom", 3 <= len(asked) <= 5 and
              asked[-1] - asked[-2] > 1.5 * (asked[1] - asked[0]), asked)
        service = room.serve(port=port)
        check("and its return is told", face.goes("notice", 20) and face.text("#link-text") == "ready" and
              "The service is back." in face.announced(), face.announced())
        face.draw(strokes_of(7))
        check("where digits are recognised again", face.seen() == "7", face.text("#label"))
        asked.clear()
        ready = """{"error":{"status":503,"reason":"the service is ending."}}"""
        face.page.route("**/readyz", lambda route: route.fulfill(status=503, content_type="application/json", body=ready))
        check("one that takes no more requests is told with its reason", face.appears("notice", 25) and
              "is ending" in face.text("#notice-text"), face.text("#notice"))
        face.page.unroute("**/readyz")
        check("until it does", face.goes("notice", 20))
        face.errors.clear()
        room.fine(face, "idle")
    finally:
        service.end()


def check_refusals(room):
    """A token, corrections that are off, a service that is busy or in trouble."""
    check, service = room.checks.check, room.serve(environment={"PERILUNE_TOKEN": "the-right-one"})
    try:
        face = room.blank(service)
        page = face.page
        page.goto(face.url)
        page.locator("#ask-token").wait_for()
        room.shot(face, "token")
        check("a token is asked for", "token" in face.text("#token-title"))
        for token in ("a-wrong-one", "the-right-one"):
            page.fill("#token", token)
            face.keys("Enter")
            if token == "a-wrong-one":
                check("a wrong one is refused", wait_until(lambda: "refused" in face.text("#token-why")))
        page.locator("#bars li").first.wait_for()
        face.errors.clear()  # a 401 is an error of the console's
        face.draw(strokes_of(7))
        check("with the right one digits are recognised", face.seen() == "7")
        page.reload()
        page.locator("#bars li").first.wait_for()
        check("it is kept over a reload", not face.shown("#ask-token"))
        check("that corrections are off is told", "off" in face.text("#note") and page.locator(".fix").count() == 0,
              face.text("#note"))
        face.draw(strokes_of(1))
        face.keys("4")
        check("a digit's key keeps nothing then", face.appears("tip") and "off" in face.text("#tip"))
        room.fine(face, "token")
    finally:
        service.end()
    face, refused = room.face(), []

    def refuse(route):
        refused.append(route.request.url)
        if len(refused) > 2:
            return route.continue_()
        return route.fulfill(status=429 if len(refused) == 1 else 400, headers={"Retry-After": "2"},
                             content_type="application/json",
                             body='{"error":{"status":400,"reason":"the queue is full of sheep"}}')
    face.page.route("**/v1/predict*", refuse)
    face.draw([[(0.5, 0.2), (0.5, 0.2)]])
    check("a busy service is told", face.appears("notice") and "busy" in face.text("#notice-text"))
    start = len(refused)
    face.page.wait_for_timeout(1200)
    check("and left alone for as long as it says", len(refused) == start == 1, refused)
    check("then it is asked again", wait_until(lambda: face.page.wait_for_timeout(50) or len(refused) > 1), refused)
    check("a refusal's reason is shown", wait_until(lambda: "sheep" in face.text("#sure")), face.text("#sure"))
    face.draw(strokes_of(0))
    check("and the next answer takes its place", face.seen() is not None and "sheep" not in face.text("#sure"))
    face.errors.clear()
    room.fine(face, "refusals")


def check_models(room):
    """Of several models one can be chosen."""
    check, service = room.checks.check, room.serve("--model", f"first={bundled()}", "--model", f"other={bundled()}")
    try:
        face, asked = room.face(service), []
        face.page.on("request", lambda request: asked.append(request.url))
        face.draw(strokes_of(3))
        check("the first is asked", face.seen() == "3" and asked and all("model=first" in url for url in asked), asked)
        options = face.page.eval_on_selector_all("#model option", "list => list.map((one) => one.text)")
        check("the page lets one choose", options == ["first", "other"], options)
        asked.clear()
        face.page.select_option("#model", "other")
        check("and asks the other about what is drawn", wait_until(lambda: any("model=other" in url for url in asked)) and
              face.seen() == "3", asked)
        room.fine(face, "models")
    finally:
        service.end()


def check_axe(room, axe, face, name):
    found = axe.run(face.page).response["violations"]
    room.checks.check(f"{name}: axe-core", not found,
                      [(one["id"], [node["target"] for node in one["nodes"]][:4]) for one in found])


def check_accessible(room):
    """axe-core, and that nothing is cut off, in every state that has its own look."""
    from axe_playwright_python.sync_playwright import Axe
    axe, check = Axe(), room.checks.check
    for scheme in ("dark", "light"):
        for name, (width, height) in SIZES.items():
            if scheme == "light" and name in ODD:
                continue
            face = room.face(width=width, height=height, scheme=scheme, has_touch=name in PHONES,
                             device_scale_factor=2 if name in PHONES else 1, reduced_motion="reduce")
            where = f"{name}, {scheme}"
            check_axe(room, axe, face, f"{where}, empty")
            room.shot(face, f"{name}-{scheme}-empty")
            face.page.locator("#ink").scroll_into_view_if_needed()
            for label in (3, 8, 5):
                face.draw(strokes_of(label))
                face.seen()
                face.clear()
            face.draw(strokes_of(4))
            face.page.click("#why")
            face.page.click("summary")
            face.wait("document.getElementById('heat').dataset.on === 'true'")
            check_axe(room, axe, face, f"{where}, drawn")
            check(f"{where}: nothing is wider than the screen",
                  face.page.evaluate("document.documentElement.scrollWidth") <= width)
            crowded = face.page.evaluate(CROWDED)
            check(f"{where}: no control is hidden by another", not crowded, crowded)
            check(f"{where}: nothing moves for those who want that",
                  face.page.evaluate("document.getAnimations().length") == 0)
            face.page.click("summary")
            face.goes("tip")
            room.shot(face, f"{name}-{scheme}", full_page=True)
            face.page.route("**/v1/predict*", lambda route: route.abort())
            face.draw([[(0.9, 0.9), (0.9, 0.9)]])
            face.appears("notice")
            room.shot(face, f"{name}-{scheme}-gone")
            face.page.evaluate("document.getElementById('ask-token').showModal()")
            check_axe(room, axe, face, f"{where}, with notice and dialog")
            face.errors.clear()  # that there was no connection
            room.fine(face, where)


def take_picture(room, path):
    """README's: a 4 with what speaks for it, and some drawings before it."""
    face = room.face(reduced_motion="reduce")
    for label, hand in ((7, 2), (0, 1), (9, 2), (2, 1), (5, 2), (3, 1), (8, 2), (6, 1)):
        face.draw(strokes_of(label, hand))
        face.seen()
        face.clear()
    face.draw(strokes_of(4, 1))
    face.page.click("#why")
    face.wait("document.getElementById('heat').dataset.on === 'true'")
    face.wait("document.getElementById('tip').hidden && document.getElementById('speed').dataset.median")
    face.page.screenshot(path=path)
