"""From the start of a process to a saved digit net: bench.sh cold. Rivals in the layout and on the backend that the
table of training shows to be their fastest."""
import os
import subprocess
import sys
import tempfile
import time

from sides import HERE, ROOT, keep, machine, median, probe

SEEDS = 5


def timed(command, environment):
    """Seconds until the process says "saved", and the accuracy that it prints afterwards."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    saved = process.stdout.readline()
    seconds = time.perf_counter() - begun
    accuracy = process.stdout.readline()
    if process.wait() or saved.strip() != "saved":
        raise SystemExit(f"bench: {' '.join(command)} failed")
    return seconds, float(accuracy)


def run(options):
    threads = str(options.threads)
    environment = {**os.environ, "PERILUNE_THREADS": threads, "OMP_NUM_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ours = [str(ROOT / "build/perilune"), str(HERE / "cold.lua")]
    python = lambda name, *more: lambda seed, model: [sys.executable, str(HERE / name), str(seed), model, threads, *more]
    sides = {"perilune": (lambda seed, model: ours + [str(seed), model], ".h5", SEEDS),
             "torch NCHW": (python("cold_torch.py", "NCHW"), ".pt", options.rival_seeds),
             "keras tensorflow": (python("cold_keras.py", "tensorflow"), ".keras", options.rival_seeds)}
    result = {"table": "cold", "machine": machine(), "threads": options.threads, "rows": []}
    print(f"from the start of the process to a saved digit net\n  {machine()}, {threads} threads, "
          f"probe {probe(options.threads):.0f} GFLOP/s")
    with tempfile.TemporaryDirectory() as folder:
        held = [timed(ours + [str(s), os.path.join(folder, "held.h5"), "validate"], environment)[1] for s in range(1, SEEDS + 1)]
        print("accuracy on 6,000 images held out, seeds 1 to 5: " + " ".join(f"{100 * a:.2f}" for a in held), flush=True)
        answers = {name: [] for name in sides}
        for seed in range(1, SEEDS + 1):
            for name, (command, suffix, most) in sides.items():
                if seed <= most:
                    answers[name].append(timed(command(seed, os.path.join(folder, "net" + suffix)), environment))
                    print(f"  seed {seed}  {name:<18}{answers[name][-1][0]:7.2f} s  test {100 * answers[name][-1][1]:.2f} %", flush=True)
    print(f"\n{'side':<20}{'seconds':>9}{'low':>8}{'high':>8}{'test accuracy, median':>24}{'low':>8}")
    for name, each in answers.items():
        seconds, right = [s for s, _ in each], [a for _, a in each]
        result["rows"].append({"name": name, "seconds": median(seconds), "low": min(seconds), "high": max(seconds),
                               "accuracy": median(right), "worst": min(right), "seeds": len(each)})
        print(f"{name:<20}{median(seconds):9.2f}{min(seconds):8.2f}{max(seconds):8.2f}{100 * median(right):23.2f}%{100 * min(right):7.2f}%")
    result["held_out"] = held
    keep("cold", result)
