"""Golden cases of losses: Keras' default reduction (the mean over the batch), PyTorch as second source.

A case: the loss's name and options, prediction, target and perhaps sample_weight; the value and the
gradient of the prediction. `through` says that the prediction went through a softmax or sigmoid layer
first, and the gradient is then of what entered that layer. `tolerance`, where a case has one, stands for
the usual one.
"""
import keras
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

from common import KERAS, TORCH, Draw, agree, array, leaf

L = keras.losses


def case(name, loss, keras_loss, prediction, target, config=None, weight=None, torch_says=None, through=None,
         gradient=True):
    """Value and gradient in Keras; the value and the gradient again in PyTorch."""
    layer = {None: lambda x: x, "softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}[through]
    xt = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(xt)
        value = keras_loss(tf.constant(target), layer(xt), sample_weight=weight)
    found = tf.convert_to_tensor(tape.gradient(value, xt)).numpy()
    made = {"name": name, "source": KERAS, "loss": loss, "config": config or {}}
    if torch_says:
        x = leaf(prediction)
        w = torch.ones(()) if weight is None else torch.tensor(weight)
        answer = (torch_says(x, torch.tensor(target)) * w).mean()
        answer.backward()
        agree(name, "value", value.numpy(), answer)
        agree(name, "gradient", found, x.grad)
        made["also"] = TORCH
    if through:
        made["through"] = through
    inputs = {"prediction": array(prediction), "target": array(target)}
    if weight is not None:
        inputs["sample_weight"] = array(weight)
    made.update(inputs=inputs, output=array(value.numpy()))
    if gradient:
        made["gradients"] = {"prediction": array(found)}
    return made


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def torch_categorical(smoothing=0.0):
    """Cross-entropy of one-hot rows (or any distribution) from logits, a value a sample."""
    def run(x, target):
        classes = target.shape[-1]
        target = target * (1 - smoothing) + smoothing / classes
        return -(target * torch.log_softmax(x, -1)).sum(-1)

    return run


def torch_sparse(x, target):
    return F.cross_entropy(x, target, reduction="none")


def torch_log_of(through):
    """Cross-entropy from probabilities that Keras first divides by their sum."""
    def run(x, target):
        p = through(x)
        p = torch.log(p / p.sum(-1, keepdim=True))
        if target.dtype == torch.int64:
            return -p.gather(-1, target[..., None])[..., 0]
        return -(target * p).sum(-1)

    return run


def categorical(draw):
    name = "categorical_crossentropy"
    for suffix, shape, smoothing, weighted in (
        ("logits", (4, 3), 0.0, False), ("logits_smoothing", (3, 5), 0.1, False), ("logits_weights", (4, 3), 0.0, True),
        ("logits_rank3", (2, 3, 4), 0.0, False), ("logits_one", (1, 2), 0.0, False),
    ):
        d = draw(f"{name}_{suffix}")
        target = one_hot(d.integers(shape[-1], *shape[:-1]), shape[-1])
        config = {"from_logits": True, **({"label_smoothing": smoothing} if smoothing else {})}
        yield case(f"{name}_{suffix}", name, L.CategoricalCrossentropy(**config), d.normal(*shape, scale=2), target,
                   config, d.uniform(*shape[:-1], high=2) if weighted else None, torch_categorical(smoothing))
    d = draw(f"{name}_soft")
    yield case(f"{name}_soft_targets", name, L.CategoricalCrossentropy(from_logits=True), d.normal(3, 4),
               d.simplex(3, 4), {"from_logits": True}, torch_says=torch_categorical())
    p, target = d.simplex(4, 3), one_hot(d.integers(3, 4), 3)
    yield case(f"{name}_probabilities", name, L.CategoricalCrossentropy(), p, target,
               torch_says=torch_log_of(lambda x: x))
    yield case(f"{name}_probabilities_smoothing", name, L.CategoricalCrossentropy(label_smoothing=0.2), p, target,
               {"label_smoothing": 0.2})
    yield case(f"{name}_through_softmax", name, L.CategoricalCrossentropy(), d.normal(4, 3, scale=2), target,
               torch_says=torch_log_of(lambda x: torch.softmax(x, -1)), through="softmax")
    large = np.array([[1000.0, -1000, 0], [-500, 300, 299]])
    yield case(f"{name}_logits_large", name, L.CategoricalCrossentropy(from_logits=True), large,
               one_hot(np.array([1, 2]), 3), {"from_logits": True}, torch_says=torch_categorical())


def sparse(draw):
    name = "sparse_categorical_crossentropy"
    for suffix, shape, weighted in (("logits", (5, 3), False), ("logits_weights", (4, 10), True),
                                    ("logits_one", (1, 2), False)):
        d = draw(f"{name}_{suffix}")
        yield case(f"{name}_{suffix}", name, L.SparseCategoricalCrossentropy(from_logits=True),
                   d.normal(*shape, scale=2), d.integers(shape[-1], shape[0]), {"from_logits": True},
                   d.uniform(shape[0], high=2) if weighted else None, torch_sparse)
    d = draw(f"{name}_rest")
    p, labels = d.simplex(4, 3), d.integers(3, 4)
    yield case(f"{name}_probabilities", name, L.SparseCategoricalCrossentropy(), p, labels,
               torch_says=torch_log_of(lambda x: x))
    yield case(f"{name}_through_softmax", name, L.SparseCategoricalCrossentropy(), d.normal(4, 3, scale=2), labels,
               torch_says=torch_log_of(lambda x: torch.softmax(x, -1)), through="softmax")
    yield case(f"{name}_through_softmax_weights", name, L.SparseCategoricalCrossentropy(), d.normal(4, 3, scale=2),
               labels, None, np.array([0.5, 0, 2, 1.25]), torch_log_of(lambda x: torch.softmax(x, -1)), "softmax")
    large = np.array([[1000.0, -1000, 0], [-500, 300, 299]])
    yield case(f"{name}_logits_large", name, L.SparseCategoricalCrossentropy(from_logits=True), large,
               np.array([1, 2]), {"from_logits": True}, torch_says=torch_sparse)


def binary(draw):
    name = "binary_crossentropy"

    def logits(x, target):
        return F.binary_cross_entropy_with_logits(x, target, reduction="none").mean(-1)

    def probabilities(x, target):
        return F.binary_cross_entropy(x, target, reduction="none").mean(-1)

    d = draw(name)
    x, target = d.normal(4, 3, scale=2), d.integers(2, 4, 3).astype(np.float64)
    weight = d.uniform(4, high=2)
    told = {"from_logits": True}
    yield case(f"{name}_logits", name, L.BinaryCrossentropy(**told), x, target, told, torch_says=logits)
    yield case(f"{name}_logits_weights", name, L.BinaryCrossentropy(**told), x, target, told, weight, logits)
    yield case(f"{name}_logits_one_output", name, L.BinaryCrossentropy(**told), x[:, :1], target[:, :1], told,
               torch_says=logits)
    large = np.array([[1000.0, -1000, 30], [-40, 800, 0]])
    yield case(f"{name}_logits_large", name, L.BinaryCrossentropy(**told), large, 1.0 - (large > 0), told,
               torch_says=logits)
    yield case(f"{name}_probabilities", name, L.BinaryCrossentropy(), d.uniform(4, 3, low=0.05, high=0.95), target,
               torch_says=probabilities)
    yield case(f"{name}_through_sigmoid", name, L.BinaryCrossentropy(), x, target,
               torch_says=lambda x, t: probabilities(torch.sigmoid(x), t), through="sigmoid")
    smooth = {"from_logits": True, "label_smoothing": 0.1}
    yield case(f"{name}_logits_smoothing", name, L.BinaryCrossentropy(**smooth), x, target, smooth,
               torch_says=lambda x, t: logits(x, t * 0.9 + 0.05))


def regression(draw):
    def each(function, **options):
        return lambda x, t: function(x, t, reduction="none", **options).mean(-1)

    rows = (("mean_squared_error", "mean_squared_error", L.MeanSquaredError(), {}, each(F.mse_loss)),
            ("mean_absolute_error", "mean_absolute_error", L.MeanAbsoluteError(), {}, each(F.l1_loss)),
            ("huber", "huber", L.Huber(), {}, each(F.huber_loss)),
            ("huber_delta", "huber", L.Huber(delta=0.4), {"delta": 0.4}, each(F.huber_loss, delta=0.4)))
    for name, loss, made, config, says in rows:
        d = draw(name)
        for suffix, shape, weighted in (("", (4, 3), False), ("_weights", (5, 2), True), ("_rank3", (2, 3, 2), False)):
            yield case(name + suffix, loss, made, d.normal(*shape), d.normal(*shape), config,
                       d.uniform(*shape[:1], high=2) if weighted else None, says)


def divergence(draw):
    name = "kl_divergence"
    d = draw(name)

    def says(x, target):
        return F.kl_div(torch.log(x), target, reduction="none").sum(-1)

    yield case(name, name, L.KLDivergence(), d.simplex(4, 3), d.simplex(4, 3), torch_says=says)
    yield case(f"{name}_weights", name, L.KLDivergence(), d.simplex(3, 5), d.simplex(3, 5), None, d.uniform(3, high=2),
               says)


def edges(draw):
    """Probabilities of exactly 0 and 1: Keras keeps them 1e-7 away, and the value stays finite.

    How near it comes depends on whether the loss divides before or after, and in float32 1 - 1e-7 is not to
    be had: these cases carry a tolerance of their own.
    """
    for made in edge_cases():
        made["tolerance"] = {"float64": 1e-7, "float32": 1e-2}
        yield made


def edge_cases():
    p = np.array([[0.0, 1, 0], [1, 0, 0]])
    yield case("categorical_crossentropy_edges", "categorical_crossentropy", L.CategoricalCrossentropy(), p,
               one_hot(np.array([0, 0]), 3), gradient=False)
    yield case("sparse_categorical_crossentropy_edges", "sparse_categorical_crossentropy",
               L.SparseCategoricalCrossentropy(), p, np.array([0, 0]), gradient=False)
    yield case("binary_crossentropy_edges", "binary_crossentropy", L.BinaryCrossentropy(), p,
               np.array([[1.0, 1, 0], [0, 0, 1]]), gradient=False)
    yield case("kl_divergence_edges", "kl_divergence", L.KLDivergence(), p, np.array([[0.5, 0.5, 0], [1, 0, 0]]),
               gradient=False)


def cases():
    for topic in (categorical, sparse, binary, regression, divergence, edges):
        yield from topic(Draw)
