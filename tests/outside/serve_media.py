"""Hooks of schemathesis (SCHEMATHESIS_HOOKS=serve_media): what bodies that are no JSON are made of.

To OpenAPI a PNG is any bytes; what is sent as right here are pictures indeed, so that success may be asked for.
"""
import schemathesis
from hypothesis import strategies as st

import serve_bodies as bodies

bars = st.builds(lambda left, width: bodies.bar(left, left + width), st.integers(2, 20), st.integers(2, 6))
schemathesis.openapi.media_type("application/octet-stream", bars)
schemathesis.openapi.media_type("image/png", st.builds(lambda raw, times: bodies.png(bodies.enlarged(raw, times)), bars,
                                                       st.integers(1, 5)))
schemathesis.openapi.media_type("image/jpeg", st.builds(lambda raw: bodies.jpeg(bodies.grid(raw)), bars))
