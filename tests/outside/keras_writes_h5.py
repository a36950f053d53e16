"""Writes models as a real Keras saves them, with its predictions, for tests/outside/read_models.lua.

    build/venv/bin/python tests/outside/keras_writes_h5.py FOLDER

Each model is NAME.h5 and NAME.json, {"x": array, "prediction": array}. Statistics and weights are random, so
that a reader that mixes two of them up, or forgets one, predicts otherwise.
"""
import json
import pathlib
import sys

import keras
import numpy as np

from outside import json_array, predict

K = keras.layers


def models():
    """Names, input shapes and Sequential models that hold every layer Perilune has of Keras'."""
    yield "digits", (28, 28, 1), [
        K.Conv2D(8, 3, activation="relu"), K.MaxPooling2D(), K.Conv2D(16, 3, activation="relu"), K.MaxPooling2D(),
        K.Flatten(), K.Dense(32, activation="relu"), K.Dense(10, activation="softmax")]
    yield "images", (9, 8, 3), [
        K.ZeroPadding2D(((1, 0), (2, 1))), K.Conv2D(6, (3, 2), strides=2, padding="same", use_bias=False),
        K.BatchNormalization(), K.Activation("relu"), K.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        K.LayerNormalization(), K.Activation("gelu"), K.Conv2D(8, 3, padding="same", dilation_rate=2, groups=2),
        K.AveragePooling2D(2, padding="same"), K.Dropout(0.5), K.GlobalAveragePooling2D(),
        K.Dense(5, activation="tanh")]
    yield "shapes", (6, 4), [K.Dense(6, activation="elu"), K.Reshape((3, 4, 3)), K.MaxPooling2D(2, padding="same"),
                             K.Flatten(), K.Dense(2, activation="sigmoid")]
    yield "words", (5,), [K.Embedding(11, 4), K.Flatten(), K.Dense(3, activation="softmax")]
    yield "norms", (4, 3, 2), [
        K.BatchNormalization(scale=False, momentum=0.9), K.LayerNormalization(center=False, epsilon=1e-2),
        K.BatchNormalization(center=False), K.GlobalAveragePooling2D(keepdims=True), K.Conv2D(3, 1), K.LeakyReLU(),
        K.LeakyReLU(0.1), K.ELU(0.7), K.ReLU(), K.Softmax(), K.Flatten()]
    for name in ("relu", "leaky_relu", "elu", "silu", "sigmoid", "tanh", "softplus", "softmax"):
        yield f"activation_{name}", (4,), [K.Dense(5), K.Activation(name), K.Dense(2)]


def write(folder, rng, name, shape, layers):
    whole = isinstance(layers[0], K.Embedding)
    model = keras.Sequential([keras.Input(shape, dtype="int32" if whole else "float32"), *layers], name=name)
    for weight in model.weights:
        positive = weight.name in ("gamma", "moving_variance")
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, 0.3, weight.shape))
    x = rng.integers(0, 11, (4, *shape)) if whole else rng.normal(size=(4, *shape)).astype("float32")
    model.compile(optimizer="adam", loss="mean_squared_error")  # Keras 3.15 cannot load what it saved with "mse"
    prediction = predict(model, x)
    model.save(folder / f"{name}.h5")
    (folder / f"{name}.json").write_text(json.dumps({"x": json_array(x), "prediction": json_array(prediction)}))


def main():
    if len(sys.argv) != 2:
        print("usage: keras_writes_h5.py FOLDER", file=sys.stderr)
        return 2
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for name, shape, layers in models():
        write(folder, rng, name, shape, layers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
