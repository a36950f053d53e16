"""Golden cases of tensor ops, from PyTorch.

A case: the op's name and options in Perilune's words, its tensor arguments by name (a list where the op
takes several), and the output, or a list of them. Where the op is differentiable, the gradients of the
float inputs under loss = sum(first output * grad_output).
"""
import numpy as np
import torch
import torch.nn.functional as F

from common import TORCH, Draw, array, arrays, leaf


def tensors_of(inputs, fixed):
    """Torch tensors for a case's inputs; floats are leaves, but for those in `fixed`."""
    def one(key, value):
        return leaf(value) if value.dtype == np.float64 and key not in fixed else torch.tensor(value)

    return {key: [one(key, v) for v in value] if isinstance(value, list) else one(key, value)
            for key, value in inputs.items()}


def gradients_of(inputs, tensors):
    """The gradients of the float inputs, in the inputs' form."""
    found = {}
    for key, value in tensors.items():
        if isinstance(value, list):
            found[key] = [array(v.grad) for v in value]
        elif value.requires_grad:
            found[key] = array(value.grad if value.grad is not None else torch.zeros_like(value))
    return found


def case(name, op, function, inputs, config=None, positions=(), fixed=()):
    """Runs the torch function on the inputs. `positions` names inputs, or outputs by number, that are indices;
    `fixed` names inputs whose gradient is not asked for."""
    tensors = tensors_of(inputs, fixed)
    outputs = function(*tensors.values())
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    made = {"name": name, "source": TORCH, "op": op, "config": config or {}, "inputs": arrays(inputs, positions)}
    described = [array(y, positions=number in positions) for number, y in enumerate(outputs)]
    made["output"] = described if len(described) > 1 else described[0]
    if outputs[0].requires_grad:
        seed = Draw(name + " seed").normal(*outputs[0].shape)
        (outputs[0] * torch.tensor(seed)).sum().backward()
        made["grad_output"] = array(seed)
        made["gradients"] = gradients_of(inputs, tensors)
    return made


UNARY = (
    # name, low, high, torch's function where its name differs
    ("neg", -2, 2, None), ("abs", -2, 2, None), ("sign", -2, 2, None), ("square", -2, 2, None),
    ("sqrt", 0.1, 4, None), ("rsqrt", 0.1, 4, None), ("reciprocal", 0.2, 3, None), ("exp", -3, 3, None),
    ("expm1", -0.01, 0.01, None), ("log", 0.01, 5, None), ("log1p", -0.01, 0.01, None), ("log2", 0.1, 9, None),
    ("log10", 0.1, 99, None), ("sin", -9, 9, None), ("cos", -9, 9, None), ("tan", -1.4, 1.4, None),
    ("asin", -0.9, 0.9, None), ("acos", -0.9, 0.9, None), ("atan", -5, 5, None), ("sinh", -3, 3, None),
    ("cosh", -3, 3, None), ("tanh", -3, 3, None), ("erf", -3, 3, None), ("floor", -3, 3, None), ("ceil", -3, 3, None),
    ("round", -3, 3, None), ("trunc", -3, 3, None), ("relu", -2, 2, None), ("gelu", -4, 4, F.gelu),
    ("silu", -5, 5, F.silu), ("sigmoid", -5, 5, None),
    ("softplus", -5, 5, lambda x: torch.logaddexp(x, torch.zeros_like(x))),
)


def unary(draw):
    for op, low, high, function in UNARY:
        yield case(op, op, function or getattr(torch, op), {"x": draw(op).uniform(2, 4, low=low, high=high)})
    x = draw("slopes").uniform(3, 3, low=-3, high=3)
    yield case("leaky_relu", "leaky_relu", lambda x: F.leaky_relu(x, 0.3), {"x": x}, {"slope": 0.3})
    yield case("elu", "elu", lambda x: F.elu(x, 1.5), {"x": x}, {"alpha": 1.5})
    yield case("clamp", "clamp", lambda x: torch.clamp(x, -1, 1.5), {"x": x}, {"min": -1, "max": 1.5})
    yield case("clamp_min", "clamp", lambda x: torch.clamp(x, min=0.5), {"x": x}, {"min": 0.5})
    halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    yield case("round_halves", "round", torch.round, {"x": halves})
    zero = np.array([-1.0, 0, 1])
    yield case("abs_at_zero", "abs", torch.abs, {"x": zero})
    yield case("relu_at_zero", "relu", F.relu, {"x": zero})
    yield case("sign_at_zero", "sign", torch.sign, {"x": zero})


