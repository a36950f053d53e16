"""Golden cases of explanations: gradients of a class's logit in small nets, by Keras and PyTorch; occlusion by a loop;
principal components by NumPy; the affinities, divergence and gradient of t-SNE by loops and PyTorch.

A case has a `kind`. "net": the net as in layers.json, x, the labels whose score is explained, and results by name:
scores; gradient (of the logit by x), probability_gradient; integrated (midpoints, from a constant baseline);
cam (Grad-CAM of the layer at position `cam_layer`, from 1, before the ReLU) and resized (after it, stretched by
PyTorch's bilinear interpolation); occlusion and drops. "pca": x, components, transformed, ratios. "tsne": x, the
perplexity, affinities, a layout y, its kl and gradient. "tsne_run": x, the perplexity, and the kl that another reached.
"""
import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

import layers_torch as second
from common import KERAS, TORCH, Draw, agree, array, leaf, number
from layers import K, Node, conv_node, set_weights
from training import structure

NUMPY = f"numpy {np.__version__}"


class Net:
    """Layers in both tongues: pairs of a Node and a function of x and weights by name; the last is a dense softmax."""

    def __init__(self, name, pairs, x):
        self.nodes, self.functions = [p[0] for p in pairs], [p[1] for p in pairs]
        draw = Draw(name + " weights")
        y = tf.constant(x)
        for node in self.nodes:
            y = node.call(y, False)
        for node in self.nodes:
            for one in node.leaves():
                set_weights(draw, one.made)

    def keras(self, x, tap=0):
        """Logits, and what layer `tap` gives (recorded by the tape that watches)."""
        tapped = None
        for place, node in enumerate(self.nodes[:-1], 1):
            x = node.call(x, False)
            if place == tap:
                tapped = x
        dense = self.nodes[-1].made
        return tf.matmul(x, dense.kernel) + dense.bias, tapped

    def torch(self, x, tap=0):
        tapped = None
        for place, (node, function) in enumerate(zip(self.nodes[:-1], self.functions[:-1]), 1):
            w = [{v.name: torch.tensor(v.numpy()) for v in one.made.weights} for one in node.leaves()]
            x = function(x, w[0] if len(w) == 1 else w)
            if place == tap:
                tapped = x
                tapped.retain_grad()
        w = {v.name: torch.tensor(v.numpy()) for v in self.nodes[-1].made.weights}
        return x @ w["kernel"] + w["bias"], tapped


def chosen(logits, labels):
    return logits[np.arange(len(labels)), labels]


def by_torch(net, x, labels, softmax=False, tap=0):
    """Scores, their gradient by x, and the tapped maps with theirs."""
    xt = leaf(x)
    logits, tapped = net.torch(xt, tap)
    scores = chosen(torch.softmax(logits, -1) if softmax else logits, labels)
    scores.sum().backward()
    return scores, xt.grad, tapped, tapped.grad if tap else None


def by_keras(net, x, labels, softmax=False, tap=0):
    xt = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(xt)
        logits, tapped = net.keras(xt, tap)
        scores = tf.gather(tf.nn.softmax(logits) if softmax else logits, labels, batch_dims=1)
    gradients = tape.gradient(scores, [xt] + ([tapped] if tap else []))
    return scores, gradients[0].numpy(), tapped, gradients[1] if tap else None


def cam_of(maps, gradient):
    maps, gradient = np.asarray(maps), np.asarray(gradient)
    return (maps * gradient.mean(axis=(1, 2), keepdims=True)).sum(-1)


def integrated(net, ask, x, labels, baseline, steps):
    total = np.zeros_like(x)
    for k in range(steps):
        total += np.asarray(ask(net, baseline + (x - baseline) * ((k + 0.5) / steps), labels)[1])
    return (x - baseline) * total / steps


