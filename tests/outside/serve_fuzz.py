#!/usr/bin/env python3
"""Whole HTTP requests, changed at random, sent in random pieces to `perilune serve`: whatever they have become, each is
answered with something that is HTTP and no error of the service's, or closed; soon; and the service lives.

    serve_fuzz.py BUILD_FOLDER [--seconds N] [--seed 1] [--clients 12]

N is 8, and PERILUNE_FUZZ_SECONDS (or 120) when all is tested (PERILUNE_TEST_LEVEL=all). A failure prints the request as
Python has it. Meant for a build with -DPERILUNE_SANITIZE=ON too. Python's standard library only.
"""
import argparse
import os
import random
import socket
import tempfile
import threading
import time

import serve_bodies as bodies
from draw_hands import Checks, wait_until
from serve_hostile import access_log
from serve_service import PATIENCE, Companion, Service, message

ALLOWED = {501, 505}  # of the protocol itself: a method, a version that is none
WORDS = [b"\r\n", b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
         b"Expect: 100-continue\r\n", b"Host: \r\n",
         b"HTTP/1.0", b"HTTP/1.1", b"POST /v1/predict ", b"?model=", b"&input=1", b"Authorization: Bearer x\r\n",
         b"Origin: http://a\r\n", b"%00", b"../", b"\0", b" ",
         b"Content-Type: application/json\r\n", b"Accept: image/png\r\n", b"Upgrade: h2c\r\n", b"0\r\n\r\n",
         b"99999999999", b"-1", b"If-None-Match: *\r\n", b"\xff\xff"]


def good_requests():
    """One of each that there is."""
    made = [message("GET", path) for path in ("/", "/healthz", "/readyz", "/metrics", "/v1/models", "/openapi.json",
                                              "/page.css")]
    made.append(message("OPTIONS", "/v1/predict", None, {"Origin": "http://a.example",
                                                         "Access-Control-Request-Method": "POST"}))
    for _, kind, body in bodies.good_bodies():
        for path in ("/v1/predict", "/v1/predict?input=1&model=digits", "/v1/explain?class=3", "/v1/correct?label=7"):
            made.append(message("POST", path, body, {"Content-Type": kind}))
    made.append(message("POST", "/v1/read?input=1", b'{"strokes":[[[40,70],[40,210]],[[140,70,0.5],[210,70],[170,210]]]}',
                        {"Content-Type": "application/json"}))
    raw = bodies.bar()
    made.append(message("POST", "/v1/explain", raw, {"Accept": "image/png"}))
    made.append(message("POST", "/v1/predict", None, {"Transfer-Encoding": "chunked",
                                                      "Content-Type": "application/octet-stream"})
                + b"310\r\n" + raw + b"\r\n0\r\n\r\n")
    return made


