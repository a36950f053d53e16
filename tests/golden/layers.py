"""Golden cases of layers. Keras is the authority; PyTorch answers too where it has the same layer.

A case: the layer's name and configuration in Perilune's words, weights by Keras' names, and under
loss = sum(output * grad_output) the gradients of x and of every weight that is trained. `updated` holds
the moving statistics after a training step. A container has `children`, cases of the same form without
inputs of their own.
"""
import keras
import numpy as np
import tensorflow as tf
import torch

import layers_torch as second
from common import KERAS, TORCH, Draw, agree, array, arrays, leaf

K = keras.layers


class Node:
    """A layer in both tongues: Perilune's name and configuration, and the Keras layer."""

    def __init__(self, layer, config, made=None, children=()):
        self.layer, self.config, self.made, self.children = layer, config, made, list(children)

    def leaves(self):
        return [self] if self.made is not None else [n for c in self.children for n in c.leaves()]

    def call(self, x, training):
        """What the layer or container makes of x."""
        if self.made is not None:
            return self.made(x, training=training)
        if self.layer == "Concat":
            return tf.concat([child.call(x, training) for child in self.children], axis=-1)
        y = x
        for child in self.children:
            y = child.call(y, training)
        return x + y if self.layer == "Residual" else y


def set_weights(draw, made):
    """Weights of a sensible size for their role; a variance is positive."""
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 2.0)}
    for weight in made.weights:
        shape = tuple(weight.shape)
        if weight.name in ranges:
            low, high = ranges[weight.name]
            weight.assign(draw.uniform(*shape, low=low, high=high))
        else:
            weight.assign(draw.normal(*shape, scale=0.5))


def describe(node, before, gradients):
    """The JSON of a node: configuration, weights before the step, their gradients, changed statistics."""
    made = {"layer": node.layer, "config": node.config}
    if node.made is not None:
        names = {w.name: w for w in node.made.weights}
        made["weights"] = {name: array(before[id(w)]) for name, w in names.items()}
        made["gradients"] = {w.name: array(gradients[id(w)]) for w in node.made.trainable_weights}
        moved = {n: w for n, w in names.items() if not w.trainable and np.any(w.numpy() != before[id(w)])}
        if moved:
            made["updated"] = {name: array(w.numpy()) for name, w in moved.items()}
    if node.children:
        made["children"] = [describe(child, before, gradients) for child in node.children]
    return made


def case(name, node, x, training=False, torch_says=None):
    """Runs the layer forward and backward in Keras, asks PyTorch, and returns the case."""
    draw = Draw(name + " weights")
    whole = np.issubdtype(x.dtype, np.integer)
    xt = tf.constant(x)
    node.call(xt, False)  # builds
    for one in node.leaves():
        set_weights(draw, one.made)
    weights = [w for one in node.leaves() for w in one.made.weights]
    trained = [w for one in node.leaves() for w in one.made.trainable_weights]
    before = {id(w): w.numpy() for w in weights}
    with tf.GradientTape() as tape:
        if not whole:
            tape.watch(xt)
        y = node.call(xt, training)
        seed = draw.normal(*y.shape)
        loss = tf.reduce_sum(y * seed)
    found = tape.gradient(loss, ([] if whole else [xt]) + [w.value for w in trained])
    found = [tf.convert_to_tensor(g).numpy() for g in found]
    dx = None if whole else found.pop(0)
    gradients = dict(zip(map(id, trained), found))
    made = {"name": name, "source": KERAS, "training": training}
    if torch_says:
        ask_torch(name, torch_says, x, y, seed, dx, [(w, before[id(w)], gradients.get(id(w))) for w in weights])
        made["also"] = TORCH
    made.update(describe(node, before, gradients))
    made.update(inputs={"x": array(x)}, grad_output=array(seed), output=array(y.numpy()))
    if not whole:
        made.setdefault("gradients", {})["x"] = array(dx)
    return made


