"""The recipe of cold.lua in PyTorch: cold_torch.py SEED MODEL THREADS LAYOUT."""
import sys

import torch
from torch import nn

import data
import nets_torch

seed, model, threads, layout = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
EPOCHS, BATCH, RATE = 2, 128, 8e-3
torch.set_num_threads(threads)
torch.manual_seed(seed)
memory = torch.channels_last if layout == "NHWC" else torch.contiguous_format
work = {"net": "digit"}


def load(part):
    x, y = (torch.from_numpy(a.copy()) for a in data.pictures(work, part))
    return x.permute(0, 3, 1, 2).contiguous(), torch.as_tensor(y)


def batch_of(images, index):
    return images[index].to(torch.float32).div_(255).to(memory_format=memory)


images, labels = load("train")
net = nets_torch.build(work).to(memory_format=memory)
optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
steps = -(-len(images) // BATCH)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps, cycle_momentum=False)
loss_of = nn.CrossEntropyLoss()
for _ in range(EPOCHS):
    for index in torch.randperm(len(images)).split(BATCH):
        optimiser.zero_grad(set_to_none=True)
        loss_of(net(batch_of(images, index)), labels[index]).backward()
        optimiser.step()
        schedule.step()
torch.save(net.state_dict(), model)
print("saved", flush=True)
images, labels = load("test")
with torch.inference_mode():
    right = sum((net(batch_of(images, i)).argmax(1) == labels[i]).sum().item() for i in torch.arange(len(images)).split(1000))
print(f"{right / len(images):.4f}")
