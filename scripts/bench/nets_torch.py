"""The nets of nets.lua in PyTorch, with logits for outputs."""
from torch import nn


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x):
        return self.inner(x) + x


def conv_norm(inputs, filters, stride=1):
    return [nn.Conv2d(inputs, filters, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(filters)]


def digit(width):
    return [nn.Conv2d(1, 32 * width, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32 * width, 64 * width, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1600 * width, 128 * width), nn.ReLU(), nn.Linear(128 * width, 10)]


def mlp():
    return [nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]


def lenet():
    return [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]


def vgg():
    layers, inputs = [], 1
    for filters in (32, 64, 128):
        for _ in range(2):
            layers += conv_norm(inputs, filters) + [nn.ReLU()]
            inputs = filters
        layers.append(nn.MaxPool2d(2))
    return layers + [nn.Flatten(), nn.Linear(128 * 9, 128), nn.ReLU(), nn.Linear(128, 10)]


def resnet():
    layers, inputs = [], 1
    for stage, filters in enumerate((16, 32, 64)):
        layers += conv_norm(inputs, filters, 2 if stage else 1) + [nn.ReLU()]
        inputs = filters
        for _ in range(2):
            layers += [Residual(*conv_norm(filters, filters), nn.ReLU(), *conv_norm(filters, filters)), nn.ReLU()]
    return layers + [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]


def images():
    return [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]


def build(work):
    name = work["net"]
    layers = digit(work.get("width", 1)) if name == "digit" else globals()[name]()
    return nn.Sequential(*layers)
