#!/usr/bin/env python3
"""What no client should send, sent to `perilune serve`: each is refused with the right status and a reason, and disturbs nobody.

    serve_hostile.py BUILD_FOLDER [--only bodies|protocol|sizes|doors|corrections] [--seed 1] [--more N]

A well-behaved client asks the whole time; it may see no error and no slow answer. At the end the service has all its file
descriptors back, has not grown, leaves with status 0, and its sanitizers (in a build that has them) have said nothing.
More of what is random is tried with --more (4: four times as much). Python's standard library only.
"""
import argparse
import json
import os
import random
import re
import tempfile
import time

import serve_bodies as bodies
from draw_hands import Checks, wait_until
from serve_service import Companion, Service, message

CONTENT = (400, 413, 422)
GROWTH = 48  # MB that a second round may add: what the allocator keeps in pieces, not what leaks


class Hostility:
    """Sends to one service, judges its answers; ask() after each that it still answers."""

    def __init__(self, checks, service, headers=None):
        self.checks, self.service, self.headers = checks, service, headers or {}

    def receive(self, data, head=False):
        """Sends bytes on a new connection: the answer, None when it was closed without one, or what broke it as text."""
        with self.service.connect() as connection:
            try:
                connection.send(data)
            except TimeoutError:
                return "nobody reads what is sent"
            except OSError:
                pass  # refused before all of it was sent: the answer is there
            try:
                return connection.answer(head)
            except TimeoutError:
                return "no answer in time"
            except OSError as problem:
                return None if isinstance(problem, ConnectionResetError) else str(problem)

    def refused(self, name, data, statuses, pattern=".", closing=False, head=False):
        """An error of one of these statuses whose reason matches; with closing, an end without an answer will do too."""
        got = self.receive(data, head)
        if got is None or isinstance(got, str):
            right = got is None and closing
        else:
            right = got.status in statuses and (head or bool(re.search(pattern, got.reason())))
            if right and "json" in got.headers.get("content-type", "") and not head:
                right = got.json()["error"]["status"] == got.status
        self.checks.check(f"{name}: {'|'.join(map(str, statuses))} and /{pattern}/", right, got)
        self.well(name)

    def survives(self, name, data):
        """Answered with success or an error of the client's, or closed: never an error of the service's. Returns the answer."""
        got = self.receive(data)
        self.checks.check(f"{name}: never 5xx, never silence", got is None or not isinstance(got, str)
                          and got.status < 500, got)
        return got

    def well(self, name):
        """The service answers."""
        if not self.checks.check(f"{name}: the service lives", self.service.alive(), self.service.text()[-2000:]):
            self.checks.end()
        got = self.receive(message("POST", "/v1/predict", bodies.bar(), self.headers))
        self.checks.check(f"{name}: and still answers", hasattr(got, "status") and got.status == 200, got)


def test_bodies(hostility, rng, more):
    """Bodies of every kind that are not what they are said to be."""
    checks, post = hostility.checks, lambda kind, body, path="/v1/predict": message("POST", path, body,
        {"Content-Type": kind})
    for name, kind, body in bodies.good_bodies():
        got = hostility.receive(post(kind, body))
        checks.check(f"good {name}", hasattr(got, "status") and got.status == 200 and got.json()["predictions"], got)
    for path in ("/v1/predict", "/v1/explain"):
        for name, document, pattern in bodies.documents():
            hostility.refused(f"{path} {name}", post("application/json", document, path), CONTENT, pattern)
        for name, kind, body in bodies.pictures():
            hostility.refused(f"{path} {name}", post(kind, body, path), CONTENT + (415,))
    raw = bodies.bar()
    for name, body in (
        ("783 raw bytes", raw[:-1]), ("no raw byte", b""), ("785 raw bytes", raw + b"\0"),
        ("1.5 images", raw + raw[:392]),
    ):
        hostility.refused(name, post("application/octet-stream", body), CONTENT, r"784|byte|empty")
    for kind in ("text/plain", "", "multipart/form-data; boundary=x", "application/json/x", "image/gif",
                 "application/x-www-form-urlencoded",
                 "\xff\xfe", "a" * 4000, ";;;", "application/xml"):
        hostility.refused(f"Content-Type {kind[:40]!r}", post(kind, b"some words"), (400, 415), "(?i)json|png|type|kind")
    for name, document in bodies.field_documents():
        got = hostility.survives(name, post("application/json", document))
        if hasattr(got, "status") and got.status == 200:
            sums = [sum(one["probabilities"]) for one in got.json()["predictions"]]
            checks.check(f"{name}: probabilities", sums and all(abs(total - 1) < 1e-3 for total in sums), sums)
        else:
            checks.check(f"{name}: 400, 413 or 422", hasattr(got, "status") and got.status in CONTENT
                         and len(got.reason()) > 5, got)
    for name, kind, good in bodies.good_bodies():
        for turn in range(40 * more):
            body = bodies.mutated(rng, good)
            hostility.survives(f"mutated {name} {turn}: {body[:60]!r}", post(kind, body, rng.choice(["/v1/predict",
                "/v1/explain"])))
    hostility.well("after mutated bodies")