class Client(threading.Thread):
    """Changes and sends, from a seed of its own."""

    def __init__(self, service, seed, until):
        super().__init__(daemon=True)
        self.service, self.rng, self.until = service, random.Random(seed), until
        self.good, self.statuses, self.failures, self.count = good_requests(), {}, [], 0

    def made(self):
        rng = self.rng
        data = rng.choice(self.good)
        head = data.find(b"\r\n\r\n") + 4
        kind = rng.random()
        if kind < 0.45:  # the head, where the grammar is
            data = bodies.mutated(rng, data[:head]) + data[head:]
        elif kind < 0.6:
            data = bodies.mutated(rng, data)
        elif kind < 0.7:
            data = data + bodies.mutated(rng, rng.choice(self.good))
        if rng.random() < 0.5:
            for _ in range(rng.choice([1, 2, 5])):
                at = rng.randrange(min(head, len(data)) + 1) if rng.random() < 0.8 else rng.randrange(len(data) + 1)
                data = data[:at] + rng.choice(WORDS) + data[at:]
        return data

    def run(self):
        while time.monotonic() < self.until and len(self.failures) < 5 and self.service.alive():
            data = self.made()
            self.count += 1
            try:
                self.send(data)
            except (ConnectionResetError, BrokenPipeError):
                self.note("reset")
            except TimeoutError:
                self.failures.append(f"neither an answer nor an end within {PATIENCE} s: after {data!r}")
            except (OSError, ValueError) as problem:
                self.failures.append(f"{type(problem).__name__}: {problem}: after {data!r}")

    def note(self, what):
        self.statuses[what] = self.statuses.get(what, 0) + 1

    def send(self, data):
        rng = self.rng
        with self.service.connect() as connection:
            at, cuts = 0, rng.choice([0, 0, 0, 1, 3])
            for cut in sorted(rng.randrange(len(data) + 1) for _ in range(cuts)) + [len(data)]:
                connection.send(data[at:cut])
                at = cut
                if cuts and rng.random() < 0.3:
                    time.sleep(rng.uniform(0, 0.003))
            if rng.random() < 0.1:
                return self.note("left")
            try:
                connection.socket.shutdown(socket.SHUT_WR)  # that is all: a request that is not whole is over
            except OSError:
                return self.note("reset")
            head = data.startswith(b"HEAD ")
            while True:
                got = connection.answer(head)
                if got is None:
                    return self.note("closed")
                self.note(got.status)
                if got.status == 400 and got.headers.get("connection") == "close":
                    return None  # libmicrohttpd sends its own error's head twice when a length is none
                if got.status >= 500 and got.status not in ALLOWED:
                    self.failures.append(f"{got} to {data!r}")


def main():
    parser = argparse.ArgumentParser(description="Whole HTTP requests, changed at random, sent to perilune serve.")
    parser.add_argument("build")
    everything = os.environ.get("PERILUNE_TEST_LEVEL") == "all"
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("PERILUNE_FUZZ_SECONDS", "120"))
                        if everything else 8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    options = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="perilune-serve-") as folder:
        log, kept = os.path.join(folder, "access.log"), os.path.join(folder, "corrections")
        os.mkdir(kept)
        with Service(os.path.abspath(options.build), "--access-log", log, "--corrections", kept,
                     "--receive", 1, "--idle", 1, folder=folder) as service:
            for data in good_requests():  # warm, and all known
                with service.connect() as connection:
                    connection.send(data)
                    got = connection.answer(data.startswith(b"HEAD "))
                    checks.check(f"good: {data[:60]!r}", got is not None and got.status in (200, 204, 403, 404, 422), got)
            descriptors, before = service.descriptors(), service.resident()
            companion = Companion(service, bodies.bar())
            clients = [Client(service, f"{options.seed} {i}", time.monotonic() + options.seconds)
                       for i in range(options.clients)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            companion.end(checks, "random requests")
            statuses = {}
            for client in clients:
                for failure in client.failures:
                    checks.check("answered as it should be", False, failure[:4000])
                for what, count in client.statuses.items():
                    statuses[what] = statuses.get(what, 0) + count
            print(f"{sum(client.count for client in clients)} requests from seed {options.seed}: "
                  + ", ".join(f"{what} {count}" for what, count in sorted(statuses.items(), key=str)), flush=True)
            checks.check("it lives", service.alive(), (service.process.returncode, service.text()[-2000:]))
            checks.check("good ones were among them", statuses.get(200, 0) > 0, statuses)
            if service.alive():
                given = wait_until(lambda: service.descriptors() <= descriptors, 15)
                checks.check("all descriptors are given back", given, (descriptors, service.descriptors()))
                grown = service.resident() - before
                checks.check("memory is steady", grown < 64 * service.slow, f"{grown:.1f} MB more")
            checks.check("it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
            checks.check("the sanitizers are silent", not service.reports(), service.reports()[:6000])
            access_log(checks, log)
    checks.end()


if __name__ == "__main__":
    main()
