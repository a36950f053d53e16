"""What the makers of golden cases share.

A case is a dict that becomes one line of a topic's JSON file. An array in it is
{"shape": [...], "data": [row-major numbers]}; float64 unless it says "dtype": "int64" or "uint8".
"positions": true marks an int64 array that holds places in an axis, counted from 0 as Python does.
Axes are counted from 0 as well: who reads a file with another base adds it.

Inputs are drawn from a generator seeded by the case's name, so that a new case changes no other, and
rounded to four decimals, so that a file holds them exactly and stays small.
"""
import json
import os
import zlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN adds in an order of its own

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402

keras.config.set_floatx("float64")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

KERAS = f"keras {keras.__version__} (tensorflow {tf.__version__})"
TORCH = f"torch {torch.__version__.split('+')[0]}"


class Draw:
    """Random inputs of one case."""

    def __init__(self, name):
        self.rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))

    def normal(self, *shape, scale=1.0, mean=0.0):
        return np.round(mean + scale * self.rng.standard_normal(shape), 4)

    def uniform(self, *shape, low=0.0, high=1.0):
        return np.round(self.rng.uniform(low, high, shape), 4)

    def distinct(self, *shape):
        """Normal-like numbers of which no two are equal, nor near enough to swap under rounding."""
        count = int(np.prod(shape))
        steps = self.rng.permutation(count) - count / 2 + 0.25
        return np.round(steps * (4.0 / count), 4).reshape(shape)

    def integers(self, high, *shape, low=0):
        return self.rng.integers(low, high, shape, dtype=np.int64)

    def simplex(self, *shape):
        """Rows that are positive and add up to one, as near as four decimals allow."""
        raw = self.rng.uniform(0.1, 1.0, shape)
        rows = np.round(raw / raw.sum(-1, keepdims=True), 4)
        rows[..., -1] = np.round(1 - rows[..., :-1].sum(-1), 4)
        return rows


def array(value, positions=False):
    """A NumPy array or tensor, as JSON has it."""
    value = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
    made = {"shape": list(value.shape)}
    if value.dtype == np.bool_:
        value = value.astype(np.uint8)
    if value.dtype == np.uint8 or np.issubdtype(value.dtype, np.integer):
        made["dtype"] = "uint8" if value.dtype == np.uint8 else "int64"
        made["data"] = [int(v) for v in value.ravel()]
    else:
        if not np.all(np.isfinite(value)):
            raise ValueError("JSON has no infinities and no NaN")
        made["data"] = [number(v) for v in value.astype(np.float64).ravel()]
    if positions:
        made["positions"] = True
    return made


def number(value):
    """A float in its shortest exact spelling; 2.0 becomes 2."""
    value = float(value)
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def arrays(values, positions=()):
    """A dict of arrays (or lists of arrays) for JSON."""
    return {
        key: [array(v) for v in value] if isinstance(value, list) else array(value, key in positions)
        for key, value in values.items()
    }


def difference(a, b):
    """The largest difference between two arrays, relative to the larger of 1 and the largest element."""
    a, b = (np.asarray(v.detach() if isinstance(v, torch.Tensor) else v, np.float64) for v in (a, b))
    if a.shape != b.shape:
        raise AssertionError(f"shapes {a.shape} and {b.shape}")
    return float(np.max(np.abs(a - b)) / max(1.0, float(np.max(np.abs(a))))) if a.size else 0.0


def agree(name, what, a, b, tolerance=1e-11):
    """Stops the making when two sources differ: then there is no truth to record."""
    found = difference(a, b)
    if not found <= tolerance:
        raise AssertionError(f"{name}: the sources differ in {what} by {found:.3g} (allowed {tolerance:.3g})")


def leaf(value):
    """A torch tensor that collects a gradient."""
    return torch.tensor(np.asarray(value, np.float64), requires_grad=True)


def text_of(cases):
    """One case a line: small files, and a diff that shows which case changed."""
    lines = [json.dumps(case, separators=(",", ":")) for case in cases]
    return "[\n" + ",\n".join(lines) + "\n]\n"