def test_strokes(hostility):
    """Strokes that are long, wide or far away: quickly answered, whatever the answer is."""
    line = [[10, 10], [270, 270]]
    cases = [
        ("a pen of a million", {"strokes": [line], "pen": 1e6}), ("a pen of 1e300", {"strokes": [line], "pen": 1e300}),
        ("a pen of 1e-300", {"strokes": [line], "pen": 1e-300}),
        ("points far away", {"strokes": [[[-1e9, 5], [1e9, 7]], line]}),
        ("points beyond numbers", {"strokes": [[[-1e308, -1e308], [1e308, 1e308]], line]}),
        ("a width of 1e-300", {"strokes": [line], "width": 1e-300}),
        ("a width of 1e300", {"strokes": [line], "width": 1e300, "height": 1e300}),
        ("a height of 1e-5", {"strokes": [line], "height": 1e-5}),
        ("100,000 points", {"strokes": [[[i * 7919 % 280, i * 104729 % 280] for i in range(100000)]]}),
        ("50,000 strokes", {"strokes": [[[i % 280, i * 7 % 280]] for i in range(50000)]}),
        ("a wide pen on 100,000 points", {"strokes": [[[i * 7919 % 280, i * 104729 % 280] for i in range(100000)]],
                                          "pen": 280}),
    ]
    for name, document in cases:
        began = time.monotonic()
        got = hostility.survives(name, message("POST", "/v1/predict", document))
        took = time.monotonic() - began
        hostility.checks.check(f"{name}: soon", took < 3 * hostility.service.slow, took)
        hostility.checks.check(f"{name}: 200 or a reason", hasattr(got, "status") and got.status in (200,) + CONTENT, got)
        hostility.well(name)


