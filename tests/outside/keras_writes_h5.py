"""Writes models as a real Keras saves them, with its predictions, for tests/outside/read_models.lua.

    build/venv/bin/python tests/outside/keras_writes_h5.py FOLDER

Each model is there twice, as Keras 3 writes it and, NAME-keras2, as Keras 2 did. Each is NAME.h5 and NAME.json, {"x": array, "prediction": array}. Statistics and weights are random, so
that a reader that mixes two of them up, or forgets one, predicts otherwise.
"""
import json
import pathlib
import sys

import h5py
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
    frozen = K.BatchNormalization()
    frozen.trainable = False
    yield "frozen", (5, 5, 2), [K.Conv2D(3, 2, trainable=False), frozen, K.BatchNormalization(), K.Flatten(),
                                K.Dense(4, kernel_initializer="he_normal")]
    inner = keras.Sequential([K.Dense(4), K.BatchNormalization(), K.Dense(3)])
    inner.trainable = False
    yield "nested", (6, 6, 2), [
        keras.Sequential([K.Conv2D(3, 2), K.BatchNormalization(), K.DepthwiseConv2D(2), K.MaxPooling2D()]), K.Flatten(),
        keras.Sequential([K.Dense(5), K.BatchNormalization(), keras.Sequential([K.Dense(5, trainable=False)]),
                          K.Dense(4, activation="elu")]), inner]
    for name in ("relu", "leaky_relu", "elu", "silu", "sigmoid", "tanh", "softplus", "softmax"):
        yield f"activation_{name}", (4,), [K.Dense(5), K.Activation(name), K.Dense(2)]


def plain(value):
    """A configuration without what only Keras 3 says."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    renamed = {"batch_shape": "batch_input_shape"}
    dropped = ("module", "registered_name", "build_config", "compile_config")
    return {renamed.get(key, key): plain(item) for key, item in value.items() if key not in dropped}


def as_keras2(source, target):
    """The same model in Keras 2's layout: other names of weights, configurations without modules."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        new.attrs["keras_version"], new.attrs["backend"] = "2.15.0", "tensorflow"
        new.attrs["model_config"] = json.dumps(plain(json.loads(old.attrs["model_config"])))
        weights = new.create_group("model_weights")
        weights.attrs["layer_names"] = names = [n for n in old["model_weights"].attrs["layer_names"] if "input" not in str(n)]
        for name in names:
            group, stored = weights.create_group(name), old["model_weights"][name]
            paths = [str(path) for path in stored.attrs["weight_names"]]
            group.attrs["weight_names"] = [f"{path}:0".encode() for path in paths]
            for path in paths:
                group[f"{path}:0"] = stored[path][()]


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
    as_keras2(folder / f"{name}.h5", folder / f"{name}-keras2.h5")
    for path in name, f"{name}-keras2":
        (folder / f"{path}.json").write_text(json.dumps({"x": json_array(x), "prediction": json_array(prediction)}))


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
