"""The recipe of cold.lua in Keras: cold_keras.py SEED MODEL THREADS BACKEND."""
import os
import sys

seed, model, threads, backend = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.environ["KERAS_BACKEND"] = backend
import keras  # noqa: E402  (the backend must be named first)
import numpy  # noqa: E402

import data  # noqa: E402
import nets_keras  # noqa: E402

EPOCHS, BATCH, RATE = 2, 128, 8e-3
if backend == "tensorflow":
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
keras.utils.set_random_seed(seed)


def load(part):
    x, y = data.pictures({"net": "digit"}, part)
    return x.astype(numpy.float32) / 255, y


x, y = load("train")
steps = -(-len(x) // BATCH)
net = nets_keras.digit()
# Up to the peak and down again by a cosine: Keras' nearest to one cycle.
rate = keras.optimizers.schedules.CosineDecay(RATE / 25, int(0.7 * EPOCHS * steps), alpha=0.0, warmup_target=RATE,
                                              warmup_steps=int(0.3 * EPOCHS * steps))
net.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"],
            steps_per_execution=8)
net.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
net.save(model)
print("saved", flush=True)
x, y = load("test")
print(f"{net.evaluate(x, y, batch_size=1000, verbose=0)[1]:.4f}")
