#!/usr/bin/env python3
"""Models replaced, services ended and started anew, while clients ask `perilune serve` without a pause.

    serve_load.py BUILD_FOLDER [--only reload|term|restart|kill|share] [--rounds 6]

reload: SIGHUP brings a new model, a broken file leaves the old one, no request is lost or failed. term: SIGTERM lets what
was asked be answered, and the exit status is 0 in time. restart: a service ended by SIGTERM, kill: by SIGKILL, and started
anew on its port loses at most the requests in flight. share: two processes share a port by --reuse-port; one is ended and
new connections see no error. Python's standard library only.
"""
import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import time

import serve_bodies as bodies
from draw_hands import Checks, wait_until
from serve_service import Connection, Service, bundled, forked, message, with_parent

# Saves a net that takes everything for a 3: arguments are the net and the file to write.
THREES = """
local net = require("perilune.nn").load(arg[1])
local list = net:parameters()
require("perilune").no_grad(function() list[#list][4] = 1000 end)
net:save(arg[2])
"""


class Load:
    """Processes that each ask one request after another, on kept connections or on a new one each time.

    What became of every request is counted: ok (with its label), lost (sent and not answered whole), refused (no
    connection, which is no loss: it is tried again), failed (any other answer than 200)."""

    def __init__(self, port, clients=4, fresh=False, body=None, pause=0.0):
        self.port, self.fresh, self.body, self.pause = port, fresh, body or bodies.bar(), pause
        self.stop, self.members, self.answered = forked.Event(), [], forked.Value("q", 0)
        for _ in range(clients):
            receiving, sending = forked.Pipe(False)
            process = forked.Process(target=self._work, args=(sending,), daemon=True)
            process.start()
            sending.close()
            self.members.append((process, receiving))

    def _work(self, sending):
        with_parent()
        data, connection, seen = message("POST", "/v1/predict", self.body), None, []
        counts = {"ok": 0, "lost": 0, "refused": 0, "failed": 0}
        said, slowest = [], 0.0
        while not self.stop.is_set():
            try:
                connection = connection or Connection(self.port)
            except OSError as problem:
                counts["refused"] += 1
                said.append(f"connect: {problem}")
                time.sleep(0.005)
                continue
            began = time.monotonic()
            try:
                connection.send(data)
                got = connection.answer()
            except OSError as problem:
                got = problem
            slowest = max(slowest, time.monotonic() - began)
            over = self.fresh
            if got is None or isinstance(got, OSError):
                counts["lost"] += 1
                said.append(f"lost: {got!r}")
                over = True
            elif got.status == 200:
                counts["ok"] += 1
                label = got.labels()[0]
                if not seen or seen[-1] != label:
                    seen.append(label)
                with self.answered.get_lock():
                    self.answered.value += 1
            else:
                counts["failed"] += 1
                said.append(f"failed: {got}")
            if over or got.headers.get("connection", "").lower() == "close":
                connection.close()
                connection = None
            if self.pause:
                time.sleep(self.pause)
        sending.send((counts, seen, said[:4] + said[-4:], slowest))

    def go_on(self, more=200, seconds=20):
        """Waits until so many more requests were answered."""
        wanted = self.answered.value + more
        return wait_until(lambda: self.answered.value >= wanted, seconds)

    def end(self):
        """Stops them: the counts of all, what labels each saw in turn, what was said of what went wrong, the slowest answer."""
        self.stop.set()
        total, seen, said, slowest = {}, [], [], 0.0
        for process, receiving in self.members:
            counts, labels, words, slow = receiving.recv() if receiving.poll(60) else ({"gone": 1}, [],
                ["a client is gone"], 0)
            process.join(5)
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
            seen.append(labels)
            said += words
            slowest = max(slowest, slow)
        return total, seen, said, slowest


