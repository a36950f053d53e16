"""bench.sh serve: `perilune serve` beside the same net behind Node's http server with onnxruntime-node, and behind
uvicorn and Starlette with PyTorch, asked by wrk with one image of MNIST's test set a request.

    bash scripts/bench/bench.sh serve [--rounds 5] [--seconds 2] [--connections 1,16,64,256] [--kinds raw,json] [--only NAME,...]

Every side is a server of its own that waits on the loopback while another is asked; wrk (one thread) and all servers
share the machine's processors. A rival takes part in several shapes (processes, threads, batches of what waits) and is
judged by the best of them in each cell. Before anything is timed, all sides must answer CHECKED images with the same
labels and, to TOLERANCE, the same probabilities; every side is warmed up in every cell. Rounds alternate; the
medians over the rounds are told, the ratio is the median of the rounds' ratios.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import data
import serve_net
from sides import HERE, ROOT, keep, machine, median, probe

WORK = ROOT / "build/bench-serve"  # where bench.sh installs onnxruntime-node, and what is made for the servers
IMAGES, CHECKED = 1000, 100
TOLERANCE = 1e-4
PATIENCE = 60  # seconds until a server serves
WARM = 1  # seconds of a cell's warm-up
FAMILIES = {"perilune": "Perilune", "node": "Node, onnxruntime", "torch": "uvicorn, PyTorch"}


def node(name, processes, threads, batch):
    work = {"net": str(WORK / "digits.onnx"), "modules": str(WORK), "processes": processes, "threads": threads, "batch": batch}
    return f"node {name}", ["node", str(HERE / "serve_node.mjs"), json.dumps(work)]


def torch(name, processes, threads, mode):
    work = {"processes": processes, "threads": threads, "batch": 64, "mode": mode}
    return f"torch {name}", [sys.executable, str(HERE / "serve_torch.py"), json.dumps(work)]


SIDES = dict([
    ("perilune", [str(ROOT / "build/perilune"), "serve", "--port", "0"]),
    node("plain", 1, 1, 1), node("batches", 1, 1, 64), node("2 threads", 1, 2, 64),
    node("2 processes", 2, 1, 64), node("2 processes plain", 2, 1, 1),
    torch("plain", 1, 1, "script"), torch("2 threads", 1, 2, "script"),
    torch("2 processes", 2, 1, "script"), torch("2 processes eager", 2, 1, "eager"),
])


class Server:
    """One side: a process that serves until it is told to end."""

    def __init__(self, name, command):
        self.name, self.family = name, name.split()[0]
        self.log = WORK / f"{name.replace(' ', '-')}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        self.url = self.wait_for_url()

    def wait_for_url(self):
        """What it says that it serves."""
        for _ in range(int(PATIENCE / 0.02)):
            found = re.search(r"http://[\w.]+:\d+", self.log.read_text(encoding="utf-8"))
            if found:
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.process.kill()
        self.process.wait()
        raise SystemExit(f"bench: {self.name} does not serve: see {self.log}")

    def connect(self):
        return http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)

    def processes(self):
        """The ids of it and its children."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid] + [int(child) for path in children for child in path.read_text().split()]

    def processor(self):
        """Seconds of processor time that it has taken so far."""
        ticks = 0
        for process in self.processes():
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def load(self, kind, connections, seconds):
        """What wrk told of it, and its processor time in microseconds a request."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "serve_wrk.lua"),
                   self.url, "--", kind, str(WORK / "images")]
        before = self.processor()
        out = subprocess.run(command, capture_output=True, text=True)
        spent = self.processor() - before
        if out.returncode:
            raise SystemExit(f"bench: wrk on {self.name} failed: {out.stderr.strip() or out.stdout.strip()}")
        told = json.loads(out.stdout.strip().splitlines()[-1])
        if told["refused"] or told["failed"] or not told["requests"]:
            raise SystemExit(f"bench: {self.name}, {kind}, {connections} connections: {told}")
        return {**told, "rate": told["requests"] / told["seconds"], "processor": spent / told["requests"] * 1e6}

    def close(self):
        self.process.stdin.close()
        if self.family == "perilune":
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def answers(server, images, kind):
    """What a side says of images: rows (label, probabilities)."""
    rows, connection = [], server.connect()
    for image in images:
        body = image.tobytes() if kind == "raw" else json.dumps({"pixels": image.reshape(-1).tolist()})
        what = "application/octet-stream" if kind == "raw" else "application/json"
        connection.request("POST", "/v1/predict", body, {"Content-Type": what})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise SystemExit(f"bench: {server.name} answers {kind} with {answer.status}: {text[:500]}")
        one = json.loads(text)["predictions"][0]
        rows.append((int(one["label"]), one["probabilities"]))
    connection.close()
    return rows


def agree(servers, images, labels):
    """Ends the run when two sides differ about an image."""
    first = answers(servers[0], images, "raw")
    for server in servers:
        for kind in ("raw", "json"):
            for i, (one, other) in enumerate(zip(first, answers(server, images, kind))):
                off = max(abs(a - b) for a, b in zip(one[1], other[1]))
                if one[0] != other[0] or len(one[1]) != len(other[1]) or off > TOLERANCE:
                    raise SystemExit(f"bench: {server.name} and {servers[0].name} differ about test image {i + 1} ({kind}): "
                                     f"labels {other[0]} and {one[0]}, probabilities up to {off:g} apart")
    right = sum(row[0] == label for row, label in zip(first, labels))
    print(f"  all sides agree about {len(images)} images, raw and JSON ({right} right)", flush=True)


def measure(servers, kind, connections, options):
    """All sides in turn: for each the list of what wrk told, one a round."""
    told = {server.name: [] for server in servers}
    for server in servers:
        server.load(kind, connections, WARM)
    for number in range(options.rounds):
        at = number % len(servers)
        for server in servers[at:] + servers[:at]:
            time.sleep(0.1)
            told[server.name].append(server.load(kind, connections, options.seconds))
    return told


def rows_of(told, kind, connections):
    """A row a side, the best of each family marked; Perilune's with its ratio to the best rival of each round."""
    rows = []
    for name, each in told.items():
        middle = {key: median([one[key] for one in each]) for key in ("rate", "p50", "p99", "processor")}
        rows.append({"kind": kind, "connections": connections, "name": name, "family": name.split()[0], **middle,
                     "low": min(one["rate"] for one in each), "high": max(one["rate"] for one in each), "best": False})
    for family in {row["family"] for row in rows}:
        max((row for row in rows if row["family"] == family), key=lambda row: row["rate"])["best"] = True
    rivals = [name for name in told if name != "perilune"]
    if "perilune" in told and rivals:
        mine = told["perilune"]
        rows[0]["ratio"] = median([mine[i]["rate"] / max(told[name][i]["rate"] for name in rivals) for i in range(len(mine))])
    return rows


