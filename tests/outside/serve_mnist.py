#!/usr/bin/env python3
"""MNIST's 10,000 test images through `perilune serve` get the labels that the same net gives them without it.

    serve_mnist.py BUILD_FOLDER

As raw bytes, one a request over several connections, and many a request; a part as JSON, one and many. What the net says by
itself comes from net:predict in Lua, and how many are right of them must be what net:evaluate says.
Skips with the reason where MNIST is not. Python's standard library only.
"""
import argparse
import os
import struct
import subprocess
import threading
import time

from draw_hands import Checks, skip
from serve_service import Service, bundled, message

ALONE = """
local peri = require "perilune"
local net = peri.nn.load(arg[1])
local _, test = peri.data.mnist()
print(("%d"):format(math.floor(net:evaluate(test).accuracy * #test + 0.5)))
for x in test:batches { 500, shuffle = false } do
  local labels = net:predict(x):argmax(2)
  for i = 1, labels.shape[1] do io.write(labels[i] - 1, " ") end
end
"""
AT_ONCE = 4  # connections that ask beside each other


def read(name, magic):
    folder = os.environ.get("PERILUNE_DATA") or os.path.join(os.environ.get("XDG_CACHE_HOME")
                                                             or os.path.expanduser("~/.cache"), "perilune", "mnist")
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        skip(f"no {path}; scripts/fetch_mnist.sh fetches MNIST")
    with open(path, "rb") as file:
        data = file.read()
    assert struct.unpack(">I", data[:4])[0] == magic, path
    return data


def alone(build):
    """How many the net has right by itself, and its labels."""
    done = subprocess.run([os.path.join(build, "perilune"), "-", bundled()], input=ALONE.encode(), capture_output=True,
                          check=False,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    first, rest = done.stdout.decode().split("\n", 1)
    return int(first), [int(word) for word in rest.split()]


def through(service, requests):
    """Sends (method, path, body, how many) over several connections at once; the labels of all, in order."""
    found, problems = [None] * len(requests), []

    def work(begin):
        try:
            with service.connect() as connection:
                for i in range(begin, len(requests), AT_ONCE):
                    connection.send(message("POST", "/v1/predict", requests[i]))
                    got = connection.answer()
                    if got is None or got.status != 200:
                        raise ValueError(f"request {i}: {got}")
                    found[i] = got.labels()
        except (OSError, ValueError, KeyError) as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return [label for labels in found for label in labels]


def main():
    parser = argparse.ArgumentParser(description="MNIST's test images through perilune serve.")
    parser.add_argument("build")
    build = os.path.abspath(parser.parse_args().build)
    checks = Checks()
    pixels, truth = read("t10k-images-idx3-ubyte", 2051)[16:], list(read("t10k-labels-idx1-ubyte", 2049)[8:])
    images = [pixels[i * 784:(i + 1) * 784] for i in range(len(truth))]
    right, expected = alone(build)
    checks.check("the net's labels are of all images", len(expected) == len(images) == 10000, len(expected))
    checks.check("and as many right as evaluate says", sum(a == b for a, b in zip(expected, truth)) == right, right)
    with Service(build) as service:
        ways = [
            ("raw bytes, one a request", 10000, images),
            ("raw bytes, 500 a request", 10000, [b"".join(images[i:i + 500]) for i in range(0, 10000, 500)]),
            ("raw bytes, 777 a request", 10000, [b"".join(images[i:i + 777]) for i in range(0, 10000, 777)]),
            ("JSON, one a request", 1000, [{"pixels": list(image)} for image in images[:1000]]),
            ("JSON, 200 a request", 2000, [{"pixels": [list(image) for image in images[i:i + 200]]} for i in range(0,
                2000, 200)]),
            ("JSON from 0 to 1", 500, [{"pixels": [[v / 255 for v in image] for image in images[i:i + 50]], "range": 1}
                                       for i in range(0, 500, 50)]),
        ]
        for name, count, requests in ways:
            began = time.monotonic()
            got = through(service, requests)
            wrong = [i for i in range(count) if i >= len(got) or got[i] != expected[i]]
            print(f"{name}: {count} images in {time.monotonic() - began:.1f} s, {sum(a == b for a, b in zip(got, truth))} right", flush=True)
            checks.check(f"{name}: the net's own labels", len(got) == count and not wrong, (len(got), wrong[:10]))
        checks.check("it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
        checks.check("the sanitizers are silent", not service.reports(), service.reports()[:6000])
    checks.end()


if __name__ == "__main__":
    main()