def occlusion(net, x, labels, size, stride, fill):
    """Window by window, picture by picture, pixel by pixel."""
    count, height, width, _ = x.shape
    tops = [t for t in range(0, height, stride) if t == 0 or t - stride + size < height]
    lefts = [t for t in range(0, width, stride) if t == 0 or t - stride + size < width]
    total, covers = np.zeros((count, height, width)), np.zeros((height, width))
    drops = np.zeros((count, len(tops), len(lefts)))
    with torch.no_grad():
        whole = chosen(net.torch(torch.tensor(x))[0], labels).numpy()
        for i, top in enumerate(tops):
            for j, left in enumerate(lefts):
                covered = x.copy()
                covered[:, top:top + size, left:left + size] = fill
                drops[:, i, j] = whole - chosen(net.torch(torch.tensor(covered))[0], labels).numpy()
                for row in range(top, min(top + size, height)):
                    for column in range(left, min(left + size, width)):
                        total[:, row, column] += drops[:, i, j]
                        covers[row, column] += 1
    return total / covers, drops


def net_case(name, pairs, x, labels, tap):
    net = Net(name, pairs, x)
    scores, gradient, maps, maps_gradient = by_torch(net, x, labels, tap=tap)
    keras_scores, keras_gradient, keras_maps, keras_maps_gradient = by_keras(net, x, labels, tap=tap)
    agree(name, "scores", scores, keras_scores.numpy())
    agree(name, "gradient", gradient, keras_gradient)
    cam = cam_of(maps.detach(), maps_gradient)
    agree(name, "cam", cam, cam_of(keras_maps, keras_maps_gradient))
    probability = by_torch(net, x, labels, softmax=True)[1]
    agree(name, "gradient of the probability", probability, by_keras(net, x, labels, softmax=True)[1])
    config = {"baseline": 0.125, "steps": 9, "size": 3, "stride": 2, "fill": 0.25}
    paths = [integrated(net, ask, x, labels, config["baseline"], config["steps"]) for ask in (by_torch, by_keras)]
    agree(name, "integrated gradients", *paths)
    resized = F.interpolate(torch.tensor(cam).relu()[:, None], size=x.shape[1:3], mode="bilinear",
                            align_corners=False)[:, 0]
    covered, drops = occlusion(net, x, labels, config["size"], config["stride"], config["fill"])
    return {"name": name, "kind": "net", "source": TORCH, "also": KERAS, "layer": "Sequential", "config": {},
            "children": [structure(node) for node in net.nodes], "options": config, "cam_layer": tap,
            "x": array(x), "classes": array(np.asarray(labels)), "scores": array(scores), "gradient": array(gradient),
            "probability_gradient": array(probability), "integrated": array(paths[0]), "cam": array(cam),
            "resized": array(resized), "occlusion": array(covered), "drops": array(drops)}


def plain_net():
    return [
        (conv_node(3, activation="relu"), second.conv2d((3, 3), (1, 1), "same", (1, 1), 1, "relu")),
        (Node("MaxPool2D", {"size": [2, 2]}, K.MaxPooling2D(2)), second.max_pool((2, 2), (2, 2), "valid")),
        (conv_node(4, activation="tanh"), second.conv2d((3, 3), (1, 1), "same", (1, 1), 1, "tanh")),
        (Node("Flatten", {}, K.Flatten()), lambda x, w: x.reshape(len(x), -1)),
        (Node("Dense", {"units": 6, "activation": "tanh"}, K.Dense(6, activation="tanh")), second.dense("tanh")),
        (Node("Dense", {"units": 4, "activation": "softmax"}, K.Dense(4, activation="softmax")), None),
    ]


def residual_net():
    conv = second.conv2d((3, 3), (1, 1), "same", (1, 1), 1, None)
    norm = second.batch_norm(1e-3, False)
    block = Node("Residual", {}, children=[conv_node(3), Node("BatchNorm", {"epsilon": 1e-3}, K.BatchNormalization())])
    return [
        (conv_node(3), conv),
        (Node("BatchNorm", {"epsilon": 1e-3}, K.BatchNormalization()), norm),
        (Node("Activation", {"activation": "relu"}, K.Activation("relu")), lambda x, w: F.relu(x)),
        (block, lambda x, w: x + norm(conv(x, w[0]), w[1])),
        (Node("Activation", {"activation": "relu"}, K.Activation("relu")), lambda x, w: F.relu(x)),
        (Node("GlobalAveragePool2D", {}, K.GlobalAveragePooling2D()), lambda x, w: x.mean((1, 2))),
        (Node("Dense", {"units": 3, "activation": "softmax"}, K.Dense(3, activation="softmax")), None),
    ]


