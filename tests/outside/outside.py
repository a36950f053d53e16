"""What the scripts here share: a quiet Keras on TensorFlow's CPU, and arrays in JSON.

An array is {"shape": [...], "data": [row-major numbers]}, float32 unless it says "dtype": "int64".
"""
import logging
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras  # noqa: E402
import numpy as np  # noqa: E402

logging.getLogger("absl").setLevel(logging.ERROR)  # after TensorFlow, which sets it


def read_array(value):
    dtype = np.int32 if value.get("dtype") == "int64" else np.float32
    return np.array(value["data"], dtype).reshape(value["shape"])


def json_array(value):
    made = {"shape": list(value.shape), "data": value.ravel().tolist()}
    if value.dtype.kind == "i":
        made["dtype"] = "int64"
    return made


def predict(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))
