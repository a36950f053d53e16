"""The tables of bench.sh: which sides take part in each, what is printed and kept."""
import argparse
import json
import os
import subprocess
import time

import cold
from sides import AVX2, HERE, ROOT, Side, keep, machine, median, probe, ratio, rounds, seconds_of

STEPS = 469  # training steps of an epoch of MNIST at a batch of 128


def only(options, sides):
    wanted = options.only.split(",") if options.only else None
    return [s for s in sides if not wanted or s[0] in wanted]


def start(options, rows, **work):
    """Sides from rows of (name, program, work of its own, environment)."""
    made = []
    for name, program, own, env in only(options, rows):
        try:
            made.append(Side(name, program, options.threads, env, **{**work, **own}))
            print(f"  {name}: {made[-1].about}", flush=True)
        except SystemExit as reason:
            if program == "perilune":
                raise
            print(f"  {name}: not here ({reason})", flush=True)
    return made


def head(options, title):
    print(f"{title}\n  {machine()}, {options.threads} threads a side", flush=True)


def operations(**work):
    """What a training step of Perilune's net executes, by net:plan(): floating-point operations."""
    out = subprocess.run([str(ROOT / "build/perilune"), str(HERE / "operations.lua"), json.dumps(work)],
                         capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


def train(options):
    head(options, "seconds an epoch of the digit net (469 steps, batch 128, Adam)")
    torch = [("torch NCHW", "torch", {"layout": "NCHW"}, None), ("torch NHWC", "torch", {"layout": "NHWC"}, None),
             ("torch compiled", "torch", {"layout": "NCHW", "compile": True}, None),
             ("torch bf16", "torch", {"layout": "NHWC", "precision": "bf16"}, None),
             ("torch NCHW avx2", "torch", {"layout": "NCHW"}, AVX2), ("torch NHWC avx2", "torch", {"layout": "NHWC"}, AVX2)]
    ours = [("perilune", "perilune", {}, None), ("perilune avx2", "perilune", {}, AVX2),
            ("perilune bf16", "perilune", {"precision": "bf16"}, None)]
    keras = [("keras tensorflow", "keras", {"backend": "tensorflow"}, None), ("keras jax", "keras", {"backend": "jax"}, None)]
    sides = start(options, ours + torch + keras, net="digit", batch=128, kind="train")
    answers, probes = rounds(sides, options.rounds, options.seconds, options.threads)
    for side in sides:
        side.close()
    plain = [n for n in ("torch NCHW", "torch NHWC", "torch compiled") if n in answers]
    rivals = {"perilune": plain, "perilune avx2": [n for n in answers if n.startswith("torch") and n.endswith("avx2")],
              "perilune bf16": plain + [n for n in ("torch bf16",) if n in answers]}
    executed = operations(net="digit", batch=128)
    result = {"table": "train", "machine": machine(), "threads": options.threads, "rounds": options.rounds,
              "probe": median(probes), "executed": executed, "rows": []}
    print(f"\n{'side':<20}{'s/epoch':>9}{'low':>8}{'high':>8}  torch's best / it")
    for name in answers:
        each = [a["seconds"] * STEPS for a in answers[name]]
        row = {"name": name, "seconds": median(each), "low": min(each), "high": max(each)}
        if rivals.get(name):
            row["ratio"], row["against"] = ratio(answers, name, rivals[name]), rivals[name]
        if name == "perilune" and executed:
            row["fraction"] = executed / (row["seconds"] / STEPS) / 1e9 / median(probes)
        result["rows"].append(row)
        print(f"{name:<20}{row['seconds']:9.3f}{row['low']:8.3f}{row['high']:8.3f}  "
              + (f"{row['ratio']:.2f} times ({', '.join(rivals[name])})" if "ratio" in row else ""))
    print(f"multiply-add probe, {options.threads} threads: {median(probes):.0f} GFLOP/s")
    if executed:
        print(f"executed: {executed / 1e9:.3f} GFLOP a step, {100 * result['rows'][0].get('fraction', 0):.0f} % of the probe")
    keep("train", result)


def nets(options):
    head(options, "milliseconds a training step of other nets")
    result = {"table": "nets", "machine": machine(), "threads": options.threads, "rounds": options.rounds, "rows": []}
    print(f"{'net':<8}{'batch':>6}{'perilune':>10}{'NCHW':>10}{'NHWC':>10}{'ratio':>8}{'of probe':>10}", flush=True)
    for net in (options.only.split(",") if options.only else ["mlp", "lenet", "vgg", "resnet"]):
        for batch in (32, 128, 512):
            rows = [("perilune", "perilune", {}, None), ("torch NCHW", "torch", {"layout": "NCHW"}, None),
                    ("torch NHWC", "torch", {"layout": "NHWC"}, None)]
            sides = [Side(n, p, options.threads, e, net=net, batch=batch, kind="train", **w) for n, p, w, e in rows]
            answers, probes = rounds(sides, options.rounds, options.seconds, options.threads)
            for side in sides:
                side.close()
            executed = operations(net=net, batch=batch)
            row = {"net": net, "batch": batch, **{n: seconds_of(answers, n) for n in answers},
                   "ratio": ratio(answers, "perilune", ["torch NCHW", "torch NHWC"])}
            if executed:
                row["fraction"] = executed / row["perilune"] / 1e9 / median(probes)
            result["rows"].append(row)
            print(f"{net:<8}{batch:6}{row['perilune'] * 1e3:10.3f}{row['torch NCHW'] * 1e3:10.3f}"
                  f"{row['torch NHWC'] * 1e3:10.3f}{row['ratio']:8.2f}" + (f"{100 * row['fraction']:9.0f}%" if executed else ""),
                  flush=True)
    keep("nets", result)


def inference(options):
    head(options, "inference of the digit net")
    result = {"table": "inference", "machine": machine(), "threads": options.threads, "rounds": options.rounds, "rows": []}
    print(f"{'batch':>6}  {'side':<14}{'images/s':>12}{'p50 us':>11}{'p99 us':>11}{'it / perilune':>15}", flush=True)
    for batch in (1, 4, 16, 64, 256, 1024, 4096):
        rows = only(options, [("perilune", "perilune", {}, None), ("onnxruntime", "onnx", {}, None),
                              ("torch NCHW", "torch", {"layout": "NCHW"}, None), ("torch NHWC", "torch", {"layout": "NHWC"}, None)])
        sides = [Side(n, p, options.threads, e, net="digit", batch=batch, kind="infer", **w) for n, p, w, e in rows]
        answers, _ = rounds(sides, options.rounds, options.seconds / 2, options.threads)
        for side in sides:
            side.close()
        for name in answers:
            row = {"batch": batch, "name": name, "images": batch / seconds_of(answers, name),
                   "p50": seconds_of(answers, name, "p50"), "p99": seconds_of(answers, name, "p99"),
                   "ratio": ratio(answers, "perilune", [name], "p50") if "perilune" in answers else 1}
            result["rows"].append(row)
            print(f"{batch:6}  {name:<14}{row['images']:12.0f}{row['p50'] * 1e6:11.1f}{row['p99'] * 1e6:11.1f}{row['ratio']:15.2f}",
                  flush=True)
    keep("inference", result)


def scaling(options):
    head(options, "training time against batch, width and image size")
    result = {"table": "scaling", "machine": machine(), "threads": options.threads, "rounds": options.rounds, "rows": []}
    cases = [("batch", b, {"net": "digit", "batch": b}) for b in (8, 16, 32, 64, 128, 256, 512, 1024)]
    cases += [("width", w, {"net": "digit", "batch": 128, "width": w}) for w in (1, 2, 4)]
    cases += [("size", s, {"net": "images", "batch": 32, "size": s}) for s in (28, 56, 112, 224)]
    print(f"{'what':<8}{'':>6}{'perilune us/image':>20}{'torch us/image':>16}{'ratio':>8}{'of probe':>10}", flush=True)
    for what, value, work in cases:
        rows = [("perilune", "perilune", {}), ("torch NCHW", "torch", {"layout": "NCHW"}), ("torch NHWC", "torch", {"layout": "NHWC"})]
        sides = [Side(n, p, options.threads, kind="train", **w, **work) for n, p, w in rows]
        answers, probes = rounds(sides, options.rounds, options.seconds, options.threads)
        for side in sides:
            side.close()
        executed, each = operations(**work), work["batch"]
        row = {"what": what, "value": value, "perilune": seconds_of(answers, "perilune") / each,
               "torch": min(seconds_of(answers, n) for n in answers if n != "perilune") / each,
               "ratio": ratio(answers, "perilune", ["torch NCHW", "torch NHWC"])}
        if executed:
            row["fraction"] = executed / (row["perilune"] * each) / 1e9 / median(probes)
        result["rows"].append(row)
        print(f"{what:<8}{value:6}{row['perilune'] * 1e6:20.2f}{row['torch'] * 1e6:16.2f}{row['ratio']:8.2f}"
              + (f"{100 * row['fraction']:9.0f}%" if executed else ""), flush=True)
    keep("scaling", result)


def kernels(options):
    """perilune-check's own timing, one thread: each kernel beside the probe."""
    check = next(iter(sorted((ROOT / "build").rglob("perilune-check"))))
    result = {"table": "kernels", "machine": machine(), "rows": []}
    for isa in ("avx512", "avx2"):
        out = subprocess.run([str(check), "--bench", "--json", "--isa", isa], capture_output=True, text=True,
                             env={**os.environ, "PERILUNE_THREADS": "1"})
        if out.returncode:
            print(f"{isa}: not on this machine")
            continue
        lines = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]
        top = lines[0]["probe"]
        print(f"{isa}, one thread, multiply-add probe {top:.0f} GFLOP/s\n{'kernel':<26}{'us':>10}{'GFLOP/s':>10}{'of probe':>10}")
        for row in lines[1:]:
            if row["executed"] > 0:
                rate = row["executed"] / row["seconds"] / 1e9
                result["rows"].append({"isa": isa, "name": row["name"], "seconds": row["seconds"], "rate": rate, "fraction": rate / top})
                print(f"{row['name']:<26}{row['seconds'] * 1e6:10.1f}{rate:10.1f}{100 * rate / top:9.0f}%")
    keep("kernels", result)


