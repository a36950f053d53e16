"""Hooks of schemathesis (SCHEMATHESIS_HOOKS=serve_media): what a description cannot say.

To OpenAPI a PNG is any bytes; what is sent as right here are pictures indeed, so that success may be asked for. Strokes
may lie anywhere, but what leaves no ink on the canvas is refused: they are moved onto one.
"""
import schemathesis
from hypothesis import strategies as st

import serve_bodies as bodies

bars = st.builds(lambda left, width: bodies.bar(left, left + width), st.integers(2, 20), st.integers(2, 6))
schemathesis.openapi.media_type("application/octet-stream", bars)
schemathesis.openapi.media_type("image/png", st.builds(lambda raw, times: bodies.png(bodies.enlarged(raw, times)), bars,
                                                       st.integers(1, 5)))
schemathesis.openapi.media_type("image/jpeg", st.builds(lambda raw: bodies.jpeg(bodies.grid(raw)), bars))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def onto(value, side):
    return min(max(value, 0.1 * side), 0.9 * side)


@schemathesis.hook
def map_body(context, body):
    """Strokes that are right are moved to where they can be seen; all others stay as they are."""
    if not isinstance(body, dict) or not isinstance(body.get("strokes"), list):
        return body
    sizes = {name: body.get(name, usual) for name, usual in (("pen", 20), ("width", 280), ("height", 280))}
    points = [point for stroke in body["strokes"] if isinstance(stroke, list) for point in stroke]
    if not all(is_number(size) and size > 0 for size in sizes.values()) or not all(
            isinstance(point, list) and 2 <= len(point) <= 3 and all(map(is_number, point)) for point in points):
        return body
    width, height = (min(max(sizes[name], 10), 1e6) for name in ("width", "height"))
    width = min(max(width, height / 4), height * 4)
    seen = [[[onto(point[0], width), onto(point[1], height), *point[2:]] for point in stroke] if isinstance(stroke, list)
            else stroke for stroke in body["strokes"]]
    return {**body, "width": width, "height": height, "pen": min(max(sizes["pen"], height / 20), height / 4),
            "strokes": seen}