def binary(draw):
    functions = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum,
                 "minimum": torch.minimum}
    pairs = (("same", (2, 3), (2, 3)), ("row", (2, 3), (3,)), ("outer", (3, 1), (1, 4)), ("scalar", (2, 2), ()),
             ("rank3", (2, 1, 3), (2, 1)))
    for op, function in functions.items():
        for suffix, a, b in pairs:
            name = f"{op}_{suffix}"
            d = draw(name)
            yield case(name, op, function,
                       {"a": d.normal(*a), "b": d.uniform(*b, low=0.5, high=2)})
    d = draw("pow")
    yield case("pow", "pow", lambda a, b: a**b, {"a": d.uniform(2, 3, low=0.2, high=3), "b": d.normal(3)})
    yield case("pow_integer_exponents", "pow", lambda a, b: a**b,
               {"a": np.array([-2.0, -1, 0, 0.5, 3]), "b": np.array([2.0, 3, 2, -1, 0])}, fixed=("b",))
    yield case("atan2", "atan2", torch.atan2, {"a": d.normal(2, 4), "b": d.normal(4)})
    signs = {"a": np.array([5.5, -5.5, 5.5, -5.5, 6]), "b": np.array([3.0, 3, -3, -3, 3])}
    yield case("idiv_signs", "idiv", lambda a, b: torch.floor_divide(a, b).detach(), signs)
    yield case("mod_signs", "mod", torch.remainder, signs)
    yield case("maximum_tie", "maximum", torch.maximum, {"a": np.array([1.0, 2, 3]),
                                                                      "b": np.array([1.0, 3, 2])})
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        d = draw(op)
        inputs = {"a": d.integers(3, 2, 4).astype(np.float64), "b": d.integers(3, 4).astype(np.float64)}
        yield case(op, op, getattr(torch, op), inputs)


AXES = (("all", None), ("first", 0), ("last", -1), ("two", [0, 2]))


def reductions(draw):
    def over(function):
        return lambda x, axis, keep: function(x, dim=tuple(range(x.ndim)) if axis is None else axis, keepdim=keep)

    functions = {
        "sum": over(torch.sum), "mean": over(torch.mean), "max": over(torch.amax), "min": over(torch.amin),
        "logsumexp": over(torch.logsumexp),
    }
    for op, function in functions.items():
        for suffix, axis in AXES:
            for keep in (False, True):
                if keep and suffix != "two":
                    continue
                name = f"{op}_{suffix}" + ("_keep" if keep else "")
                config = {**({} if axis is None else {"axis": axis}), **({"keepdims": True} if keep else {})}
                yield case(name, op, lambda x, f=function, a=axis, k=keep: f(x, a, k),
                           {"x": draw(name).distinct(2, 3, 4)}, config)
    for op, function in (("var", torch.var), ("std", torch.std)):
        for suffix, axis in AXES:
            for correction in (0, 1):
                name = f"{op}_{suffix}_{correction}"
                config = {"correction": correction, **({} if axis is None else {"axis": axis})}
                yield case(name, op, lambda x, f=function, a=axis, c=correction: f(x, dim=a, correction=c),
                           {"x": draw(name).normal(2, 3, 4)}, config)
    yield case("prod_all", "prod", torch.prod, {"x": draw("prod").normal(2, 3)})
    yield case("prod_axis", "prod", lambda x: torch.prod(x, 1), {"x": draw("prod1").normal(2, 3, 2)}, {"axis": 1})
    yield case("prod_zero", "prod", lambda x: torch.prod(x, 1), {"x": np.array([[2.0, 0, 3], [0, 0, 4], [1, 2, 5]])},
               {"axis": 1})
    for op in ("argmax", "argmin"):
        x = {"x": draw(op).distinct(3, 4)}
        yield case(f"{op}_last", op, lambda x, f=getattr(torch, op): f(x, -1), x, {"axis": -1}, positions=(0,))
        yield case(f"{op}_first", op, lambda x, f=getattr(torch, op): f(x, 0), x, {"axis": 0}, positions=(0,))


