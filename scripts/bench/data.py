"""The pictures of the benchmarks for the Python sides: MNIST, Fashion-MNIST, or random ones of any size."""
import gzip
import os

import numpy


def read(folders, name, skip):
    for folder in folders:
        for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz")):
            if os.path.exists(path):
                raw = (gzip.open if path.endswith(".gz") else open)(path, "rb").read()
                return numpy.frombuffer(raw, numpy.uint8, offset=skip)
    raise SystemExit(f"bench: no {name} in {folders}")


def pictures(work, part="train"):
    """uint8 images N, H, W, C and int64 labels."""
    if work["net"] == "images":
        rng, size = numpy.random.default_rng(1), work["size"]
        count = max(2 * work["batch"], 256)
        return rng.integers(0, 256, (count, size, size, 3), numpy.uint8), rng.integers(0, 10, count)
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    folders = [os.environ.get("PERILUNE_DATA", os.path.join(cache, "perilune", "mnist"))]
    if work["net"] in ("vgg", "resnet"):
        folders = ["/usr/share/datasets/fashion-mnist", "/usr/share/dataset-fashion-mnist"]
    prefix = "train" if part == "train" else "t10k"
    x = read(folders, f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 28, 28, 1)
    return x, read(folders, f"{prefix}-labels-idx1-ubyte", 8).astype(numpy.int64)
