"""Golden cases of optimisers: ten steps on two parameters, with a gradient of its own for each step.

PyTorch is the authority for the formulas: weight decay is added to the gradient (but in AdamW, where it
shrinks the parameter), and epsilon stands outside the root. Keras is the second source where its rule is
the same; where it differs only in where epsilon stands the case says to how much it agrees. Clipping and
the moving average of the weights are Keras', for PyTorch adds 1e-6 to the norm it divides by. Keras rounds
some hyper-parameters to float32 even in float64: cases of its own use numbers that float32 holds exactly.

A case: the optimiser's name and every hyper-parameter, `parameters` at the start, the ten `gradients`, and
`output`, the parameters after each step (`average`: their moving average after each).
"""
import keras
import numpy as np
import torch

from common import KERAS, TORCH, Draw, agree, array

STEPS = 10
SHAPES = ((2, 3), (4,))
O = keras.optimizers


def drawn(name, scale=1.0):
    draw = Draw(name)
    start = [draw.normal(*shape) for shape in SHAPES]
    return start, [[draw.normal(*shape, scale=scale) for shape in SHAPES] for _ in range(STEPS)]


def steps_in_torch(make, start, gradients):
    parameters = [torch.tensor(value, requires_grad=True) for value in start]
    optimiser = make(parameters)
    after = []
    for step in gradients:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = torch.tensor(gradient)
        optimiser.step()
        after.append([parameter.detach().numpy().copy() for parameter in parameters])
    return after


def steps_in_keras(optimiser, start, gradients, average=False):
    """The parameters after each step, or their moving averages."""
    variables = [keras.Variable(value) for value in start]
    optimiser.build(variables)
    after = []
    for step in gradients:
        optimiser.apply_gradients([(keras.ops.convert_to_tensor(g), v) for g, v in zip(step, variables)])
        shown = optimiser._model_variables_moving_average if average else variables
        after.append([v.numpy().copy() for v in shown])
    return after


def nested(values):
    return [[array(v) for v in step] for step in values]


def compare(name, first, second, tolerance):
    for number, (a, b) in enumerate(zip(first, second), 1):
        for which in range(len(SHAPES)):
            agree(name, f"parameter {which} after step {number}", a[which], b[which], tolerance)


def from_torch(name, optimiser, make, config, second=None, tolerance=1e-11):
    """A case whose authority is PyTorch; `second` is the same optimiser in Keras."""
    start, gradients = drawn(name)
    after = steps_in_torch(make, start, gradients)
    made = {"name": name, "source": TORCH}
    if second:
        compare(name, after, steps_in_keras(second, start, gradients), tolerance)
        made["also"] = f"{KERAS}, to {tolerance:g}"
    made.update(optimizer=optimiser, config=config, parameters=[array(v) for v in start],
                gradients=nested(gradients), output=nested(after))
    return made


def sgd():
    T = torch.optim.SGD
    for name, options, decay in (
        ("sgd", {}, 0), ("sgd_decay", {}, 0.1), ("sgd_momentum", {"momentum": 0.9}, 0),
        ("sgd_momentum_decay", {"momentum": 0.9}, 0.1), ("sgd_nesterov", {"momentum": 0.8, "nesterov": True}, 0),
        ("sgd_nesterov_decay", {"momentum": 0.8, "nesterov": True}, 0.05),
    ):
        config = {"lr": 0.05, **options, **({"weight_decay": decay} if decay else {})}
        second = None if decay else O.SGD(0.05, **options)
        yield from_torch(name, "SGD", lambda p, c=config: T(p, **c), config, second, 1e-7)