def pca_case(name, rows, columns, count):
    x = Draw(name).normal(rows, columns)
    centred = x - x.mean(0)
    _, s, vh = np.linalg.svd(centred, full_matrices=False)
    largest = np.argmax(np.abs(vh), axis=1)
    vh = vh * np.sign(vh[np.arange(len(vh)), largest])[:, None]
    z = centred @ vh[:count].T
    return {"name": name, "kind": "pca", "source": NUMPY, "x": array(x), "components": array(vh[:count]),
            "transformed": array(z), "ratios": array((s**2 / np.sum(s**2))[:count]),
            "variances": array((s**2 / (rows - 1))[:count]), "restored": array(z @ vh[:count] + x.mean(0))}


def row_affinities(d, i, perplexity):
    """p_j|i of row i of the squared distances, its beta found by halving."""
    others = np.delete(d[i], i)
    low, high = 0.0, np.inf
    beta = 1.0
    for _ in range(200):
        p = np.exp(-(others - others.min()) * beta)
        p /= p.sum()
        entropy = -np.sum(p[p > 0] * np.log(p[p > 0]))
        if entropy > np.log(perplexity):
            low, beta = beta, beta * 2 if np.isinf(high) else (beta + high) / 2
        else:
            high, beta = beta, (low + beta) / 2
    return np.insert(p, i, 0.0)


def tsne_case(name, count, columns, perplexity):
    draw = Draw(name)
    x, y = draw.normal(count, columns), draw.normal(count, 2, scale=2.0)
    d = np.sum((x[:, None] - x[None]) ** 2, -1)
    p = np.stack([row_affinities(d, i, perplexity) for i in range(count)])
    p = (p + p.T) / (2 * count)
    yt, off = leaf(y), 1 - torch.eye(count)
    near = off / (1 + ((yt[:, None] - yt[None]) ** 2).sum(-1))
    q = near / near.sum()
    pt = torch.tensor(p)
    kl = torch.sum(torch.where(pt > 0, pt * torch.log(torch.where(pt > 0, pt / torch.where(q > 0, q, 1.0), 1.0)), 0.0))
    kl.backward()
    return {"name": name, "kind": "tsne", "source": f"{NUMPY}, {TORCH}", "x": array(x), "perplexity": perplexity,
            "affinities": array(p), "y": array(y), "kl": number(kl.item()), "gradient": array(yt.grad)}


SCIKIT_LEARN = {"version": "1.9.1", "kl": 0.2168}  # TSNE(perplexity=12, method="exact", random_state=0)


def tsne_run_case(name):
    """Four groups laid out from beginning to end. What scikit-learn reached stands above: it is asked by hand, since
    nothing else here wants it."""
    draw = Draw(name)
    x = np.repeat(draw.normal(4, 6, scale=2.0), 20, axis=0) + draw.normal(80, 6)
    return {"name": name, "kind": "tsne_run", "source": f"scikit-learn {SCIKIT_LEARN['version']}", "x": array(x),
            "perplexity": 12, "kl": SCIKIT_LEARN["kl"]}


def cases():
    draw = Draw("explain")
    yield net_case("plain", plain_net(), draw.normal(3, 6, 7, 2), [3, 0, 2], 3)
    yield net_case("residual", residual_net(), draw.normal(2, 5, 5, 2), [1, 2], 5)
    yield pca_case("pca tall", 9, 4, 3)
    yield pca_case("pca wide", 4, 7, 3)
    yield tsne_case("tsne", 12, 3, 3.5)
    yield tsne_case("tsne few", 5, 6, 1.5)
    yield tsne_run_case("tsne run")