def ask_torch(name, torch_says, x, y, seed, dx, weights):
    """The same layer in PyTorch must give the same output and gradients."""
    xt = torch.tensor(x) if dx is None else leaf(x)
    w = {one.name: leaf(value) for one, value, _ in weights}
    yt = torch_says(xt, w)
    agree(name, "output", y.numpy(), yt)
    (yt * torch.tensor(seed)).sum().backward()
    if dx is not None:
        agree(name, "gradient of x", dx, xt.grad)
    for one, _, gradient in weights:
        if gradient is not None:
            agree(name, f"gradient of {one.name}", gradient, w[one.name].grad)


def dense(draw):
    for name, units, shape, activation, bias in (
        ("dense", 4, (3, 5), None, True), ("dense_no_bias", 4, (3, 5), None, False),
        ("dense_relu", 6, (4, 3), "relu", True), ("dense_softmax", 5, (3, 4), "softmax", True),
        ("dense_rank3_tanh", 2, (2, 3, 4), "tanh", True), ("dense_one", 1, (1, 1), "sigmoid", True),
    ):
        config = {"units": units, "use_bias": bias, **({"activation": activation} if activation else {})}
        node = Node("Dense", config, K.Dense(units, activation=activation, use_bias=bias))
        yield case(name, node, draw(name).normal(*shape), torch_says=second.dense(activation))


CONVS = (
    # name, input shape, filters, kernel, stride, padding, dilation, groups, activation, bias
    ("conv2d_valid", (2, 5, 5, 3), 4, (3, 3), (1, 1), "valid", (1, 1), 1, None, True),
    ("conv2d_same", (2, 5, 4, 2), 3, (3, 3), (1, 1), "same", (1, 1), 1, None, True),
    ("conv2d_valid_stride2", (2, 7, 6, 2), 3, (3, 3), (2, 2), "valid", (1, 1), 1, None, True),
    ("conv2d_same_stride2_odd", (2, 7, 7, 2), 3, (3, 3), (2, 2), "same", (1, 1), 1, None, True),
    ("conv2d_same_stride2_even", (1, 6, 8, 2), 3, (3, 3), (2, 2), "same", (1, 1), 1, None, True),
    ("conv2d_same_even_kernel", (1, 5, 6, 2), 3, (2, 4), (1, 1), "same", (1, 1), 1, None, True),
    ("conv2d_stride_past_kernel", (1, 8, 8, 2), 3, (2, 2), (3, 3), "valid", (1, 1), 1, None, True),
    ("conv2d_same_stride_uneven", (1, 7, 8, 2), 3, (3, 2), (2, 3), "same", (1, 1), 1, None, True),
    ("conv2d_1x1", (2, 3, 4, 5), 3, (1, 1), (1, 1), "valid", (1, 1), 1, None, False),
    ("conv2d_1x1_stride2", (2, 5, 4, 3), 2, (1, 1), (2, 2), "same", (1, 1), 1, None, True),
    ("conv2d_5x3", (1, 7, 5, 1), 2, (5, 3), (1, 1), "valid", (1, 1), 1, None, True),
    ("conv2d_dilation2_valid", (1, 7, 8, 2), 3, (3, 3), (1, 1), "valid", (2, 2), 1, None, True),
    ("conv2d_dilation_uneven_same", (1, 6, 7, 2), 2, (3, 2), (1, 1), "same", (2, 3), 1, None, True),
    ("conv2d_groups2", (2, 5, 5, 4), 6, (3, 3), (1, 1), "same", (1, 1), 2, None, True),
    ("conv2d_groups4_stride2", (1, 6, 5, 4), 8, (3, 3), (2, 2), "valid", (1, 1), 4, None, True),
    ("conv2d_relu", (2, 6, 6, 1), 4, (3, 3), (1, 1), "valid", (1, 1), 1, "relu", True),
    ("conv2d_gelu", (1, 4, 5, 3), 2, (3, 3), (1, 1), "same", (1, 1), 1, "gelu", True),
    ("conv2d_whole_image", (2, 4, 3, 2), 3, (4, 3), (1, 1), "valid", (1, 1), 1, None, True),
    ("conv2d_17_channels", (1, 3, 4, 17), 5, (3, 3), (1, 1), "same", (1, 1), 1, None, True),
)


