"""bench.sh notebook: Perilune's kernel beside the others that can be had, in one run.

Columns, each the median over rounds in which the kernels take turns:
    start      ms from exec to the answer to kernel_info_request
    cell       ms from an execute_request of nothing to idle
    lines      ms until 10,000 printed lines have arrived
    output     seconds until 50 MB, written in lines of 100 bytes, have arrived
What arrives is counted, after idle too where a kernel sends output behind it: a kernel that loses some of it says so in
its row instead of a time.
"""
import argparse
import os
import queue
import subprocess
import sys
import tempfile
import time

import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from sides import ROOT, keep, machine, median

PATIENCE = 30  # seconds of silence; then the kernel has hung
LATE = 3  # seconds of silence after idle; then what has not come is lost
LINES, BYTES = 10_000, 50_000_000

LUA = {"nothing": "", "lines": "for i = 1, 10000 do print(i) end",
       "output": "local line = ('x'):rep(99) .. '\\n' for i = 1, 500000 do io.write(line) end"}
PYTHON = {"nothing": "", "lines": "for i in range(1, 10001): print(i)",
          "output": "import sys\nline = 'x' * 99 + '\\n'\nfor i in range(500000): sys.stdout.write(line)"}

KERNELS = {
    "perilune": ([str(ROOT / "build/perilune"), "kernel", "run", "--connection-file", "{file}"], LUA),
    "ilua": ([sys.executable, "-m", "ilua.app", "-c", "{file}"], LUA),
    "ipykernel": ([sys.executable, "-m", "ipykernel_launcher", "-f", "{file}"], PYTHON),
}


class Kernel:
    """A running kernel and a client on it; `start` is how long it took."""

    def __init__(self, command, folder):
        path, _ = write_connection_file(os.path.join(folder, "kernel-%d.json" % time.monotonic_ns()))
        self.client = BlockingKernelClient(connection_file=path)
        self.client.load_connection_file()
        self.client.context.setsockopt(zmq.RECONNECT_IVL, 5)  # knock often: the usual 100 ms would be measured too
        self.client.start_channels(hb=False, stdin=False)
        began = time.perf_counter()
        self.process = subprocess.Popen([part.format(file=path) for part in command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        self.client.kernel_info()
        self.client.get_shell_msg(timeout=PATIENCE)
        self.start = time.perf_counter() - began
        self.client.wait_for_ready(timeout=PATIENCE)  # until iopub is heard too

    def run(self, code, wanted=0):
        """Seconds from a request to idle and to the last of `wanted` lines; the letters and lines that came."""
        began = time.perf_counter()
        msg_id = self.client.execute(code)
        letters = lines = 0
        idle = False
        while not idle or lines < wanted:
            try:
                message = self.client.get_iopub_msg(timeout=LATE if idle else PATIENCE)
            except queue.Empty:
                if not idle:
                    raise
                break
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] == "stream":
                letters += len(message["content"]["text"])
                lines += message["content"]["text"].count("\n")
            elif message["msg_type"] == "error":
                raise RuntimeError(message["content"]["evalue"])
            elif message["content"].get("execution_state") == "idle":
                idle = True
        took = time.perf_counter() - began
        while self.client.get_shell_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != msg_id:
            pass
        return took, letters, lines

    def close(self):
        self.client.stop_channels()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.client.context.destroy(linger=0)


def measure(name, folder, row):
    """One round with one kernel: adds to the row's lists, or says in it what went wrong."""
    command, code = KERNELS[name]
    kernel = Kernel(command, folder)
    try:
        row["start"].append(1e3 * kernel.start)
        row["cell"].append(1e3 * median([kernel.run(code["nothing"])[0] for _ in range(30)]))
        for kind, wanted, unit in ("lines", LINES, 1e3), ("output", BYTES // 100, 1):
            took, letters, lines = kernel.run(code[kind], wanted)
            if lines != wanted or (kind == "output" and letters != BYTES):
                row["lost"][kind] = "%d of %d" % (lines, wanted)
            row[kind].append(unit * took)
    finally:
        kernel.close()


def cell(row, kind, shape):
    if kind in row["lost"]:
        return "lost: " + row["lost"][kind]
    return shape % median(row[kind]) if row[kind] else "hung"


def main():
    options = argparse.ArgumentParser(prog="bench.sh notebook")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only")
    options = options.parse_args(sys.argv[2:])
    names = [n for n in KERNELS if not options.only or n in options.only.split(",")]
    rows = {n: {"name": n, "start": [], "cell": [], "lines": [], "output": [], "lost": {}} for n in names}
    print(f"the notebook kernel beside others\n  {machine()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for variable in "HOME", "IPYTHONDIR", "XDG_STATE_HOME", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR":
            os.environ[variable] = folder
        for _ in range(options.rounds):
            for name in list(names):
                try:
                    measure(name, folder, rows[name])
                except (queue.Empty, RuntimeError, OSError) as problem:
                    print(f"  {name}: {type(problem).__name__} {problem}", flush=True)
                    names.remove(name)
    print(f"\n{'kernel':<12}{'start ms':>12}{'cell ms':>12}{'10,000 lines ms':>18}{'50 MB s':>12}")
    for row in rows.values():
        print(f"{row['name']:<12}{cell(row, 'start', '%.0f'):>12}{cell(row, 'cell', '%.2f'):>12}"
              f"{cell(row, 'lines', '%.0f'):>18}{cell(row, 'output', '%.2f'):>12}")
    keep("notebook", {"table": "notebook", "machine": machine(), "rounds": options.rounds, "rows": list(rows.values())})


main()
