"""Golden cases of affine augmentation: tests/golden/augment.json.

A case: name, x (n, h, w, c), config (the options of data.augment, all fixed), y. The map is put together here from its
parts, turned round by NumPy, and given to PyTorch's grid_sample (zeros outside, corners aligned); Keras' image
transform, asked for the same, agrees.
"""
import math

import keras
import numpy as np
import torch
from common import KERAS, TORCH, Draw, agree, array


def forward(config, h, w):
    """Stored (x, y, 1) -> batch (x, y, 1), x right and y down."""
    turn, lean, climb = (math.radians(config.get(k, 0)) for k in ("rotation", "shear", "shear_y"))
    scale = config.get("scale", 1)
    grow = np.diag([scale * config.get("scale_x", 1), scale * config.get("scale_y", 1), 1])
    shear = np.array([[1, -math.tan(lean), 0], [-math.tan(climb), 1, 0], [0, 0, 1]])
    rotate = np.array([[math.cos(turn), math.sin(turn), 0], [-math.sin(turn), math.cos(turn), 0], [0, 0, 1]])

    def move(x, y):
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])

    cx, cy = (w - 1) / 2, (h - 1) / 2
    shift = move(config.get("shift_x", 0), config.get("shift_y", 0))
    return shift @ move(cx, cy) @ rotate @ shear @ grow @ move(-cx, -cy)


def by_torch(x, back):
    n, h, w, _ = x.shape
    across, down = np.meshgrid(np.arange(w), np.arange(h))
    at = np.stack([across, down, np.ones_like(down)], -1) @ back.T
    grid = np.stack([2 * at[..., 0] / (w - 1) - 1, 2 * at[..., 1] / (h - 1) - 1], -1)
    y = torch.nn.functional.grid_sample(
        torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(grid).expand(n, -1, -1, -1), mode="bilinear",
        padding_mode="zeros", align_corners=True)
    return y.permute(0, 2, 3, 1).numpy()


def by_keras(x, back):
    eight = np.tile(np.append(back[:2].ravel(), [0, 0]), (len(x), 1))
    return keras.ops.convert_to_numpy(keras.ops.image.affine_transform(
        x.astype(np.float32), eight.astype(np.float32), interpolation="bilinear", fill_mode="constant"))


def cases():
    for name, shape, config in (
        ("rotation", (2, 8, 8, 1), {"rotation": 30}),
        ("rotation clockwise", (1, 7, 9, 3), {"rotation": -77.5}),
        ("scale", (1, 9, 6, 1), {"scale": 1.3}),
        ("scale down", (1, 9, 6, 2), {"scale": 0.7}),
        ("scales", (1, 6, 9, 1), {"scale_x": 1.4, "scale_y": 0.8}),
        ("shear", (1, 8, 8, 1), {"shear": 20}),
        ("shears", (1, 8, 5, 2), {"shear": 15, "shear_y": -25}),
        ("shift", (1, 8, 7, 1), {"shift_x": 1.25, "shift_y": -2.5}),
        ("all", (2, 28, 28, 1),
         {"rotation": 12, "scale": 0.95, "scale_x": 1.1, "shear": 6, "shear_y": -3, "shift_x": 1.7, "shift_y": -1.2}),
    ):
        x = Draw(f"augment {name}").uniform(*shape)
        back = np.linalg.inv(forward(config, *shape[1:3]))
        y = by_torch(x, back)
        agree(name, "y", y, by_keras(x, back), 3e-5)  # Keras has this transform in float32 alone
        yield {"name": name, "source": TORCH, "also": KERAS, "config": config, "x": array(x), "y": array(np.round(y, 9))}
