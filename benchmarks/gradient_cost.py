"""What a gradient costs: value and gradient of one operation on 1e6 float64 elements, beside NumPy's forward alone.

python benchmarks/gradient_cost.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from paired import arguments, paired, report, summary

SIZE = 1_000_000


def with_gradient(step: Callable[[Any], Any], x: Any, seed: Any) -> Callable[[], None]:
    """The operation and its backward pass from a cotangent of ones."""

    def run() -> None:
        x.grad = None
        step(x).backward(seed)

    return run


def main() -> None:
    args = arguments(__doc__ or "", "gradient-cost-cpu")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy is imported
    import numpy as np

    import minigrad as mg

    raw = np.random.default_rng(0).uniform(0.25, 2.0, SIZE)
    other = np.random.default_rng(1).uniform(0.25, 2.0, SIZE)
    operations: dict[str, Callable[[Any], Any]] = {
        "sin": np.sin,
        "exp": np.exp,
        "tanh": np.tanh,
        "log": np.log,
        "x + y": lambda x: x + other,
        "x * y": lambda x: x * other,
        "sqrt": np.sqrt,
        "x ** 3": lambda x: x**3,
        "sum": np.sum,
        "max": np.max,
        "cumsum": np.cumsum,
        "sort": np.sort,
    }
    rows = {}
    for name, operation in operations.items():
        x = mg.tensor(raw, requires_grad=True)
        seed = np.ones(np.shape(operation(raw)))
        programs = {
            "value and gradient": with_gradient(operation, x, seed),
            "forward alone": lambda operation=operation: operation(raw),
        }
        rows[name] = summary(paired(programs, args.rounds, args.seconds), "value and gradient")
    report(rows, args)


if __name__ == "__main__":
    main()