def show(rows):
    for row in rows:
        print(f"{row['kind']:<6}{row['connections']:>6}  {row['name']:<24}{row['rate']:>10.0f}{row['low']:>10.0f}{row['high']:>10.0f}"
              f"{row['p50']:>9.2f}{row['p99']:>9.2f}{row['processor']:>9.1f}  {'*' if row['best'] else ' '}"
              + (f"  {row['ratio']:.2f} times the better rival" if "ratio" in row else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench.sh")
    parser.add_argument("bench", choices=["serve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", default="1,16,64,256")
    parser.add_argument("--kinds", default="raw,json")
    parser.add_argument("--only", help="these sides only: " + ", ".join(SIDES))
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(SIDES)
    (WORK / "digits.onnx").write_bytes(serve_net.onnx_graph())
    images, labels = data.pictures({"net": "digit"}, "test")
    (WORK / "images").write_bytes(images[:IMAGES].tobytes())
    threads = len(os.sched_getaffinity(0))
    print(f"one image a request by wrk, one thread of it; servers and wrk share the processors\n  {machine()}, "
          f"probe {probe(threads):.0f} GFLOP/s", flush=True)
    result = {"table": "serve", "machine": machine(), "threads": threads, "rounds": options.rounds,
              "seconds": options.seconds, "families": FAMILIES, "rows": []}
    servers = []
    try:
        for name in wanted:
            servers.append(Server(name, SIDES[name]))
        agree(servers, images[:CHECKED], labels[:CHECKED])
        print(f"{'body':<6}{'conn.':>6}  {'side':<24}{'req/s':>10}{'low':>10}{'high':>10}{'p50 ms':>9}{'p99 ms':>9}{'cpu us':>9}  best")
        for kind in options.kinds.split(","):
            for connections in options.connections.split(","):
                told = measure(servers, kind, int(connections), options)
                rows = rows_of(told, kind, int(connections))
                show(rows)
                result["rows"] += rows
    finally:
        for server in servers:
            server.close()
    keep("serve", result)


if __name__ == "__main__":
    main()
