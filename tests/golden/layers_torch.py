"""The layers once more, in PyTorch: functions of x (channels last) and Keras' weights by name.

PyTorch pads evenly and before; TensorFlow's "same" puts the odd row at the bottom and right and depends on
the stride. So the padding is worked out here and added by hand.
"""
import torch
import torch.nn.functional as F

ACTIVATIONS = {
    None: lambda x: x,
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),  # F.softplus is linear beyond a threshold
    "softmax": lambda x: torch.softmax(x, -1),
}


def activation(name):
    return lambda x, w: ACTIVATIONS[name](x)


def same(size, kernel, stride, dilation=1):
    """Zeros before and after an axis under TensorFlow's "same"."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, padding, dilation=(1, 1), value=0.0):
    """x as N, C, H, W with its padding."""
    x = x.permute(0, 3, 1, 2)
    if padding == "same":
        top, bottom = same(x.shape[2], kernel[0], stride[0], dilation[0])
        left, right = same(x.shape[3], kernel[1], stride[1], dilation[1])
        x = F.pad(x, (left, right, top, bottom), value=value)
    return x


def last(x):
    return x.permute(0, 2, 3, 1)


def dense(name):
    def run(x, w):
        y = x @ w["kernel"]
        return ACTIVATIONS[name](y + w["bias"] if "bias" in w else y)

    return run


def conv2d(kernel, stride, padding, dilation, groups, name):
    def run(x, w):
        y = F.conv2d(padded(x, kernel, stride, padding, dilation), w["kernel"].permute(3, 2, 0, 1), w.get("bias"),
                     stride=stride, dilation=dilation, groups=groups)
        return ACTIVATIONS[name](last(y))

    return run


def depthwise(kernel, stride, padding, dilation):
    def run(x, w):
        height, width, channels, multiplier = w["kernel"].shape
        k = w["kernel"].permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        return last(F.conv2d(padded(x, kernel, stride, padding, dilation), k, w["bias"], stride=stride,
                             dilation=dilation, groups=channels))

    return run


def max_pool(size, stride, padding):
    def run(x, w):
        return last(F.max_pool2d(padded(x, size, stride, padding, value=-torch.inf), size, stride))

    return run


def average_pool(size, stride, padding):
    """The mean of what lies inside the image: sums over counts."""

    def run(x, w):
        total = F.avg_pool2d(padded(x, size, stride, padding), size, stride, divisor_override=1)
        count = F.avg_pool2d(padded(torch.ones_like(x), size, stride, padding), size, stride, divisor_override=1)
        return last(total / count)

    return run


def batch_norm(epsilon, training):
    """PyTorch's running variance is unbiased and Keras' is not: only the output is compared."""

    def run(x, w):
        flat = x.reshape(-1, x.shape[-1])
        mean, variance = w["moving_mean"].detach().clone(), w["moving_variance"].detach().clone()
        return F.batch_norm(flat, mean, variance, w["gamma"], w["beta"], training, 0.1, epsilon).reshape(x.shape)

    return run


def layer_norm(epsilon):
    return lambda x, w: F.layer_norm(x, x.shape[-1:], w["gamma"], w["beta"], epsilon)