def adam():
    numbers = {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    for name, optimiser, changes in (
        ("adam", "Adam", {}), ("adam_decay", "Adam", {"weight_decay": 0.1}),
        ("adam_betas", "Adam", {"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}),
        ("adam_amsgrad", "Adam", {"beta2": 0.7, "amsgrad": True}),
        ("adamw", "AdamW", {"weight_decay": 0}), ("adamw_decay", "AdamW", {"weight_decay": 0.1}),
    ):
        c = {**numbers, **changes}
        rest = {k: c[k] for k in ("weight_decay", "amsgrad") if k in c}
        make = getattr(torch.optim, optimiser)
        second = None
        if name in ("adam", "adamw", "adamw_decay"):
            second = getattr(O, optimiser)(learning_rate=c["lr"], beta_1=c["beta1"], beta_2=c["beta2"],
                                           epsilon=c["epsilon"], weight_decay=c.get("weight_decay"))
        # Keras' epsilon is that of the paper's note before section 2.1, scaled by the second correction
        yield from_torch(name, optimiser,
                         lambda p: make(p, c["lr"], (c["beta1"], c["beta2"]), c["epsilon"], **rest), c,
                         second, 1e-6)


def rmsprop():
    for name, changes in (
        ("rmsprop", {}), ("rmsprop_decay", {"weight_decay": 0.1}), ("rmsprop_momentum", {"momentum": 0.9}),
        ("rmsprop_centered", {"centered": True}),
        ("rmsprop_momentum_centered_decay", {"momentum": 0.8, "centered": True, "weight_decay": 0.05}),
    ):
        c = {"lr": 0.01, "rho": 0.95, "epsilon": 1e-8, **changes}
        second = None
        if name in ("rmsprop", "rmsprop_momentum"):  # Keras' epsilon is under the root
            second = O.RMSprop(c["lr"], c["rho"], c.get("momentum", 0.0), 1e-16)
        yield from_torch(name, "RMSprop", lambda p: torch.optim.RMSprop(p, c["lr"], c["rho"], c["epsilon"], **changes),
                         c, second, 1e-4)


def adagrad():
    for name, initial, decay in (("adagrad", 0.0, 0), ("adagrad_initial", 0.1, 0), ("adagrad_decay", 0.0, 0.1)):
        c = {"lr": 0.1, "initial_accumulator": initial, "epsilon": 1e-8, **({"weight_decay": decay} if decay else {})}
        second = None if decay else O.Adagrad(0.1, initial, 1e-16)
        yield from_torch(name, "Adagrad",
                         lambda p: torch.optim.Adagrad(p, 0.1, 0, decay, initial, eps=1e-8), c, second, 1e-4)


def clipping_in_torch(kind, limit, start, gradients):
    """SGD of 0.1 with PyTorch's clipping, for the kinds it has."""
    parameters = [torch.tensor(value, requires_grad=True) for value in start]
    optimiser = torch.optim.SGD(parameters, 0.1)
    after = []
    for step in gradients:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = torch.tensor(gradient)
        if kind == "clip_value":
            torch.nn.utils.clip_grad_value_(parameters, limit)
        elif kind == "global_clip_norm":
            torch.nn.utils.clip_grad_norm_(parameters, limit)
        else:
            for parameter in parameters:
                torch.nn.utils.clip_grad_norm_([parameter], limit)
        optimiser.step()
        after.append([parameter.detach().numpy().copy() for parameter in parameters])
    return after


def clipping():
    """Gradients on both sides of the limit, by norm of each, norm of all, and value."""
    for kind, keras_name, limit in (("clip_norm", "clipnorm", 2.0), ("global_clip_norm", "global_clipnorm", 3.0),
                                    ("clip_value", "clipvalue", 1.0)):
        name = f"sgd_{kind}"
        start, gradients = drawn(name)
        after = steps_in_keras(O.SGD(0.1, **{keras_name: limit}), start, gradients)
        compare(name, after, clipping_in_torch(kind, limit, start, gradients), 1e-5)
        yield {"name": name, "source": KERAS, "also": f"{TORCH}, to 1e-05", "optimizer": "SGD",
               "config": {"lr": 0.1, kind: limit}, "parameters": [array(v) for v in start],
               "gradients": nested(gradients), "output": nested(after)}


def moving_average():
    """The average starts as the parameters after the first step."""
    name = "sgd_ema"
    start, gradients = drawn(name)

    def made():
        return O.SGD(0.1, momentum=0.5, use_ema=True, ema_momentum=0.75)

    averages = steps_in_keras(made(), start, gradients, average=True)
    after = steps_in_keras(made(), start, gradients)
    decay = torch.optim.swa_utils.get_ema_multi_avg_fn(0.75)
    module = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(v)) for v in start])
    averaged = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=decay)
    for values, average in zip(after, averages):
        for parameter, value in zip(module, values):
            parameter.data = torch.tensor(value)
        averaged.update_parameters(module)
        for number, parameter in enumerate(averaged.module):
            agree(name, f"average {number}", average[number], parameter)
    yield {"name": name, "source": KERAS, "also": TORCH, "optimizer": "SGD",
           "config": {"lr": 0.1, "momentum": 0.5, "ema": 0.75}, "parameters": [array(v) for v in start],
           "gradients": nested(gradients), "output": nested(after), "average": nested(averages)}


def cases():
    for topic in (sgd, adam, rmsprop, adagrad, clipping, moving_average):
        yield from topic()
