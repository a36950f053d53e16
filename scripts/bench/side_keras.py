"""Keras' side, on the backend that KERAS_BACKEND names: model.fit over as many steps as asked (see sides.py)."""
import json
import os
import sys
import time

work = json.loads(sys.argv[1])
os.environ["KERAS_BACKEND"] = work["backend"]
import keras  # noqa: E402  (the backend must be named first)
import numpy  # noqa: E402

import data  # noqa: E402
import nets_keras  # noqa: E402

if work["backend"] == "tensorflow":
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(work["threads"])
keras.utils.set_random_seed(1)
batch = work["batch"]
x, y = data.pictures(work)
x = x.astype(numpy.float32) / 255
net = nets_keras.digit()
net.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy",
            steps_per_execution=work.get("together", 8), jit_compile=work.get("jit", "auto"))
net.fit(x[:batch * 8], y[:batch * 8], batch_size=batch, verbose=0)
print(f"keras {keras.__version__} on {work['backend']}", flush=True)
for line in sys.stdin:
    steps = max(8, json.loads(line)["steps"])
    steps -= steps % 8
    steps = min(steps, len(x) // batch // 8 * 8)
    begun = time.perf_counter()
    net.fit(x[:batch * steps], y[:batch * steps], batch_size=batch, verbose=0)
    print(json.dumps({"seconds": (time.perf_counter() - begun) / steps}), flush=True)