def startup(options):
    """The command's start, and the loading of MNIST, each in a fresh process."""
    head(options, "start-up")
    command, laps = str(ROOT / "build/perilune"), {"perilune -e ''": [], "lua5.4 -e ''": [], "data.mnist()": []}
    for _ in range(10 * options.rounds):
        for name, words in (("perilune -e ''", [command, "-e", ""]), ("lua5.4 -e ''", ["lua5.4", "-e", ""])):
            begun = time.perf_counter()
            subprocess.run(words, check=True)
            laps[name].append(time.perf_counter() - begun)
        out = subprocess.run([command, str(HERE / "load_mnist.lua")], capture_output=True, text=True, check=True)
        laps["data.mnist()"].append(float(out.stdout))
    for name, each in laps.items():
        print(f"{name:<18}{median(each) * 1e3:8.2f} ms (low {min(each) * 1e3:.2f}, high {max(each) * 1e3:.2f})")
    keep("startup", {"table": "startup", "machine": machine(),
                     "rows": [{"name": n, "seconds": median(v), "low": min(v), "high": max(v)} for n, v in laps.items()]})


def main():
    parser = argparse.ArgumentParser(prog="bench.sh")
    tables = {"train": train, "nets": nets, "inference": inference, "scaling": scaling, "kernels": kernels,
              "startup": startup, "cold": cold.run}
    parser.add_argument("table", choices=tables)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only")
    parser.add_argument("--rival-seeds", type=int, default=2)
    options = parser.parse_args()
    tables[options.table](options)


if __name__ == "__main__":
    main()