def keras_activation(name):
    """Keras' activation, but for two that TensorFlow computes with a constant rounded to float32 even in
    float64: the root of 2 in gelu, and leaky_relu's slope. Their formulas are spelled out, and PyTorch agrees."""
    exact = {
        "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / tf.sqrt(tf.constant(2, tf.float64)))),
        "leaky_relu": lambda x: tf.where(x > 0, x, tf.constant(0.2, tf.float64) * x),
    }
    return exact.get(name, name)


def conv2d(draw):
    for name, shape, filters, kernel, stride, padding, dilation, groups, activation, bias in CONVS:
        config = {"filters": filters, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
                  "groups": groups, "use_bias": bias}
        if activation:
            config["activation"] = activation
        made = K.Conv2D(filters, kernel, stride, padding, dilation_rate=dilation, groups=groups,
                        activation=keras_activation(activation), use_bias=bias)
        says = second.conv2d(kernel, stride, padding, dilation, groups, activation)
        yield case(name, Node("Conv2D", config, made), draw(name).normal(*shape), torch_says=says)


def depthwise(draw):
    for name, shape, kernel, stride, padding, dilation, multiplier in (
        ("depthwise_valid", (2, 5, 5, 3), (3, 3), (1, 1), "valid", (1, 1), 1),
        ("depthwise_same_stride2", (1, 7, 6, 3), (3, 3), (2, 2), "same", (1, 1), 1),
        ("depthwise_multiplier2", (2, 4, 5, 2), (3, 2), (1, 1), "same", (1, 1), 2),
        ("depthwise_dilation2", (1, 7, 7, 2), (3, 3), (1, 1), "same", (2, 2), 1),
    ):
        config = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation,
                  "depth_multiplier": multiplier}
        made = K.DepthwiseConv2D(kernel, stride, padding, depth_multiplier=multiplier, dilation_rate=dilation)
        says = second.depthwise(kernel, stride, padding, dilation)
        yield case(name, Node("DepthwiseConv2D", config, made), draw(name).normal(*shape), torch_says=says)


POOLS = (
    ("2x2", (2, 6, 4, 3), (2, 2), (2, 2), "valid"),
    ("2x2_odd_valid", (2, 5, 7, 2), (2, 2), (2, 2), "valid"),
    ("2x2_odd_same", (2, 5, 7, 2), (2, 2), (2, 2), "same"),
    ("3x3_stride2_same", (1, 7, 6, 2), (3, 3), (2, 2), "same"),
    ("3x2_stride1_same", (1, 5, 4, 2), (3, 2), (1, 1), "same"),
    ("3x3_overlapping", (1, 7, 7, 2), (3, 3), (2, 2), "valid"),
    ("2x2_stride3", (1, 8, 7, 1), (2, 2), (3, 3), "valid"),
)


def pools(draw):
    for layer, made, says in (("MaxPool2D", K.MaxPooling2D, second.max_pool),
                              ("AveragePool2D", K.AveragePooling2D, second.average_pool)):
        for suffix, shape, size, stride, padding in POOLS:
            name = f"{layer.lower()}_{suffix}"
            config = {"size": size, "stride": stride, "padding": padding}
            node = Node(layer, config, made(size, stride, padding))
            yield case(name, node, draw(name).distinct(*shape), torch_says=says(size, stride, padding))
    name = "globalaveragepool2d"
    yield case(name, Node("GlobalAveragePool2D", {}, K.GlobalAveragePooling2D()), draw(name).normal(2, 3, 5, 4),
               torch_says=lambda x, w: x.mean((1, 2)))


def shapes(draw):
    x = draw("shapes").normal(2, 3, 2, 4)
    yield case("flatten", Node("Flatten", {}, K.Flatten()), x, torch_says=lambda x, w: x.flatten(1))
    yield case("reshape", Node("Reshape", {"shape": [4, 6]}, K.Reshape((4, 6))), x,
               torch_says=lambda x, w: x.reshape(2, 4, 6))
    yield case("reshape_infer", Node("Reshape", {"shape": [-1, 3]}, K.Reshape((-1, 3))), x,
               torch_says=lambda x, w: x.reshape(2, -1, 3))
    for name, sides in (("zeropadding2d_1", (1, 1, 1, 1)), ("zeropadding2d_uneven", (1, 2, 0, 3))):
        top, bottom, left, right = sides
        made = K.ZeroPadding2D(((top, bottom), (left, right)))
        yield case(name, Node("ZeroPadding2D", {"padding": sides}, made), x,
                   torch_says=lambda x, w, p=(0, 0, left, right, top, bottom): torch.nn.functional.pad(x, p))


