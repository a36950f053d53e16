"""Learning rates as PyTorch and Keras compute them -> schedules.json.

Run with a Python that has torch and keras:  python tests/golden/schedules.py
Each case names a schedule of ours with its arguments and holds the rates of consecutive epochs
(unit "epoch"), batches (unit "batch"), or of a whole run of len(rates) points (progress 0 to 1).
"""
import json
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import keras
import torch
from torch.optim import lr_scheduler as torch_lr

warnings.filterwarnings("ignore")
cases = []


def case(name, schedule, arguments, kind, rates):
    cases.append({"name": name, "schedule": schedule, "arguments": arguments, "kind": kind, "rates": rates})


def torch_rates(lr, count, make):
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr)
    scheduler = make(optimizer)
    rates = []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < count:
            scheduler.step()
    return rates


def keras_rates(schedule, count, offset=0):
    return [float(schedule(step + offset)) for step in range(count)]


case("torch StepLR", "step", {"lr": 0.1, "every": 3, "factor": 0.5}, "epoch",
     torch_rates(0.1, 12, lambda o: torch_lr.StepLR(o, 3, 0.5)))
case("torch MultiStepLR", "piecewise", {"boundaries": [4, 7], "values": [0.1, 0.02, 0.004]}, "epoch",
     torch_rates(0.1, 12, lambda o: torch_lr.MultiStepLR(o, [4, 7], 0.2)))
case("keras PiecewiseConstantDecay, one earlier", "piecewise",
     {"boundaries": [5, 9], "values": [0.1, 0.03, 0.01], "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.PiecewiseConstantDecay([4, 8], [0.1, 0.03, 0.01]), 14))
case("torch ExponentialLR", "exponential", {"lr": 0.05, "factor": 0.9}, "epoch",
     torch_rates(0.05, 12, lambda o: torch_lr.ExponentialLR(o, 0.9)))
case("keras ExponentialDecay", "exponential", {"lr": 0.05, "factor": 0.96, "every": 7, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.ExponentialDecay(0.05, 7, 0.96), 25))
case("keras ExponentialDecay staircase", "exponential",
     {"lr": 0.05, "factor": 0.96, "every": 7, "staircase": True, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.ExponentialDecay(0.05, 7, 0.96, staircase=True), 25))
case("keras PolynomialDecay", "polynomial",
     {"lr": 0.01, "final": 0.0005, "power": 2, "over": 20, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.PolynomialDecay(0.01, 20, 0.0005, power=2.0), 25))
case("torch PolynomialLR", "polynomial", {"lr": 0.01, "power": 0.5, "over": 10}, "epoch",
     torch_rates(0.01, 14, lambda o: torch_lr.PolynomialLR(o, 10, 0.5)))
case("keras PolynomialDecay power 1", "linear", {"lr": 0.01, "final": 0.001, "over": 20, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.PolynomialDecay(0.01, 20, 0.001, power=1.0), 25))
case("torch CosineAnnealingLR", "cosine", {"lr": 0.1, "final": 0.001, "over": 10}, "epoch",
     torch_rates(0.1, 11, lambda o: torch_lr.CosineAnnealingLR(o, 10, 0.001)))
case("keras CosineDecay", "cosine", {"lr": 0.1, "final": 0.01, "over": 20, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.CosineDecay(0.1, 20, alpha=0.1), 25))
case("torch CosineAnnealingWarmRestarts, growing", "cosine",
     {"lr": 0.1, "final": 0.001, "restarts": 3, "growth": 2}, "epoch",
     torch_rates(0.1, 24, lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 3, 2, 0.001)))
case("torch CosineAnnealingWarmRestarts", "cosine", {"lr": 0.1, "restarts": 4}, "epoch",
     torch_rates(0.1, 13, lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 4)))
case("keras CosineDecayRestarts", "cosine",
     {"lr": 0.1, "restarts": 5, "growth": 2, "decay": 0.8, "unit": "batch"}, "batch",
     keras_rates(keras.optimizers.schedules.CosineDecayRestarts(0.1, 5, t_mul=2.0, m_mul=0.8), 33))


def one_cycle(total, peak, three_phase, anneal):
    rates = torch_rates(0.04, total, lambda o: torch_lr.OneCycleLR(
        o, 0.1, total_steps=total, pct_start=peak, anneal_strategy=anneal, three_phase=three_phase))
    case("torch OneCycleLR %s%s" % (anneal, " three phases" if three_phase else ""), "one_cycle",
         {"lr": 0.1, "peak": (peak * total - 1) / (total - 1), "anneal": anneal, "three_phase": three_phase},
         "run", rates)


one_cycle(41, 0.3, False, "cos")
one_cycle(41, 0.25, False, "linear")
one_cycle(41, 0.3, True, "cos")
one_cycle(41, 0.4, True, "linear")
case("torch OneCycleLR, other divisors", "one_cycle",
     {"lr": 0.5, "peak": (0.5 * 21 - 1) / 20, "div": 10, "final_div": 100}, "run",
     torch_rates(0.04, 21, lambda o: torch_lr.OneCycleLR(
         o, 0.5, total_steps=21, pct_start=0.5, div_factor=10, final_div_factor=100)))
case("torch LinearLR", "warmup", {"lr": 0.1, "over": 8, "from": 0.25}, "batch",
     torch_rates(0.1, 12, lambda o: torch_lr.LinearLR(o, 0.25, total_iters=8)))


def plateau(name, values, lr=0.1, **arguments):
    class Optimizer:
        learning_rate = keras.Variable(lr, dtype="float64")

    class Model:
        optimizer = Optimizer()
        stop_training = False

    callback = keras.callbacks.ReduceLROnPlateau(**arguments)
    callback.set_model(Model())
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        rates.append(float(Model.optimizer.learning_rate))
        callback.on_epoch_end(epoch, {arguments.get("monitor", "val_loss"): value})
    rates.append(float(Model.optimizer.learning_rate))
    cases.append({"name": name, "schedule": "reduce_on_plateau", "arguments": dict(arguments, lr=lr),
                  "kind": "plateau", "values": values, "rates": rates})


losses = [1.0, 0.9, 0.95, 0.93, 0.91, 0.89995, 0.92, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.6, 0.61, 0.62, 0.63]
plateau("keras ReduceLROnPlateau", losses, factor=0.5, patience=2)
plateau("keras ReduceLROnPlateau with cooldown", losses, factor=0.2, patience=2, cooldown=2, min_lr=0.001)
plateau("keras ReduceLROnPlateau of an accuracy", [0.5, 0.6, 0.6, 0.6, 0.61, 0.61, 0.61, 0.605, 0.7, 0.7, 0.7],
        monitor="val_accuracy", factor=0.5, patience=3, min_delta=0.005, mode="max")

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json"), "w") as out:
    json.dump({"torch": torch.__version__, "keras": keras.__version__, "cases": cases}, out, indent=1)
    out.write("\n")
print(len(cases), "cases")
