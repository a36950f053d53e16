"""PyTorch's side: trains or infers as asked on standard input (see sides.py).

Work: net, batch, kind ("train" or "infer"), layout ("NCHW" or "NHWC"), precision ("float32" or "bf16": autocast),
compile (torch.compile).
"""
import json
import sys
import time

import torch
from torch import nn

import data
import nets_torch

work = json.loads(sys.argv[1])
torch.set_num_threads(work["threads"])
torch.manual_seed(1)
memory = torch.channels_last if work.get("layout") == "NHWC" else torch.contiguous_format
bf16 = work.get("precision") == "bf16"
images, labels = (torch.from_numpy(a.copy()) for a in data.pictures(work))
images = images.permute(0, 3, 1, 2).contiguous()
net = nets_torch.build(work).to(memory_format=memory)
run = torch.compile(net) if work.get("compile") else net
optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
loss_of = nn.CrossEntropyLoss()
batch, order, at = work["batch"], torch.randperm(len(images)), 0


def train_step():
    global order, at
    if at + batch > len(order):
        order, at = torch.randperm(len(images)), 0
    index = order[at:at + batch]
    at += batch
    x = images[index].to(torch.float32).div_(255).to(memory_format=memory)
    optimiser.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = loss_of(run(x), labels[index])
    loss.backward()
    optimiser.step()


def infer_step(x):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        torch.softmax(run(x), 1)


def answer_inference(steps, x):
    laps = []
    for _ in range(steps):
        started = time.perf_counter()
        infer_step(x)
        laps.append(time.perf_counter() - started)
    laps.sort()
    return {"seconds": sum(laps) / steps, "p50": laps[steps // 2], "p99": laps[min(steps - 1, steps * 99 // 100)]}


infer = work.get("kind") == "infer"
if infer:
    net.eval()
    pixels = images[torch.arange(batch) % len(images)].to(torch.float32).div_(255).to(memory_format=memory)
    infer_step(pixels)
else:
    train_step()
print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}", flush=True)
for line in sys.stdin:
    count = json.loads(line)["steps"]
    if infer:
        print(json.dumps(answer_inference(count, pixels)), flush=True)
        continue
    begun = time.perf_counter()
    for _ in range(count):
        train_step()
    print(json.dumps({"seconds": (time.perf_counter() - begun) / count}), flush=True)