def test_protocol(hostility, rng, more):
    """Requests that are hardly HTTP."""
    raw, host = bodies.bar(), "Host: localhost\r\n"
    top = "POST /v1/predict HTTP/1.1\r\n" + host
    many = lambda line, count: (top + line * count + "\r\n").encode("latin-1")  # noqa: E731
    cases = [
        ("no HTTP", b"hello\r\n\r\n", (400, 404, 405, 505), True),
        ("bytes", rng.randbytes(3000) + b"\r\n\r\n", (400, 404, 405, 431, 414, 505), True),
        ("only newlines", b"\r\n" * 3000, (400, 408, 431), True),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500) + b"\r\n\r\n", (400,), True),
        ("a method that is none", b"BREW /v1/predict HTTP/1.1\r\n" + host.encode() + b"\r\n", (400, 405, 501), False),
        ("a small get", b"get /healthz HTTP/1.1\r\n" + host.encode() + b"\r\n", (400, 405, 501), False),
        ("a method of 10,000", b"A" * 10000 + b" / HTTP/1.1\r\n" + host.encode() + b"\r\n", (400, 405, 414, 431, 501),
         True),
        ("GET of predict", message("GET", "/v1/predict"), (405,), False),
        ("DELETE", message("DELETE", "/v1/models"), (405,), False), ("PUT", message("PUT", "/", b"x"), (405,), False),
        ("TRACE", message("TRACE", "/"), (400, 405, 501), False),
        ("CONNECT", b"CONNECT localhost:22 HTTP/1.1\r\n" + host.encode() + b"\r\n", (400, 404, 405, 501), True),
        ("HTTP/9.9", b"GET / HTTP/9.9\r\n" + host.encode() + b"\r\n", (400, 505), True),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 405, 505), True),
        ("no Host", b"POST /v1/predict HTTP/1.1\r\nContent-Length: 784\r\n\r\n" + raw, (400,), False),
        ("a path of 100,000", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + host.encode() + b"\r\n",
         (400, 404, 414, 431), True),
        ("a header of 1 MB", many("X-Long: " + "a" * (1 << 20) + "\r\n", 1), (400, 413, 431), True),
        ("100,000 headers", many("X-Many: a\r\n", 100000), (400, 413, 431), True),
        ("headers without end", many("X: y\r\n", 20000)[:-2], (400, 413, 431), True),
        ("a header without colon", many("nonsense\r\n", 1), (400, 411, 415), False),
        ("a NUL in a header", many("X-Nul: a\0b\r\n", 1), (400, 411, 415), True),
        ("a length below 0", many("Content-Length: -1\r\n", 1), (400,), True),
        ("a length that is none", many("Content-Length: many\r\n", 1), (400,), True),
        ("a length of hex", many("Content-Length: 0x310\r\n", 1), (400,), True),
        ("a length beyond all", many("Content-Length: " + "9" * 40 + "\r\n", 1), (400, 413), True),
        ("two lengths", (top + "Content-Length: 784\r\nContent-Length: 10\r\n\r\n").encode() + raw, (400,), False),
        ("two lengths in one", (top + "Content-Length: 784, 10\r\n\r\n").encode() + raw, (400,), True),
        ("a length and chunks", (top + "Content-Length: 784\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").encode() + raw, (400,), True),
        ("chunks of no size", (top + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n").encode(), (400,), True),
        ("a chunk beyond all", (top + "Transfer-Encoding: chunked\r\n\r\n" + "f" * 17 + "\r\nabc\r\n").encode(),
         (400, 413), True),
        ("a chunk of 2^63", (top + "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\nabc\r\n").encode(),
         (400, 408, 413), True),
        ("a coding that is none", (top + "Transfer-Encoding: gzip\r\n\r\n").encode(), (400, 501), False),
        ("a query of 10,000 names", message("POST", "/v1/predict?" + "&".join(f"a{i}=1" for i in range(10000)), raw),
         (400, 413, 414, 431), True),
    ]
    for name, data, statuses, closing in cases:
        hostility.refused(name, data, statuses, closing=closing)
    for path in ("/nothing", "//", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.css/..",
                 "/v1/predict/", "/v1/../v1/predict", "/%00", "/v1/predict%00",
                 "/V1/PREDICT", "/v1/predict;x", "/index.html%2f..", "/\\..\\..", "/%c0%ae%c0%ae/", "/\xff\xfe", "/%zz",
                 "/static/../serve.lua", "/page/../../serve.lua"):
        for method, body in (("GET", None), ("POST", raw)):
            hostility.refused(f"{method} {path!r}", message(method, path, body), (400, 404, 405))
    for query in ("model=nothing", "model=", "model=../digits", "model=%00", "model=%2e%2e%2f", "model=digits%00",
                  "model=" + "a" * 5000):
        hostility.refused(query[:40], message("POST", "/v1/predict?" + query, raw), (400, 404, 414), "(?i)model|%00")
    for query in ("class=10", "class=-1", "class=NaN", "class=", "class=1e400", "class=%00", "class=7%00",
                  "class=" + "7" * 1000):
        hostility.refused(f"explain {query[:20]}", message("POST", "/v1/explain?" + query, raw), (400, 404, 422),
                          "(?i)class|%00")
    for query in ("&&&&", "=", "%", "%zz=%zz", "input", "input=maybe", "input=1&input=2", "a" * 5000, "\xff=\xfe",
                  "model=digits&model=other"):
        hostility.survives(f"query {query[:20]!r}", message("POST", "/v1/predict?" + query, raw))
    pipeline(hostility, rng, more)


def pipeline(hostility, rng, more):
    """Many requests in one write, of different kinds: answered all, in order, with bodies that belong to them."""
    raw, checks = bodies.bar(), hostility.checks
    for turn in range(3 * more):
        kinds = [rng.choice([
            ("POST", "/v1/predict", raw, 200), ("POST", "/v1/predict", raw * 3, 200), ("GET", "/healthz", None, 200),
            ("GET", "/v1/models", None, 200), ("GET", "/nothing", None, 404), ("POST", "/v1/predict", b"abc", 400),
            ("HEAD", "/", None, 200),
        ]) for _ in range(60)]
        with hostility.service.connect() as connection:
            connection.send(b"".join(message(method, path, body) for method, path, body, _ in kinds))
            try:
                for i, (method, path, body, status) in enumerate(kinds):
                    got = connection.answer(method == "HEAD")
                    right = got is not None and (got.status == status or status == 400 and got.status == 422)
                    if right and status == 200 and body:
                        right = len(got.labels()) == len(body) // len(raw)
                    if not checks.check(f"pipeline {turn}: answer {i} to {method} {path}", right, got):
                        break
            except OSError as problem:
                checks.check(f"pipeline {turn}", False, problem)
    hostility.well("after pipelines")


def test_sizes(hostility):
    """Bodies that are larger than they may be, or than they said, or that never come."""
    checks, service = hostility.checks, hostility.service
    before = service.resident()
    limit, raw = 8 << 20, bodies.bar()
    hostility.refused("1 GB announced", message("POST", "/v1/predict", b"", {"Content-Length": str(1 << 30)}), (413,),
                      "(?i)byte|large|limit|MiB")
    hostility.refused("2^63 bytes announced", message("POST", "/v1/predict", b"", {"Content-Length": str(1 << 63)}),
                      (400, 413), closing=True)
    hostility.refused("9 MiB sent", message("POST", "/v1/predict", bytes(limit + (1 << 20))), (413,),
                      "(?i)byte|large|limit|MiB")
    hostility.refused("9 MiB of JSON", message("POST", "/v1/predict", b'{"pixels":[' + b"0," * (limit // 2 + 500000)),
                      (413,))
    hostility.refused("1 GB expected", message("POST", "/v1/predict", b"", {"Content-Length": str(1 << 30),
                                                                            "Expect": "100-continue"}), (413, 417))
    with service.connect() as connection:  # chunks without end
        connection.send(message("POST", "/v1/predict", None, {"Transfer-Encoding": "chunked",
                                                              "Content-Type": "application/octet-stream"}))
        block, began = b"10000\r\n" + bytes(65536) + b"\r\n", time.monotonic()
        try:
            while time.monotonic() < began + 10:
                connection.send(block)
        except OSError:
            pass
        took = time.monotonic() - began
        try:
            got = connection.answer()
        except OSError:
            got = None
        checks.check("chunks without end: 413", got is not None and got.status == 413, got)
        checks.check("chunks without end: listened to for a moment only", took < 5 * service.slow, took)
        checks.check("chunks without end: not kept", service.resident() < before + 64 * service.slow, service.resident())
    hostility.well("chunks without end")
    with service.connect() as connection:  # good chunks are a good body
        head = message("POST", "/v1/predict", None, {"Transfer-Encoding": "chunked",
                                                     "Content-Type": "application/octet-stream"})
        connection.send(head + b"".join(b"1;x=y\r\n" + raw[i:i + 1] + b"\r\n"
                                        for i in range(784)) + b"0\r\nX-Trailer: 1\r\n\r\n")
        got = connection.answer()
        checks.check("784 chunks of a byte: 200", got is not None and got.status == 200, got)
    waiting = [service.connect() for _ in range(30)]  # each has announced the most that may be announced, and sends a part
    for connection in waiting:
        connection.send(message("POST", "/v1/predict", bytes(100000), {"Content-Length": str(limit)}))
    hostility.well("30 bodies of 8 MiB that do not come")
    checks.check("memory is taken for what came, not for what was announced",
                 service.resident() < before + 100 * service.slow, service.resident())
    for connection in waiting:
        connection.reset()
    with service.connect() as connection:  # more than announced is the next request, and none
        connection.send(message("POST", "/v1/predict", raw + b"leftover\r\n\r\n", {"Content-Length": "784"}))
        got = connection.answer()
        checks.check("a body longer than announced: the announced part counts", got is not None and got.status == 200,
                     got)
    hostility.well("a body longer than announced")


def test_doors(checks, build):
    """Who may ask: bearer token, Origin, CORS."""
    raw, token = bodies.bar(), "Sésame-0123456789".encode().hex()
    with Service(build, environment={"PERILUNE_TOKEN": token}) as service:
        for name, value in (
            ("none", None), ("empty", ""), ("a word", "Bearer"), ("nothing after it", "Bearer "),
            ("a beginning", f"Bearer {token[:-1]}"), ("more", f"Bearer {token}x"), ("another scheme", f"Basic {token}"),
            ("bare", token), ("upper case", f"Bearer {token.upper()}"),
            ("long", "Bearer " + token * 100),
        ):
            for method, path, body in (("POST", "/v1/predict", raw), ("GET", "/v1/models", None), ("GET", "/metrics",
                None)):
                got = service.ask(method, path, body, {"Authorization": value})
                checks.check(f"token {name}: {method} {path} is 401", got and got.status in ((400, 401)
                    if name in ("NUL", "long") else (401,)), got)
                if got and got.status == 401:
                    checks.check(f"token {name}: says how", got.headers.get("www-authenticate", "").startswith("Bearer")
                                 and len(got.reason()) > 5, got.headers)
        for scheme in ("Bearer", "bearer", "BEARER"):
            got = service.ask("POST", "/v1/predict", raw, {"Authorization": f"{scheme} {token}"})
            checks.check(f"the right token, {scheme}", got and got.status == 200, got)
        for path in ("/healthz", "/readyz", "/"):
            checks.check(f"{path} without a token", service.ask("GET", path).status == 200)
        checks.check("the token is not printed", token not in service.text())
        checks.check("it ends with 0", service.end() == 0, service.status)
        checks.check("the sanitizers are silent (token)", not service.reports(), service.reports()[:4000])
    friend = "https://friend.example"
    for arguments in ((), ("--cors", friend)):
        with Service(build, *arguments) as service:
            own = f"http://127.0.0.1:{service.port}"
            known = [None, own, *([friend] if arguments else [])]
            for origin in (*known, "http://evil.example", "null", friend + ".evil.example", "https://friend.exampl",
                           f"http://127.0.0.1:{service.port + 1}", own + ".evil.example", "", "x" * 3000):
                got = service.ask("POST", "/v1/predict", raw, {"Origin": origin, "Host": f"127.0.0.1:{service.port}"})
                wanted = (200,) if origin in known else (400, 403)
                checks.check(f"{arguments} Origin {str(origin)[:50]}: {wanted}", got and got.status in wanted, got)
                allowed = got.headers.get("access-control-allow-origin") if got else "?"
                checks.check(f"{arguments} Origin {str(origin)[:50]}: what CORS says", allowed == (friend if arguments
                    and origin == friend else None), allowed)
            for host, wanted in (("localhost:1", 200), ("[::1]", 200), ("evil.example", 403), (friend[8:], 403),
                                 ("127.0.0.1.evil.example", 403), ("localhost\x0b.evil", 403), ("", 403), ("x" * 3000, 403)):
                got = service.ask("POST", "/v1/predict", raw, {"Origin": f"http://{host}", "Host": host})
                checks.check(f"{arguments} rebound to {host[:50]!r}: {wanted}", got and got.status in (wanted, 400), got)
            got = service.ask("OPTIONS", "/v1/predict", None, {"Origin": friend, "Access-Control-Request-Method": "POST",
                                                               "Access-Control-Request-Headers": "content-type"})
            said = got.headers.get("access-control-allow-origin") if got else "?"
            checks.check(f"{arguments} a preflight", said == friend and got.status in (200, 204)
                         if arguments else said is None, (got, got and got.headers))
            checks.check("it ends with 0", service.end() == 0, service.status)
            checks.check("the sanitizers are silent (origins)", not service.reports(), service.reports()[:4000])


def test_corrections(checks, build):
    """Corrections stay in their folder, whatever their label is."""
    raw = bodies.bar()
    with tempfile.TemporaryDirectory(prefix="perilune-serve-") as outer:
        inner = os.path.join(outer, "in", "corrections")
        os.makedirs(inner)
        with Service(build, "--corrections", inner, folder=os.path.join(outer)) as service:
            hostility = Hostility(checks, service)
            got = service.ask("POST", "/v1/correct?label=7", raw)
            checks.check("a correction is kept", got and got.status in (200, 201, 204), got)
            outside = {os.path.join(folder, name) for folder, _, names in os.walk(outer) for name in names
                       if not folder.startswith(inner)}
            for label in ("../../escaped", "%2e%2e%2f%2e%2e%2fescaped", "/tmp/escaped", "..", ".", "7/../../../escaped",
                          "%00", "7%00.png", "%0a", "a" * 300, "%ff%fe", "CON", "7\\..\\x"):
                got = hostility.survives(f"label {label[:30]}", message("POST", f"/v1/correct?label={label}", raw))
                checks.check(f"label {label[:30]}: no 5xx", hasattr(got, "status"), got)
            for name in ("../../escaped", "\0", "a" * 5000, "\n", "é"):
                hostility.survives(f"label {name[:20]!r} in JSON", message("POST", "/v1/correct", {"pixels": list(raw),
                    "label": name}))
            hostility.refused("no label", message("POST", "/v1/correct", raw), (400, 422), "(?i)label")
            hostility.refused("a label and no picture", message("POST", "/v1/correct?label=7", b""), CONTENT)
            after = {os.path.join(folder, name) for folder, _, names in os.walk(outer) for name in names
                     if not folder.startswith(inner)}
            checks.check("nothing was written elsewhere", after == outside, after - outside)
            checks.check("it ends with 0", service.end() == 0, service.status)
            checks.check("the sanitizers are silent (corrections)", not service.reports(), service.reports()[:4000])
    with Service(build) as service:
        got = service.ask("POST", "/v1/correct?label=7", raw)
        checks.check("without --corrections: 404 and why", got and got.status == 404 and "correct" in got.reason(), got)


def access_log(checks, path):
    """Every line of the log is a whole JSON object, whatever was asked."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    checks.check("the log ends with a whole line", lines[-1] == b"", lines[-1][:200])
    broken = 0
    for line in lines[:-1]:
        try:
            one = json.loads(line.decode("utf-8"))
            broken += not ({"method", "path", "status"} <= set(one))
        except ValueError:
            broken += 1
    checks.check("every line of the log is JSON", broken == 0 and len(lines) > 1, (broken, len(lines)))


def main():
    parser = argparse.ArgumentParser(description="What no client should send, sent to perilune serve.")
    parser.add_argument("build")
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--more", type=int, default=1)
    options = parser.parse_args()
    build, checks, rng = os.path.abspath(options.build), Checks(), random.Random(options.seed)
    chosen = lambda name: options.only in (None, name)  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="perilune-serve-") as folder:
        log = os.path.join(folder, "access.log")
        with Service(build, "--access-log", log, "--receive", 2, "--idle", 3, folder=folder) as service:
            hostility = Hostility(checks, service)
            hostility.well("at first")
            descriptors, sizes = service.descriptors(), []
            companion = Companion(service, bodies.bar())
            for turn in range(2):
                if chosen("bodies"):
                    test_bodies(hostility, rng, options.more)
                    test_strokes(hostility)
                if chosen("protocol"):
                    test_protocol(hostility, rng, options.more)
                if chosen("sizes"):
                    test_sizes(hostility)
                sizes.append(service.resident())
            companion.end(checks, "hostile requests")
            print(f"resident memory after each round: {', '.join(f'{size:.1f}' for size in sizes)} MB", flush=True)
            checks.check("no leak: the second round adds little", sizes[1] < sizes[0] + GROWTH, sizes)
            checks.check("all descriptors are given back", wait_until(lambda: service.descriptors() <= descriptors, 10),
                         (descriptors, service.descriptors()))
            checks.check("it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
            checks.check("the sanitizers are silent", not service.reports(), service.reports()[:6000])
            access_log(checks, log)
    if chosen("doors"):
        test_doors(checks, build)
    if chosen("corrections"):
        test_corrections(checks, build)
    checks.end()


if __name__ == "__main__":
    main()