def norms(draw):
    for name, shape, training, options in (
        ("batchnorm_training", (6, 4), True, {}),
        ("batchnorm_training_images", (3, 4, 2, 3), True, {}),
        ("batchnorm_training_momentum", (5, 3), True, {"momentum": 0.8, "epsilon": 0.01}),
        ("batchnorm_inference", (3, 4, 2, 3), False, {}),
    ):
        says = second.batch_norm(options.get("epsilon", 1e-3), training)
        node = Node("BatchNorm", options, K.BatchNormalization(**options))  # no options: the defaults must be Keras'
        yield case(name, node, draw(name).normal(*shape, scale=2, mean=1), training, says)
    for name, shape, options in (("layernorm", (4, 5), {}), ("layernorm_images", (2, 3, 2, 4), {"epsilon": 1e-2})):
        node = Node("LayerNorm", options, K.LayerNormalization(**options))
        says = second.layer_norm(options.get("epsilon", 1e-3))
        yield case(name, node, draw(name).normal(*shape, scale=2, mean=1), torch_says=says)


def embedding(draw):
    for name, shape in (("embedding", (3, 4)), ("embedding_rank1", (5,))):
        ids = draw(name).integers(6, *shape)
        node = Node("Embedding", {"input_dim": 6, "output_dim": 3}, K.Embedding(6, 3))
        yield case(name, node, ids, torch_says=lambda x, w: torch.nn.functional.embedding(x, w["embeddings"]))


def activations(draw):
    x = draw("activations").normal(3, 7, scale=2)
    # leaky_relu is Keras' function, whose slope is 0.2; its layer LeakyReLU has 0.3
    for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus", "softmax"):
        node = Node("Activation", {"activation": name}, K.Activation(keras_activation(name)))
        yield case(f"activation_{name}", node, x, torch_says=second.activation(name))
    large = np.array([[-1000.0, -50, 0, 50, 1000]])  # what overflows when written naively
    for name in ("sigmoid", "tanh", "softplus", "softmax", "silu", "elu"):
        yield case(f"activation_{name}_large", Node("Activation", {"activation": name}, K.Activation(name)), large,
                   torch_says=second.activation(name))


def conv_node(filters, kernel=3, padding="same", activation=None):
    config = {"filters": filters, "kernel": [kernel, kernel], "padding": padding}
    if activation:
        config["activation"] = activation
    return Node("Conv2D", config, K.Conv2D(filters, kernel, padding=padding, activation=activation))


def containers(draw):
    x = draw("containers").normal(2, 5, 4, 3)
    block = Node("Residual", {}, children=[conv_node(4, activation="relu"), conv_node(3)])
    yield case("residual_convs", block, x)
    block = Node("Residual", {}, children=[Node("Dense", {"units": 5, "activation": "tanh"},
                                                K.Dense(5, activation="tanh"))])
    yield case("residual_dense", block, draw("residual_dense").normal(3, 5))
    branches = [conv_node(2, 1), conv_node(3, activation="relu")]
    yield case("concat_branches", Node("Concat", {}, children=branches), x)
    net = Node("Sequential", {}, children=[
        conv_node(3, activation="relu"),
        Node("BatchNorm", {"momentum": 0.99, "epsilon": 1e-3}, K.BatchNormalization()),
        Node("MaxPool2D", {"size": [2, 2]}, K.MaxPooling2D(2)),
        Node("Flatten", {}, K.Flatten()),
        Node("Dense", {"units": 4, "activation": "relu"}, K.Dense(4, activation="relu")),
        Node("Dense", {"units": 3, "activation": "softmax"}, K.Dense(3, activation="softmax")),
    ])
    yield case("sequential_net", net, draw("net").normal(3, 6, 6, 2), training=True)


def cases():
    for topic in (dense, conv2d, depthwise, pools, shapes, norms, embedding, activations, containers):
        yield from topic(Draw)