def close_well(checks, service, where):
    checks.check(f"{where}: it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
    checks.check(f"{where}: the sanitizers are silent", not service.reports(), service.reports()[:6000])


def replace(source, path, cut=None):
    """Puts a file in another's place at once, whole or cut short."""
    shutil.copy(source, path + ".new")
    if cut:
        os.truncate(path + ".new", cut)
    os.rename(path + ".new", path)


def answered(service, label):
    return wait_until(lambda: service.ask("POST", "/v1/predict", bodies.bar()).labels() == [label], 10 * service.slow)


def test_reload(checks, build, rounds):
    """Nothing is lost while the model is another, and another, and broken, and missing."""
    with tempfile.TemporaryDirectory(prefix="perilune-serve-") as folder:
        threes, path = os.path.join(folder, "threes.safetensors"), os.path.join(folder, "model.safetensors")
        made = subprocess.run([os.path.join(build, "perilune"), "-", bundled(), threes], input=THREES.encode(),
                              capture_output=True, check=False,
                              env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        if not checks.check("a net of threes is made", os.path.exists(threes), made.stderr.decode()):
            return
        shutil.copy(bundled(), path)
        with Service(build, "--model", f"digits={path}", folder=folder) as service:
            one = service.ask("POST", "/v1/predict", bodies.bar()).labels()[0]
            load, fresh = Load(service.port), Load(service.port, clients=2, fresh=True)
            checks.check("the net takes a bar for something else than a 3", one != 3, one)
            steady, turns = [], 0
            for turn in range(rounds):
                for source, label in ((threes, 3), (bundled(), one)):
                    replace(source, path)
                    service.signal(signal.SIGHUP)
                    checks.check(f"reload {turn}: the new model answers", answered(service, label),
                                 service.text()[-1000:])
                    turns += 1
                    load.go_on()
                steady.append((service.resident(), service.descriptors()))
            for name, harm in (
                ("cut short", lambda: replace(threes, path, 5000)), ("empty", lambda: replace(os.devnull, path)),
                ("no net", lambda: replace(os.path.join(build, "CMakeCache.txt"), path)),
                ("missing", lambda: os.unlink(path)), ("a folder", lambda: os.mkdir(path)),
            ):
                harm()
                before = len(service.text())
                service.signal(signal.SIGHUP)
                checks.check(f"a model file that is {name}: it is said",
                             wait_until(lambda: "model.safetensors" in service.text()[before:], 10 * service.slow),
                             service.text()[before:])
                load.go_on()
                checks.check(f"a model file that is {name}: the old model answers", service.ask("POST", "/v1/predict",
                    bodies.bar()).labels() == [one])
                checks.check(f"a model file that is {name}: ready all the same", service.ask("GET",
                    "/readyz").status == 200)
            os.rmdir(path)
            replace(threes, path)
            for _ in range(20):  # a storm of signals
                service.signal(signal.SIGHUP)
                time.sleep(0.005)
            checks.check("a good file after all these", answered(service, 3), service.text()[-1000:])
            load.go_on()
            for name, crowd in (("kept", load), ("new", fresh)):
                counts, seen, said, slowest = crowd.end()
                print(f"reloads under load, {name} connections: {counts}, slowest {slowest * 1000:.0f} ms", flush=True)
                checks.check(f"{name}: no request was lost, refused or failed", counts["ok"] > 0
                             and counts["lost"] == counts["refused"] == counts["failed"] == 0, (counts, said))
                checks.check(f"{name}: the labels are those of the models, in turn", all(set(labels) <= {one, 3}
                    and len(labels) <= 2 * turns + 2 for labels in seen), seen)
            checks.check("reloads leave no memory and no file behind", steady[-1][0] < steady[0][0] + 24 * service.slow
                         and steady[-1][1] <= steady[0][1] + 8, steady)
            close_well(checks, service, "reload")


def test_term(checks, build):
    """What was asked before SIGTERM is answered."""
    for turn in range(3):
        with Service(build) as service:
            one = service.ask("POST", "/v1/predict", bodies.bar()).labels()
            waiting = [service.connect() for _ in range(40)]
            idle = [service.connect() for _ in range(20)]
            for connection in idle[:10]:
                connection.ask("GET", "/healthz")
            half = service.connect()
            half.send(message("POST", "/v1/predict", bodies.bar())[:300])
            for connection in waiting:
                connection.send(message("POST", "/v1/predict", bodies.bar() * 64))
            time.sleep(0.01 * turn)
            began = time.monotonic()
            service.signal(signal.SIGTERM if turn < 2 else signal.SIGINT)
            answers = []
            for connection in waiting:
                try:
                    got = connection.answer()
                    answers.append(got.labels() == one * 64 if got and got.status == 200 else got)
                except OSError as problem:
                    answers.append(problem)
            right = answers.count(True)
            print(f"SIGTERM with 40 requests of 64 images under way: {right} answered", flush=True)
            checks.check(f"term {turn}: all requests that had come are answered", right == len(waiting),
                         [a for a in answers if a is not True][:5])
            status = wait_until(lambda: service.process.poll() is not None, 20 * service.slow)
            took = time.monotonic() - began
            checks.check(f"term {turn}: exit status 0", status and service.process.returncode == 0,
                         (service.process.returncode, service.text()[-1000:]))
            checks.check(f"term {turn}: in time, though a request never came whole", took < 15 * service.slow, took)
            for connection in (*waiting, *idle, half):
                connection.close()
            close_well(checks, service, "term")


def test_restart(checks, build, kill, rounds):
    """Under load, ended and started anew on the same port."""
    clients = 8
    with Service(build) as first:
        port = first.port
        load, service, began = Load(port, clients), first, time.monotonic()
        load.go_on()
        try:
            for turn in range(rounds):
                if kill:
                    service.process.kill()
                    service.process.wait()
                else:
                    checks.check(f"restart {turn}: it ends with 0", service.end() == 0, (service.status,
                        service.text()[-1000:]))
                checks.check("the sanitizers are silent", not service.reports(), service.reports()[:4000])
                service = Service(build, port=port)
                checks.check(f"restart {turn}: it serves again", load.go_on())
        finally:
            counts, _, said, _ = load.end()
            service.end()
        name = "kill" if kill else "restart"
        print(f"{name}: {rounds} times in {time.monotonic() - began:.1f} s: {counts}", flush=True)
        most = 2 * clients * rounds if kill else 0  # one that was sent, and one to a listener in its last moment
        checks.check(f"{name}: lost are at most the requests in flight ({most})", counts["lost"] <= most, (counts, said))
        checks.check(f"{name}: none failed", counts["failed"] == 0, (counts, said))


def test_share(checks, build):
    """Two processes on one port; each is ended in turn while new connections come."""
    with Service(build, "--reuse-port") as first:
        pair = [first, Service(build, "--reuse-port", port=first.port)]
        try:
            taken = lambda service: service.descriptors()  # noqa: E731
            before = [taken(service) for service in pair]
            crowd = [first.connect() for _ in range(60)]
            checks.check("both take connections", wait_until(lambda: all(taken(s) > b + 5 for s, b in zip(pair, before)),
                                                             5), [taken(s) - b for s, b in zip(pair, before)])
            for connection in crowd:
                connection.close()
            load, kept = Load(first.port, clients=3, fresh=True), Load(first.port, clients=3)
            load.go_on()
            for turn in range(4):
                gone = pair.pop(0)
                checks.check(f"share {turn}: one ends with 0", gone.end() == 0, (gone.status, gone.text()[-1000:]))
                checks.check(f"share {turn}: the sanitizers are silent", not gone.reports(), gone.reports()[:4000])
                checks.check(f"share {turn}: the other goes on", load.go_on(100))
                pair.append(Service(build, "--reuse-port", port=first.port))
                load.go_on(100)
            for name, crowd in (("new", load), ("kept", kept)):
                counts, _, said, slowest = crowd.end()
                print(f"a shared port, {name} connections: {counts}, slowest {slowest * 1000:.0f} ms", flush=True)
                checks.check(f"share, {name} connections: no error",
                             counts["lost"] == counts["refused"] == counts["failed"] == 0 and counts["ok"] > 0,
                             (counts, said))
        finally:
            for service in pair:
                service.end()
    with Service(build) as alone:
        second = Service(build, port=alone.port, wait=False)
        checks.check("without --reuse-port a port that is taken is an error",
                     wait_until(lambda: second.process.poll() not in (None, 0), 20) and str(alone.port) in second.text(),
                     second.text())
        second.end()


def main():
    parser = argparse.ArgumentParser(description="Reloads, ends and restarts of perilune serve under load.")
    parser.add_argument("build")
    parser.add_argument("--only")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    build, checks, rounds = os.path.abspath(options.build), Checks(), options.rounds
    tests = {"reload": lambda: test_reload(checks, build, rounds), "term": lambda: test_term(checks, build),
             "restart": lambda: test_restart(checks, build, False, rounds // 2), "kill": lambda: test_restart(checks,
                 build, True, rounds // 2),
             "share": lambda: test_share(checks, build)}
    for name, test in tests.items():
        if options.only in (None, name):
            test()
    checks.end()


if __name__ == "__main__":
    main()
