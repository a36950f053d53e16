#!/usr/bin/env python3
"""Too many, too slow, too soon gone: crowds of clients against `perilune serve`, none of which may disturb a good one.

    serve_crowd.py BUILD_FOLDER [--only idle|queue|leavers|descriptors] [--count 10000] [--seed 1]

idle: 10,000 connections that say nothing, stop in a header or a body, send a byte a second, or do not read what they asked
for; all are let go in time and their descriptors and memory given back. queue: more images than may wait get 429 with
Retry-After. leavers: clients that close while their request is on its way. descriptors: more connections than the service
may have open files. Python's standard library only.
"""
import argparse
import os
import random
import resource
import select
import socket
import threading
import time

import serve_bodies as bodies
from draw_hands import Checks, wait_until
from serve_service import PATIENCE, RAW, Companion, Connection, Service, allow_descriptors, message

IDLE = 4         # seconds, as the service is told
RECEIVE = 10     # seconds that the service gives a request to come in
PER_IDLE = 40    # KB of memory that an idle connection may take
AFTER = 30       # MB that may stay when they have gone (a sanitizer keeps what is freed, to find those who use it)


def finish(checks, service, where, descriptors):
    """The service gives all back, ends well, and its sanitizers have said nothing."""
    checks.check(f"{where}: it lives", service.alive(), service.text()[-2000:])
    if service.alive():
        given = wait_until(lambda: service.descriptors() <= descriptors, 10)
        checks.check(f"{where}: all descriptors are given back", given, (descriptors, service.descriptors()))
        got = service.ask("POST", "/v1/predict", bodies.bar())
        checks.check(f"{where}: it answers", got is not None and got.status == 200, got)
    checks.check(f"{where}: it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
    checks.check(f"{where}: the sanitizers are silent", not service.reports(), service.reports()[:6000])


class Crowd:
    """Many connections watched by epoll; each is told apart by its kind."""

    def __init__(self):
        self.epoll, self.members, self.gone = select.epoll(), {}, {}

    def join(self, port, kind, data=b"", buffer=None):
        made = socket.socket()
        if buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        made.bind((f"127.0.0.{2 + len(self.members) % 50}", 0))  # no address runs out of ports
        made.settimeout(PATIENCE)
        made.connect(("127.0.0.1", port))
        if data:
            made.sendall(data)
        made.setblocking(False)
        self.members[made.fileno()] = made, kind
        self.epoll.register(made.fileno(), select.EPOLLRDHUP if kind == "does not read" else select.EPOLLIN | select.EPOLLRDHUP)

    def waiting(self):
        """Who is still to be let go. Those who do not read cannot see it: what ends their connection waits behind all that
        they have not read; the service's descriptors tell."""
        return [made for made, kind in self.members.values() if kind != "does not read"]

    def kinds(self):
        counted = {}
        for _, kind in self.members.values():
            counted[kind] = counted.get(kind, 0) + 1
        return counted

    def trickle(self, data, at):
        """One byte more from those that are slow."""
        for made, kind in list(self.members.values()):
            if kind.startswith("slow"):
                try:
                    made.send(data[kind][at:at + 1])
                except OSError:
                    pass

    def watch(self, seconds):
        """Reads what comes, and lets those go that were closed."""
        end = time.monotonic() + seconds
        while self.members and time.monotonic() < end:
            for number, _ in self.epoll.poll(0.05, 2000):
                made, kind = self.members[number]
                try:
                    if made.recv(65536):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                self.gone[kind] = self.gone.get(kind, 0) + 1
                self.epoll.unregister(number)
                made.close()
                del self.members[number]

    def leave(self):
        for made, _ in self.members.values():
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            made.close()
        self.members = {}


def test_idle(checks, build, count):
    allow_descriptors(count + 200)
    raw = bodies.bar()
    whole = message("POST", "/v1/predict", raw)
    slow = {"slow header": whole, "slow body": raw}
    with Service(build, "--idle", IDLE) as service:
        service.ask("POST", "/v1/predict", raw)
        descriptors, before = service.descriptors(), service.resident()
        companion, crowd, began = Companion(service, raw), Crowd(), time.monotonic()
        for i in range(300):
            crowd.join(service.port, "slow header")
            crowd.join(service.port, "slow body", message("POST", "/v1/predict", None, {"Content-Length": "784",
                "Content-Type": RAW}))
        for i in range(40):
            crowd.join(service.port, "does not read", message("POST", "/v1/predict?input=1", raw * 500) * 2, 4096)
        for i in range(count - 640):
            kind = i % 8
            if kind == 0:
                crowd.join(service.port, "stops in a header", whole[:20 + i % 60])
            elif kind == 1:
                crowd.join(service.port, "stops in a body", whole[:-1 - i % 700])
            elif kind == 2:
                crowd.join(service.port, "asked once", message("GET", "/healthz"))
            else:
                crowd.join(service.port, "says nothing")
            if i % 100 == 0:
                crowd.watch(0)
        took = time.monotonic() - began
        # the system has connected them all; the service accepts the last of them a little later
        wait_until(lambda: service.descriptors() - descriptors > 0.9 * count, 10)
        open_now, used = service.descriptors() - descriptors, service.resident() - before
        print(f"{count} connections in {took:.1f} s, {open_now} open at once, {used:.1f} MB more", flush=True)
        checks.check("most of them were open at once", open_now > 0.9 * count or took > IDLE, (open_now, crowd.gone))
        checks.check("idle connections take little memory", used * 1024 < PER_IDLE * count * service.slow,
                     f"{used:.1f} MB")
        busy, at = service.processor(), 0
        while crowd.waiting() and time.monotonic() < began + took + RECEIVE + IDLE + 30 * service.slow:
            crowd.trickle(slow, at)
            at += 1
            crowd.watch(1)
        print(f"let go after {time.monotonic() - began:.1f} s: {crowd.gone}", flush=True)
        checks.check("all of them are let go in time", not crowd.waiting(), crowd.kinds())
        checks.check("those who do not read, too", wait_until(lambda: service.descriptors() <= descriptors + 4, 45),
                     service.descriptors())
        checks.check("slow ones are cut off before they are through", at < 60, at)
        used = service.processor() - busy
        print(f"processor time meanwhile {used:.2f} s", flush=True)
        crowd.leave()
        companion.end(checks, f"{count} connections")
        given_back = wait_until(lambda: service.resident() - before < AFTER, 10 if service.slow == 1 else 0)
        print(f"memory afterwards {service.resident() - before:+.1f} MB", flush=True)
        checks.check("their memory is given back", given_back or service.slow > 1, f"{service.resident() - before:.1f} MB")
        finish(checks, service, "idle", descriptors)


def test_queue(checks, build, rng):
    """Bursts of more than may wait: each is answered 200 or 429, and who waits as told gets through."""
    raw = bodies.bar()
    with Service(build, "--queue", 16, "--batch", 8) as service:
        descriptors = service.descriptors()
        expected = service.ask("POST", "/v1/predict", raw).labels()
        statuses, after, lock = {}, [], threading.Lock()

        def burst(seed):
            mine = random.Random(seed)
            with service.connect() as connection:
                for _ in range(20):
                    count = mine.choice([1, 4, 8])
                    got = connection.ask("POST", "/v1/predict", raw * count)
                    with lock:
                        kind = got.status if got else None
                        statuses[kind] = statuses.get(kind, 0) + 1
                        if kind == 429:
                            after.append((got.headers.get("retry-after"), got.reason()))
                        elif kind == 200 and got.labels() != expected * count:
                            statuses["wrong"] = statuses.get("wrong", 0) + 1

        threads = [threading.Thread(target=burst, args=(rng.random(),)) for _ in range(48)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"a queue of 16 images under 48 clients: {statuses}", flush=True)
        checks.check("some are told to come again", statuses.get(429, 0) > 0, statuses)
        checks.check("some are served", statuses.get(200, 0) > 0, statuses)
        checks.check("nothing else", set(statuses) <= {200, 429}, statuses)
        checks.check("Retry-After is a number of seconds", all(value and value.isdigit() and 1 <= int(value) <= 60
                                                               for value, _ in after), after[:3])
        checks.check("429 says why", all("queue" in reason or "wait" in reason for _, reason in after), after[:3])
        got = service.ask("POST", "/v1/predict", raw * 17)
        checks.check("one request with more images than ever may wait: 413 or 429 and why", got and got.status in (413,
            429) and "1" in got.reason(), got)
        got = service.ask("POST", "/v1/predict", raw * 16)
        checks.check("one with as many as may wait", got and got.status == 200 and got.labels() == expected * 16, got)
        finish(checks, service, "queue", descriptors)


def test_leavers(checks, build, rng):
    """Clients that close at random moments while their request comes in, waits, or is answered."""
    raw = bodies.bar()
    with Service(build, "--access-log", "access.log") as service:
        service.ask("POST", "/v1/predict", raw)
        descriptors, companion = service.descriptors(), Companion(service, raw)
        kinds = [(kind, body) for _, kind, body in bodies.good_bodies()]
        sizes = []
        for turn in range(2):
            for i in range(1200):
                kind, body = rng.choice(kinds)
                data = message("POST", rng.choice(["/v1/predict", "/v1/predict?input=1", "/v1/explain"]), body,
                               {"Content-Type": kind})
                data = data * rng.choice([1, 1, 1, 5]) if rng.random() < 0.7 else data[:rng.randrange(len(data))]
                connection = service.connect()
                try:
                    connection.send(data)
                    connection.socket.settimeout(0.05)
                    if rng.random() < 0.2:
                        connection.socket.shutdown(socket.SHUT_WR)
                    time.sleep(rng.choice([0, 0, rng.uniform(0, 0.004), rng.uniform(0, 0.02)]))
                    if rng.random() < 0.1:
                        connection.socket.recv(rng.choice([1, 100]))
                except OSError:
                    pass
                connection.reset() if rng.random() < 0.6 else connection.close()
            sizes.append(service.resident())
        with service.connect() as connection:  # half closed is not gone: the answer is still wanted
            connection.send(message("POST", "/v1/predict", raw))
            connection.socket.shutdown(socket.SHUT_WR)
            try:
                got = connection.answer()
            except OSError as problem:
                got = problem
            checks.check("a client that has closed its half is answered, or let go", got is None or got.status == 200, got)
        companion.end(checks, "clients that leave")
        checks.check("no leak by those who leave", sizes[1] < sizes[0] + 16 * service.slow, sizes)
        finish(checks, service, "leavers", descriptors)


def test_descriptors(checks, build):
    """The service may open few files: the crowd waits or is turned away, no processor is burnt, and all is well again after."""
    raw = bodies.bar()
    few = 80
    with Service(build, "--idle", 30, prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))) as service:
        service.ask("POST", "/v1/predict", raw)
        descriptors = service.descriptors()
        crowd = []
        for _ in range(3 * few):
            try:
                crowd.append(Connection(service.port, 5))
            except OSError:
                break
        time.sleep(0.5)
        used = service.processor()
        time.sleep(2)
        used = service.processor() - used
        checks.check("no processor is burnt while nothing can be opened", used < 0.5 * service.slow,
                     f"{used:.2f} s in 2 s")
        checks.check("the crowd is connected", len(crowd) > few, len(crowd))
        for connection in crowd:
            connection.reset()
        answers = lambda: service.ask("POST", "/v1/predict", raw).status == 200  # noqa: E731
        try:
            checks.check("it answers when they are gone", wait_until(answers, 10))
        except (OSError, AttributeError) as problem:
            checks.check("it answers when they are gone", False, problem)
        finish(checks, service, "few descriptors", descriptors)


def main():
    parser = argparse.ArgumentParser(description="Crowds of clients against perilune serve.")
    parser.add_argument("build")
    parser.add_argument("--only")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    build, checks, rng = os.path.abspath(options.build), Checks(), random.Random(options.seed)
    tests = {"queue": lambda: test_queue(checks, build, rng), "leavers": lambda: test_leavers(checks, build, rng),
             "descriptors": lambda: test_descriptors(checks, build), "idle": lambda: test_idle(checks, build,
                 options.count)}
    for name, test in tests.items():
        if options.only in (None, name):
            test()
    checks.end()


if __name__ == "__main__":
    main()
