"""Golden cases of linear algebra, by NumPy in float64: tests/golden/linalg.json.

A case: name, function, args (arrays), results (arrays, in the function's order). Only what does not depend on the
library's choice of signs is recorded: singular values and eigenvalues, not their vectors.
"""
import numpy as np
from common import Draw, array

NUMPY = f"numpy {np.__version__}"


def case(name, function, args, results, **config):
    return {"name": name, "function": function, "source": NUMPY, "config": config,
            "args": [array(a) for a in args], "results": [array(r) for r in results]}


def positive(draw, *shape):
    a = draw.normal(*shape)
    return np.round(a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1]), 4)


def cases():
    la = np.linalg
    for shape in ((3, 3), (2, 4, 4), (2, 3, 2, 2)):
        name = "x".join(map(str, shape))
        draw = Draw(f"linalg {name}")
        a, b, s = draw.normal(*shape), draw.normal(*shape[:-1], 2), positive(draw, *shape)
        yield case(f"inverse {name}", "inverse", [a], [la.inv(a)])
        yield case(f"det {name}", "det", [a], [la.det(a)])
        yield case(f"slogdet {name}", "slogdet", [a], list(la.slogdet(a)))
        yield case(f"solve {name}", "solve", [a, b], [la.solve(a, b)])
        yield case(f"cholesky {name}", "cholesky", [s], [la.cholesky(s)])
        yield case(f"eigvalsh {name}", "eigvalsh", [s], [la.eigvalsh(s)])
        yield case(f"trace {name}", "trace", [a], [np.trace(a, axis1=-2, axis2=-1)])
        yield case(f"power {name}", "matrix_power", [a], [la.matrix_power(a, 5)], n=5)
        yield case(f"power {name} negative", "matrix_power", [a], [la.matrix_power(a, -2)], n=-2)
    for shape in ((4, 3), (3, 5), (2, 4, 2)):
        name = "x".join(map(str, shape))
        draw = Draw(f"linalg tall {name}")
        a = draw.normal(*shape)
        yield case(f"svdvals {name}", "svdvals", [a], [la.svd(a, compute_uv=False)])
        yield case(f"pinv {name}", "pinv", [a], [la.pinv(a)])
        yield case(f"rank {name}", "matrix_rank", [a], [np.asarray(la.matrix_rank(a))])
        if a.ndim == 2:
            b = draw.normal(shape[0], 2)
            yield case(f"lstsq {name}", "lstsq", [a, b], [la.lstsq(a, b, rcond=None)[0]])
            for order in ("fro", "nuc", 1, -1, 2, -2, "inf", "-inf"):
                value = la.norm(a, {"inf": np.inf, "-inf": -np.inf}.get(order, order))
                yield case(f"norm {name} {order}", "norm", [a], [value], ord=order)
    draw = Draw("linalg vectors")
    v = draw.normal(7)
    for order in (0, 1, 2, 3, -1, "inf", "-inf"):
        value = la.norm(v, {"inf": np.inf, "-inf": -np.inf}.get(order, order))
        yield case(f"norm vector {order}", "norm", [v], [value], ord=order)
