"""onnxruntime's side: the digit net as an ONNX graph, inference as asked (see sides.py)."""
import json
import sys
import time

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

import data

work = json.loads(sys.argv[1])
batch = work["batch"]
rng = numpy.random.default_rng(1)


def weights(name, *shape):
    value = (rng.standard_normal(shape) * 0.05).astype(numpy.float32)
    return helper.make_tensor(name, TensorProto.FLOAT, shape, value.tobytes(), raw=True)


nodes = [helper.make_node("Conv", ["x", "k1", "b1"], ["c1"]), helper.make_node("Relu", ["c1"], ["r1"]),
         helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
         helper.make_node("Conv", ["p1", "k2", "b2"], ["c2"]), helper.make_node("Relu", ["c2"], ["r2"]),
         helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[2, 2], strides=[2, 2]),
         helper.make_node("Flatten", ["p2"], ["f"]), helper.make_node("Gemm", ["f", "k3", "b3"], ["d"]),
         helper.make_node("Relu", ["d"], ["r3"]), helper.make_node("Gemm", ["r3", "k4", "b4"], ["l"]),
         helper.make_node("Softmax", ["l"], ["y"], axis=1)]
graph = helper.make_graph(
    nodes, "digit", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 28, 28])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 10])],
    [weights("k1", 32, 1, 3, 3), weights("b1", 32), weights("k2", 64, 32, 3, 3), weights("b2", 64),
     weights("k3", 1600, 128), weights("b3", 128), weights("k4", 128, 10), weights("b4", 10)])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnx.checker.check_model(model)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = work["threads"]
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
images, _ = data.pictures(work)
x = numpy.ascontiguousarray(images[numpy.arange(batch) % len(images)].transpose(0, 3, 1, 2).astype(numpy.float32) / 255)
session.run(None, {"x": x})
print(f"onnxruntime {onnxruntime.__version__}, {work['threads']} threads", flush=True)
for line in sys.stdin:
    steps, laps = json.loads(line)["steps"], []
    for _ in range(steps):
        started = time.perf_counter()
        session.run(None, {"x": x})
        laps.append(time.perf_counter() - started)
    laps.sort()
    print(json.dumps({"seconds": sum(laps) / steps, "p50": laps[steps // 2],
                      "p99": laps[min(steps - 1, steps * 99 // 100)]}), flush=True)
