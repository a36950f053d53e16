"""Sides of a benchmark: processes that wait for work, asked in turn; and what is made of their answers.

A side is a command whose first argument is a JSON object. It prints one line that says what it is, then answers
each line {"steps": n} with {"seconds": of one step} and, for inference, p50 and p99 in seconds.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "scripts/bench"
SETTLE = 0.2  # seconds between two sides
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "PERILUNE_ISA": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}


class Side:
    """One waiting process."""

    def __init__(self, name, program, threads, env=None, **work):
        self.name, self.work = name, work
        command = {"perilune": [str(ROOT / "build/perilune"), str(HERE / "side_perilune.lua")],
                   "torch": [sys.executable, str(HERE / "side_torch.py")],
                   "keras": [sys.executable, str(HERE / "side_keras.py")],
                   "onnx": [sys.executable, str(HERE / "side_onnx.py")]}[program]
        own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3",
               "TF_NUM_INTRAOP_THREADS": str(threads), "PERILUNE_THREADS": str(threads)}
        self.log = open(os.devnull, "w") if not os.environ.get("BENCH_LOG") else None
        self.process = subprocess.Popen(command + [json.dumps({"threads": threads, **work})], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, **own, **(env or {})})
        self.about = self.line()
        self.steps = 0

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise SystemExit(f"bench: {self.name} ended without an answer (BENCH_LOG=1 shows its errors)")
        return text.strip()

    def ask(self, steps):
        """Seconds of one step, as the answer's object."""
        self.process.stdin.write(json.dumps({"steps": steps}) + "\n")
        return json.loads(self.line())

    def warm(self, seconds):
        """Finds how many steps take about `seconds`."""
        self.ask(2)
        each = self.ask(3)["seconds"]
        self.steps = max(3, min(100000, round(seconds / each)))
        self.ask(max(2, self.steps // 4))

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def probe(threads, isa="best"):
    """GFLOP/s of independent multiply-adds on `threads` cores."""
    check = next(iter(sorted((ROOT / "build").rglob("perilune-check"))))
    command = [str(check), "--probe"] + (["--isa", isa] if isa != "best" else [])
    out = subprocess.run(command, capture_output=True, text=True, check=True,
                         env={**os.environ, "PERILUNE_THREADS": str(threads)})
    return float(out.stdout.split()[0])


def rounds(sides, count, seconds, threads):
    """Asks all sides in turn, `count` times: for each side the list of its answers; and the probes. Before each
    answer that counts, the side before has time to let its threads sleep, and this one runs for a moment."""
    for side in sides:
        side.warm(seconds)
    answers, probes = {side.name: [] for side in sides}, []
    for number in range(count):
        probes.append(probe(threads))
        for side in sides[number % len(sides):] + sides[:number % len(sides)]:
            time.sleep(SETTLE)
            side.ask(max(2, side.steps // 8))
            answers[side.name].append(side.ask(side.steps))
    return answers, probes


def median(values):
    return statistics.median(values)


def seconds_of(answers, name, key="seconds"):
    return median([a[key] for a in answers[name]])


def ratio(answers, mine, others, key="seconds"):
    """Median over the rounds of (the best of the others / mine)."""
    best = [min(answers[o][i][key] for o in others) for i in range(len(answers[mine]))]
    return median([b / a[key] for a, b in zip(answers[mine], best)])


def machine():
    name = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return f"{name}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}"


def keep(name, result):
    path = ROOT / "build/bench" / f"{name}.json"
    path.write_text(json.dumps(result, indent=1))
