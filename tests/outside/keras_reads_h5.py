"""Lets a real Keras load the .h5 models in a folder and compares its predictions with Perilune's.

    build/venv/bin/python tests/outside/keras_reads_h5.py FOLDER

FOLDER holds, for each model, NAME.h5 and NAME.json: {"x": array, "prediction": array, "layers": [Keras' class
names in order]}, an array being {"shape": [...], "data": [row-major numbers]}. tests/outside/write_models.lua
writes such a folder. Ends with 1 when a model does not load, predicts otherwise than by 1e-5, or is not what
it was said to be; the last line counts.
"""
import json
import pathlib
import sys

import keras
import numpy as np

from outside import predict, read_array

TOLERANCE = 1e-5


def inner(model):
    """The class names of the layers without the input."""
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def check(path):
    """The largest difference of one model; raises when something is wrong."""
    said = json.loads(path.with_suffix(".json").read_text())
    model = keras.models.load_model(path)
    if "layers" in said and inner(model) != said["layers"]:
        raise AssertionError(f"Keras sees the layers {inner(model)}, not {said['layers']}")
    expected = read_array(said["prediction"])
    found = predict(model, read_array(said["x"]))
    if found.shape != expected.shape:
        raise AssertionError(f"Keras predicts the shape {found.shape}, Perilune {expected.shape}")
    off = float(np.max(np.abs(found - expected)))
    if not off <= TOLERANCE * max(1.0, float(np.max(np.abs(expected)))):
        raise AssertionError(f"the predictions differ by {off:.3g}")
    return off


def main():
    if len(sys.argv) != 2:
        print("usage: keras_reads_h5.py FOLDER", file=sys.stderr)
        return 2
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.h5"))
    if not paths:
        print(f"keras_reads_h5.py: no .h5 in {sys.argv[1]}", file=sys.stderr)
        return 1
    failed = 0
    for path in paths:
        try:
            print(f"ok    {path.name}: predictions within {check(path):.2g}")
        except Exception as error:  # whatever a reader raises on a bad file is this test's finding
            failed += 1
            print(f"FAIL  {path.name}: {type(error).__name__}: {error}")
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
