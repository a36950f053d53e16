"""Holds Perilune's readers and writers of files against NumPy, safetensors, h5py and Keras.

    build/venv/bin/python tests/outside/formats.py [LUA [FOLDER]]

LUA is the interpreter (lua5.4 when not given; LUA_PATH and LUA_CPATH must find Perilune). Every file goes both
ways; formats.lua does Perilune's half. Ends with 1 at the first difference.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

from outside import keras, np, predict

import h5py
import safetensors
import safetensors.numpy

HERE = pathlib.Path(__file__).parent


def lua(program, mode, folder):
    subprocess.run([program, HERE / "formats.lua", mode, folder], check=True)


def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), (a, b)


def check_arrays(folder):
    """What Perilune wrote, as NumPy and safetensors see it."""
    def check(arrays, name_of):
        assert len(arrays) == 13, sorted(arrays)
        for dtype in "float32", "float64", "int64", "uint8":
            same(arrays[name_of(f"scalar_{dtype}")], np.array(3, dtype))
            same(arrays[name_of(f"matrix_{dtype}")], np.full((3, 4), 7, dtype))
            same(arrays[name_of(f"empty_{dtype}")], np.zeros((2, 0, 3), dtype))
        same(arrays[name_of("\u00e9/turned")], np.arange(1, 7, dtype="float32").reshape(2, 3).T)

    check({p.stem: np.load(p) for p in folder.glob("*_*.npy")}, lambda name: name.replace("/", "_"))
    check(dict(np.load(folder / "all.npz")), str)
    tensors = safetensors.numpy.load_file(folder / "all.safetensors")
    check(tensors, str)
    with safetensors.safe_open(folder / "all.safetensors", "np") as file:
        assert file.metadata() == {"format": "pt", "state": json.dumps({"text": "a\n\"\U0001F600"}).replace(": ", ":")}
    # The same order and padding as the reference writer's (which chooses an order for metadata at random).
    reference = safetensors.numpy.save(tensors)
    ours = (folder / "all.safetensors").read_bytes()
    length = int.from_bytes(ours[:8], "little")
    assert length % 8 == 0 and ours[8 + length:] == reference[8 + int.from_bytes(reference[:8], "little"):]


def check_digits(folder):
    """Keras loads the digit net that Perilune wrote and computes what its weights say."""
    model = keras.models.load_model(folder / "digits.h5")
    loss = getattr(model.loss, "__name__", model.loss)
    assert model.name == "digits" and loss == "sparse_categorical_crossentropy", (model.name, loss)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert [type(layer).__name__ for layer in model.layers][-1] == "Dense"
    weights = dict(np.load(folder / "digits.npz"))
    for layer in model.layers:
        for weight in layer.weights:
            same(np.asarray(weight.numpy()), weights.pop(f"{layer.name}.{weight.name}"))
    assert not weights, weights
    x = np.random.default_rng(5).random((7, 28, 28, 1), dtype="float32")
    found = predict(model, x)
    expected = numpy_digits(dict(np.load(folder / "digits.npz")), x)
    print(f"digit net: Keras and NumPy differ by {np.abs(found - expected).max():.2g}")
    assert np.abs(found - expected).max() < 1e-5
    with h5py.File(folder / "digits.h5") as file:
        assert json.loads(file.attrs["perilune_classes"]) == ["null", "eins", "zw\u00f6lf"]
        assert file["model_weights/conv2d/conv2d/kernel:0"].dtype == "<f4"


def numpy_digits(w, x):
    """The net of formats.lua, in float64."""
    def convolve(x, kernel, bias):
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))  # n, h, w, c, 3, 3
        return np.maximum(np.einsum("nhwcij,ijco->nhwo", windows, kernel.astype("float64")) + bias, 0)

    def pool(x):
        n, h, v, c = x.shape
        return x[:, :h // 2 * 2, :v // 2 * 2].reshape(n, h // 2, 2, v // 2, 2, c).max((2, 4))

    x = pool(convolve(x, w["conv2d.kernel"], w["conv2d.bias"]))
    x = convolve(x, w["conv2d_1.kernel"], w["conv2d_1.bias"])
    x = (x - w["batch_normalization.moving_mean"]) / np.sqrt(w["batch_normalization.moving_variance"] + 1e-3)
    x = pool(x * w["batch_normalization.gamma"] + w["batch_normalization.beta"])
    x = np.maximum(x.reshape(len(x), -1) @ w["dense.kernel"] + w["dense.bias"], 0)
    x = x @ w["dense_1.kernel"] + w["dense_1.bias"]
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


# What each type of NumPy becomes in Perilune.
BECOMES = {"f2": "f4", "f4": "f4", "f8": "f8", "b1": "u1", "u1": "u1", "i1": "i8", "i2": "i8", "i4": "i8", "i8": "i8",
           "u2": "i8", "u4": "i8", "u8": "i8"}


def write_arrays(folder):
    rng = np.random.default_rng(1)
    arrays, names = {}, []
    for code in BECOMES:
        whole = rng.integers(-100, 100, (3, 4, 5)) if code[0] != "u" else rng.integers(0, 200, (3, 4, 5))
        value = whole.astype(code) if code[0] != "f" else (whole / 7).astype(code)
        if code == "f2":
            value.flat[:6] = [np.inf, -np.inf, np.nan, 6e-8, -6.1e-5, 65504]
        arrays[code] = value
        for name, variant in {"C": value, "F": np.asfortranarray(value), "big": value.astype(">" + code),
                              "one": value[0, 0, :1], "scalar": value[1, 2, 3], "none": value[:0]}.items():
            arrays[f"{code}.{name}"] = variant
            np.save(folder / f"{code}.{name}.npy", variant)
            names.append(f"{code}.{name}.npy")
    for version in (2, 0), (3, 0):
        with open(folder / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, arrays["f4"], version)
        names.append(f"version{version[0]}.npy")
        arrays[f"version{version[0]}"] = arrays["f4"]
    (folder / "names.json").write_text(json.dumps(names))
    np.savez_compressed(folder / "packed.npz", **arrays)
    little = {name: np.ascontiguousarray(value) for name, value in arrays.items() if "big" not in name and value.ndim}
    safetensors.numpy.save_file(little, folder / "theirs.safetensors", {"a": "b\n", "c": "\u00e9"})
    return arrays, little


def check_read(folder, arrays, little):
    def check(found, name):
        code = name[:2] if name[:2] in BECOMES else "f4"
        same(found, arrays[name].astype(BECOMES[code]))

    back = np.load(folder / "back.npz")
    assert sorted(back) == sorted(arrays)
    for name in arrays:
        check(back[name], name)
    for name in json.loads((folder / "names.json").read_text()):
        check(np.load(folder / f"back.{name}"), name[:-4])
    tensors = safetensors.numpy.load_file(folder / "back.safetensors")
    assert sorted(tensors) == sorted(little)
    for name in little:
        check(tensors[name], name)
    with safetensors.safe_open(folder / "back.safetensors", "np") as file:
        assert file.metadata() == {"a": "b\n", "c": "\u00e9"}


def write_models(folder):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((12, 12, 3)), layers.Conv2D(4, 3, strides=2, activation="gelu"), layers.BatchNormalization(),
        layers.MaxPooling2D(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(5, "softmax")], name="drei")
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.path)).random(weight.shape))
    model.save(folder / "keras3.h5")
    weights = [[np.asarray(w.numpy()) for w in layer.weights] for layer in model.layers]
    write_keras2(folder / "keras2.h5", weights, False)
    write_keras2(folder / "foreign.h5", weights, True)
    return weights


def write_keras2(path, weights, foreign):
    """As Keras 2 laid it out; `foreign`: what else is legal - fixed strings, split lists, big-endian gzip doubles."""
    def config(class_name, name, **rest):
        return {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **rest}}

    listed = [config("Conv2D", "conv2d", batch_input_shape=[None, 12, 12, 3], filters=4, kernel_size=[3, 3], strides=[2, 2],
                     activation="gelu", kernel_regularizer=None), config("BatchNormalization", "bn", axis=[3]),
              config("MaxPooling2D", "pool", pool_size=[2, 2]), config("Dropout", "drop", rate=0.5),
              config("Flatten", "flat"), config("Dense", "dense", units=5, activation="softmax")]
    text = json.dumps({"class_name": "Sequential", "config": {"name": "zwei", "layers": listed}})
    names = [entry["config"]["name"] for entry in listed]
    kinds = {"conv2d": ["kernel:0", "bias:0"], "bn": ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"],
             "dense": ["kernel:0", "bias:0"]}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = np.bytes_("2.9.0") if foreign else "2.9.0"
        file.attrs["backend"] = np.bytes_("tensorflow") if foreign else "tensorflow"
        file.attrs["model_config"] = text.encode("utf8") if foreign else text
        group = file.create_group("model_weights")
        if foreign:
            group.attrs["layer_names0"] = np.array([n.encode() for n in names[:4]], "S16")
            group.attrs["layer_names1"] = np.array([n.encode() for n in names[4:]], "S16")
        else:
            group.attrs["layer_names"] = [n.encode() for n in names]
        for name, values in zip(names, weights):
            below = group.create_group(name)
            paths = [f"{name}/{kind}" for kind in kinds.get(name, [])]
            below.attrs["weight_names"] = [p.encode() for p in paths]
            for place, value in zip(paths, values):
                if foreign:
                    below.create_dataset(place, data=value.astype(">f8"), compression="gzip", shuffle=True, fletcher32=True,
                                         chunks=tuple(max(1, n - 1) for n in value.shape))
                else:
                    below[place] = value
        if not foreign:
            file.create_group("optimizer_weights")["iter"] = np.int64(7)


def check_models(folder, weights):
    for name, model_name in ("keras3", "drei"), ("keras2", "zwei"), ("foreign", "zwei"):
        shown = json.loads((folder / f"back.{name}.h5.json").read_text())
        assert shown["name"] == model_name and shown["input_shape"] == [12, 12, 3], shown
        classes = [layer["class_name"] for layer in shown["layers"]]
        assert classes == ["Conv2D", "BatchNormalization", "MaxPooling2D", "Dropout", "Flatten", "Dense"], classes
        assert shown["layers"][0]["config"]["dtype"] == "float32" and shown["layers"][1]["config"]["axis"] in (-1, 3)
        found = dict(np.load(folder / f"back.{name}.h5.npz"))
        names = ["1.kernel", "2.bias", None, "1.gamma", "2.beta", "3.moving_mean", "4.moving_variance", None, "1.kernel", "2.bias"]
        wanted = [w for layer in weights for w in layer]
        assert [key[3:] for key in sorted(found)] == [n for n in names if n], sorted(found)
        for key, value in zip(sorted(found), wanted, strict=True):
            assert np.array_equal(found[key].astype("f4"), value), (name, key)
    assert json.loads((folder / "back.keras3.h5.json").read_text())["training"]["loss"] == "categorical_crossentropy"


def write_bad(folder):
    """Files that must be refused."""
    bad = {}

    def make(name):
        bad[name] = h5py.File(folder / name, "w")
        return bad[name]

    make("soft.h5")["x"] = h5py.SoftLink("/y")
    make("external_link.h5")["x"] = h5py.ExternalLink("/etc/passwd", "/")
    make("external_data.h5").create_dataset("x", (8,), "f4", external=[("/etc/hostname", 0, 32)])
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "keras2.h5"), "model_weights/dense/dense/bias:0", (5,))[:4]
    make("virtual.h5").create_virtual_dataset("x", layout)
    make("bomb.h5").create_dataset("x", (1 << 40,), "f4", chunks=(1 << 10,))
    file = make("bomb_chunks.h5").create_dataset("x", (1 << 28,), "f4", chunks=(1 << 20,), compression="gzip")
    file[0] = 1
    file = make("circle.h5").create_group("a")
    file["again"] = file
    make("filter.h5").create_dataset("x", (64, 64), "f4", compression="lzf", data=np.zeros((64, 64)))
    make("dimensions.h5").create_dataset("x", (1,) * 9, "f4")
    for file in bad.values():
        file.close()
    (folder / "empty.h5").write_bytes(b"")
    (folder / "words.h5").write_bytes(b"no model at all")
    (folder / "cut.h5").write_bytes((folder / "keras3.h5").read_bytes()[:5000])
    (folder / "bad.json").write_text(json.dumps([*bad, "empty.h5", "words.h5", "cut.h5"]))


def run(program, folder):
    lua(program, "write", folder)
    check_arrays(folder)
    check_digits(folder)
    arrays, little = write_arrays(folder)
    weights = write_models(folder)
    write_bad(folder)
    lua(program, "read", folder)
    check_read(folder, arrays, little)
    check_models(folder, weights)
    print("formats: everything agrees")


if __name__ == "__main__":
    interpreter = sys.argv[1] if len(sys.argv) > 1 else "lua5.4"
    if len(sys.argv) > 2:
        run(interpreter, pathlib.Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(interpreter, pathlib.Path(folder))
