"""The net of `perilune serve`, lua/perilune/draw/digits.safetensors, for the rivals of bench.sh serve: in PyTorch and
as an ONNX graph, both made from what the file itself says of its layers.

The file's net sees N,H,W,C; the rivals see N,1,28,28, the layout that suits them. Kernels are turned from H,W,in,out to
out,in,H,W, and the first dense layer's rows from H,W,C to C,H,W. The service divides logits by the temperature of the
net's calibration; here the last layer's weights are divided by it, so that the answers are the same at no cost.

    python serve_net.py onnx FILE     writes the graph, for any number of images
"""
import json
import pathlib
import sys

import numpy

BUNDLED = pathlib.Path(__file__).resolve().parents[2] / "lua/perilune/draw/digits.safetensors"


def tensors(path):
    """The file's tensors by name, and what it says of its net."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + length])
    about = json.loads(head.pop("__metadata__")["perilune_net"])
    found = {}
    for name, entry in head.items():
        if entry["dtype"] != "F32":
            raise SystemExit(f"bench: {path}: {name} is {entry['dtype']}, not F32")
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = numpy.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
    return found, about


def layers(path=BUNDLED):
    """Rows (kind, settings) from the input to the softmax: "conv" and "dense" with kernel, bias and relu, "pool" with
    its size, "flatten"."""
    found, about = tensors(path)
    height, width, channels = about["input_shape"]
    if (height, width, channels) != (28, 28, 1):
        raise SystemExit(f"bench: {path} takes {height} x {width} x {channels}; the rivals' servers take 28 x 28 x 1")
    rows, shape = [], (height, width, channels)
    for layer in about["layers"]:
        kind, config = layer["class_name"], layer["config"]
        if kind == "Conv2D":
            if config["padding"] != "valid" or config["strides"] != [1, 1] or config["dilation_rate"] != [1, 1]:
                raise SystemExit(f"bench: {path}: {layer['name']}: only plain convolutions are known here")
            kernel, bias = (found[name] for name in layer["weights"])
            rows.append(("conv", {"kernel": kernel.transpose(3, 2, 0, 1), "bias": bias, "relu": config["activation"] == "relu"}))
            shape = (shape[0] - kernel.shape[0] + 1, shape[1] - kernel.shape[1] + 1, kernel.shape[3])
        elif kind == "MaxPooling2D":
            size = config["pool_size"][0]
            rows.append(("pool", {"size": size}))
            shape = (shape[0] // size, shape[1] // size, shape[2])
        elif kind == "Flatten":
            rows.append(("flatten", {}))
        elif kind == "Dense":
            kernel, bias = (found[name] for name in layer["weights"])
            if len(shape) == 3:
                kernel = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(-1, kernel.shape[1])
            rows.append(("dense", {"kernel": kernel, "bias": bias, "relu": config["activation"] == "relu"}))
            shape = (kernel.shape[1],)
        else:
            raise SystemExit(f"bench: {path}: no rival knows {kind}")
    temperature = numpy.float32(about.get("calibration", {}).get("temperature", 1))
    last = rows[-1][1]
    last["kernel"], last["bias"] = last["kernel"] / temperature, last["bias"] / temperature
    return rows


def torch_net():
    """A torch module in eval mode, from float32 (N, 1, 28, 28) to probabilities (N, 10)."""
    import torch
    from torch import nn
    made = []
    for kind, of in layers():
        if kind == "pool":
            made.append(nn.MaxPool2d(of["size"]))
        elif kind == "flatten":
            made.append(nn.Flatten())
        else:
            kernel = of["kernel"] if kind == "conv" else of["kernel"].T
            layer = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2:]) if kind == "conv" else nn.Linear(*kernel.shape[::-1])
            layer.weight.data = torch.from_numpy(kernel.copy())
            layer.bias.data = torch.from_numpy(of["bias"].copy())
            made += [layer, nn.ReLU()] if of["relu"] else [layer]
    return nn.Sequential(*made, nn.Softmax(1)).eval().requires_grad_(False)


def onnx_graph():
    """The same as the bytes of an ONNX model: x float32 (images, 1, 28, 28) -> y (images, 10)."""
    import onnx
    from onnx import TensorProto, helper
    nodes, weights, at = [], [], "x"

    def node(op, *inputs, **attributes):
        nonlocal at
        name = f"{op.lower()}{len(nodes)}"
        nodes.append(helper.make_node(op, [at, *inputs], [name], **attributes))
        at = name

    def weight(value):
        name = f"w{len(weights)}"
        weights.append(helper.make_tensor(name, TensorProto.FLOAT, value.shape, numpy.ascontiguousarray(value).tobytes(), raw=True))
        return name

    for kind, of in layers():
        if kind == "pool":
            node("MaxPool", kernel_shape=[of["size"]] * 2, strides=[of["size"]] * 2)
        elif kind == "flatten":
            node("Flatten")
        else:
            node("Conv" if kind == "conv" else "Gemm", weight(of["kernel"]), weight(of["bias"]))
            if of["relu"]:
                node("Relu")
    node("Softmax", axis=1)
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(nodes, "digits", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["images", 1, 28, 28])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["images", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


if __name__ == "__main__":
    pathlib.Path(sys.argv[2]).write_bytes(onnx_graph())
