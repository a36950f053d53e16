"""Golden cases of training: small nets taken through some steps by Keras, layers, loss and optimiser together.

A case: the net as in layers.json (weights at the start), the loss, the optimiser with its configuration, the
batches in the order they are taken, and what came of it: the loss of each step before its update, and in
`after` the weights at the end, by name, for each layer that has some, in the net's order.
"""
import keras
import numpy as np
import tensorflow as tf

from common import KERAS, Draw, array, number
from layers import K, Node, conv_node, set_weights

STEPS = 6


def structure(node):
    """The JSON of a node with its weights as they are now."""
    made = {"layer": node.layer, "config": node.config}
    if node.made is not None:
        made["weights"] = {w.name: array(w.numpy()) for w in node.made.weights}
    if node.children:
        made["children"] = [structure(child) for child in node.children]
    return made


def case(name, node, batches, loss_name, loss, optimizer_name, config, optimizer):
    draw = Draw(name + " weights")
    node.call(tf.constant(batches[0][0]), False)
    for one in node.leaves():
        set_weights(draw, one.made)
    made = {"name": name, "source": KERAS, **structure(node), "loss": loss_name, "optimizer": optimizer_name,
            "optimizer_config": config, "batches": [{"x": array(x), "y": array(y)} for x, y in batches]}
    trained = [w for one in node.leaves() for w in one.made.trainable_weights]
    optimizer.build(trained)
    losses = []
    for step in range(STEPS):
        x, y = batches[step % len(batches)]
        with tf.GradientTape() as tape:
            value = loss(y, node.call(tf.constant(x), True))
        optimizer.apply_gradients(zip(tape.gradient(value, [w.value for w in trained]), trained))
        losses.append(number(value.numpy()))
    made["losses"] = losses
    made["after"] = [{w.name: array(w.numpy()) for w in one.made.weights} for one in node.leaves() if one.made.weights]
    return made


def cases():
    d = Draw("training")
    momentum = {"lr": 0.125, "momentum": 0.5}  # numbers that float32 holds: Keras rounds them to it
    net = Node("Sequential", {}, children=[
        conv_node(3, activation="relu"),
        Node("BatchNorm", {"momentum": 0.75, "epsilon": 1e-3}, K.BatchNormalization(momentum=0.75)),
        Node("MaxPool2D", {"size": [2, 2]}, K.MaxPooling2D(2)),
        Node("Flatten", {}, K.Flatten()),
        Node("Dense", {"units": 6, "activation": "relu"}, K.Dense(6, activation="relu")),
        Node("Dense", {"units": 4, "activation": "softmax"}, K.Dense(4, activation="softmax")),
    ])
    batches = [(d.normal(5, 6, 6, 2), d.integers(4, 5)) for _ in range(2)]
    yield case("classifier", net, batches, "sparse_categorical_crossentropy",
               keras.losses.SparseCategoricalCrossentropy(), "SGD", momentum,
               keras.optimizers.SGD(0.125, momentum=0.5))
    net = Node("Sequential", {}, children=[
        Node("Dense", {"units": 5, "activation": "tanh"}, K.Dense(5, activation="tanh")),
        Node("Residual", {}, children=[Node("Dense", {"units": 5, "activation": "silu"},
                                            K.Dense(5, activation="silu"))]),
        Node("LayerNorm", {"epsilon": 1e-3}, K.LayerNormalization()),
        Node("Dense", {"units": 2}, K.Dense(2)),
    ])
    batches = [(d.normal(4, 3), d.normal(4, 2)) for _ in range(3)]
    yield case("regression", net, batches, "mean_squared_error", keras.losses.MeanSquaredError(), "SGD", momentum,
               keras.optimizers.SGD(0.125, momentum=0.5))
