"""The other side of train.sh: the same net, data and optimiser in PyTorch.

Waits for a number of training steps on standard input, answers with seconds an epoch. The data lie in memory
as bytes; a batch is gathered by a shuffled index and scaled, as Perilune does it.
"""
import gzip
import os
import sys
import time

import numpy
import torch
from torch import nn

threads, layout = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(threads)
torch.manual_seed(1)
memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format


def read(name, skip):
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    path = os.path.join(os.environ.get("PERILUNE_DATA", os.path.join(cache, "perilune", "mnist")), name)
    raw = open(path, "rb").read() if os.path.exists(path) else gzip.open(path + ".gz").read()
    return numpy.frombuffer(raw, numpy.uint8, offset=skip)


images = torch.from_numpy(read("train-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).copy())
labels = torch.from_numpy(read("train-labels-idx1-ubyte", 8).astype(numpy.int64))
net = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10),
).to(memory_format=memory)
optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_of = nn.CrossEntropyLoss()
order, at = torch.randperm(len(images)), 0
print(f"torch {torch.__version__}: {layout}, {torch.get_num_threads()} threads", flush=True)
for line in sys.stdin:
    steps = int(line)
    started = time.perf_counter()
    for _ in range(steps):
        if at + 128 > len(order):
            order, at = torch.randperm(len(images)), 0
        index = order[at:at + 128]
        at += 128
        x = images[index].to(torch.float32).div_(255).to(memory_format=memory)
        optimiser.zero_grad(set_to_none=True)
        loss_of(net(x), labels[index]).backward()
        optimiser.step()
    print(f"{(time.perf_counter() - started) / steps * 469:.6f}", flush=True)