def along(draw):
    x = {"x": draw("along").normal(2, 3, 4, scale=2)}
    for op in ("softmax", "log_softmax", "cumsum"):
        for suffix, axis in (("first", 0), ("middle", 1), ("last", -1)):
            yield case(f"{op}_{suffix}", op, lambda x, f=getattr(torch, op), a=axis: f(x, a), x, {"axis": axis})
    large = {"x": np.array([[1000.0, 0, -1000], [-800, -801, -802]])}
    for op in ("softmax", "log_softmax", "logsumexp"):
        yield case(f"{op}_large", op, lambda x, f=getattr(torch, op): f(x, -1), large, {"axis": -1})


def products(draw):
    for name, a, b in (
        ("matmul", (3, 4), (4, 2)), ("matmul_one", (1, 1), (1, 1)), ("matmul_row", (1, 5), (5, 3)),
        ("matmul_vector", (3, 4), (4,)), ("matmul_from_vector", (4,), (4, 3)), ("matmul_dot", (5,), (5,)),
        ("matmul_batched", (2, 3, 4), (2, 4, 2)), ("matmul_broadcast_left", (3, 2), (2, 2, 4)),
        ("matmul_broadcast_batch", (2, 1, 2, 3), (3, 3, 2)), ("matmul_odd", (7, 9), (9, 5)),
        ("matmul_17", (5, 17), (17, 6)),
    ):
        d = draw(name)
        yield case(name, "matmul", lambda a, b: a @ b, {"a": d.normal(*a), "b": d.normal(*b)})
    sums = (
        ("product", "ij,jk->ik", [(2, 3), (3, 4)]), ("batched", "bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
        ("attention", "bqhd,bkhd->bhqk", [(2, 2, 2, 3), (2, 3, 2, 3)]), ("transpose", "ij->ji", [(2, 3)]),
        ("row_sums", "ij->i", [(2, 3)]), ("total", "ij->", [(2, 3)]), ("outer", "i,j->ij", [(2,), (3,)]),
        ("inner", "ij,ij->", [(2, 3), (2, 3)]), ("by_transposed", "ij,kj->ik", [(2, 3), (4, 3)]),
        ("diagonal", "ii->i", [(3, 3)]), ("trace", "ii->", [(3, 3)]), ("implicit", "ij,jk", [(2, 3), (3, 2)]),
        ("hadamard_sum", "ij,ij->i", [(2, 3), (2, 3)]), ("bilinear", "bi,ij,bj->b", [(3, 2), (2, 4), (3, 4)]),
        ("permute3", "abc->cab", [(2, 3, 2)]),
    )
    for suffix, equation, shapes in sums:
        d = draw(f"einsum_{suffix}")
        yield case(f"einsum_{suffix}", "einsum", lambda tensors, e=equation: torch.einsum(e, *tensors),
                   {"tensors": [d.normal(*shape) for shape in shapes]}, {"equation": equation})


def choosing(draw):
    d = draw("choosing")
    x = d.distinct(3, 4)
    for suffix, axis, shape in (("first", 0, (2, 4)), ("last", 1, (3, 2))):
        index = d.integers(x.shape[axis], *shape)
        yield case(f"gather_{suffix}", "gather", lambda x, index, a=axis: torch.gather(x, a, index),
                   {"x": x, "index": index}, {"axis": axis}, positions=("index",))
    order = np.stack([d.rng.permutation(4)[:2] for _ in range(3)]).astype(np.int64)
    yield case("scatter", "scatter", lambda x, index, values: torch.scatter(x, 1, index, values),
               {"x": x, "index": order, "values": d.normal(3, 2)}, {"axis": 1}, positions=("index",))
    yield case("scatter_column", "scatter", lambda x, index, values: torch.scatter(x, 0, index, values),
               {"x": x, "index": np.array([[1, 0, 2, 2]]), "values": d.normal(1, 4)}, {"axis": 0}, positions=("index",))
    yield case("scatter_add", "scatter_add", lambda x, index, values: torch.scatter_add(x, 0, index, values),
               {"x": x, "index": d.integers(3, 5, 4), "values": d.normal(5, 4)}, {"axis": 0}, positions=("index",))
    index = np.array([2, 0, 2, 1])
    yield case("index_select", "index_select", lambda x, index: torch.index_select(x, 0, index),
               {"x": x, "index": index}, {"axis": 0}, positions=("index",))
    mask = d.integers(2, 3, 4).astype(np.uint8)
    yield case("where", "where", lambda condition, a, b: torch.where(condition.bool(), a, b),
               {"condition": mask, "a": d.normal(3, 4), "b": d.normal(4)})
    yield case("masked_fill", "masked_fill", lambda x, mask: x.masked_fill(mask.bool(), -1.5),
               {"x": x, "mask": mask}, {"value": -1.5})
    yield case("masked_select", "masked_select", lambda x, mask: x.masked_select(mask.bool()), {"x": x, "mask": mask})
    for suffix, axis, down in (("last", -1, False), ("first_descending", 0, True)):
        config = {"axis": axis, **({"descending": True} if down else {})}
        yield case(f"sort_{suffix}", "sort", lambda x, a=axis, r=down: torch.sort(x, a, r), {"x": x}, config,
                   positions=(1,))
        yield case(f"argsort_{suffix}", "argsort", lambda x, a=axis, r=down: torch.argsort(x, a, r), {"x": x}, config,
                   positions=(0,))
    yield case("topk", "topk", lambda x: torch.topk(x, 2, -1), {"x": x}, {"k": 2}, positions=(1,))
    yield case("topk_first", "topk", lambda x: torch.topk(x, 2, 0), {"x": x}, {"k": 2, "axis": 0}, positions=(1,))


def forms(draw):
    d = draw("forms")
    parts = [d.normal(2, 3), d.normal(2, 1), d.normal(2, 2)]
    yield case("cat_last", "cat", lambda tensors: torch.cat(tensors, -1), {"tensors": parts}, {"axis": -1})
    yield case("cat_first", "cat", lambda tensors: torch.cat(tensors, 0),
               {"tensors": [d.normal(2, 3), d.normal(1, 3)]}, {"axis": 0})
    for suffix, axis in (("first", 0), ("middle", 1), ("last", -1)):
        yield case(f"stack_{suffix}", "stack", lambda tensors, a=axis: torch.stack(tensors, a),
                   {"tensors": [d.normal(2, 3), d.normal(2, 3)]}, {"axis": axis})
    x = {"x": d.normal(2, 3, 4)}
    yield case("reshape", "reshape", lambda x: x.reshape(4, 6), x, {"shape": [4, 6]})
    yield case("permute", "permute", lambda x: x.permute(2, 0, 1), x, {"axes": [2, 0, 1]})
    yield case("transpose", "transpose", lambda x: x.transpose(0, 2), x, {"axis1": 0, "axis2": 2})
    yield case("flip", "flip", lambda x: x.flip((0, 2)), x, {"axis": [0, 2]})
    yield case("expand", "expand", lambda x: x.expand(3, 2, 4), {"x": d.normal(2, 1)}, {"shape": [3, 2, 4]})
    yield case("tile", "tile", lambda x: torch.tile(x, (2, 3)), {"x": d.normal(2, 2)}, {"repeats": [2, 3]})
    yield case("pad", "pad", lambda x: F.pad(x, (0, 3, 1, 2), value=0.5), {"x": d.normal(2, 3)},
               {"widths": [0, 3, 1, 2], "value": 0.5})
    for op in ("tril", "triu"):
        yield case(op, op, getattr(torch, op), {"x": d.normal(3, 4)})
        yield case(f"{op}_offset", op, lambda x, f=getattr(torch, op): f(x, 1), {"x": d.normal(3, 4)}, {"offset": 1})


def cases():
    for topic in (unary, binary, reductions, along, products, choosing, forms):
        yield from topic(Draw)
