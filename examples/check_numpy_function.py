"""Check gradients of code that has never heard of minigrad: a plain NumPy function, differentiated as it is.

    python examples/check_numpy_function.py

NumPy hands the call to the Tensor by its own protocols (__array_ufunc__, __array_function__), so `np.exp(t)` is
recorded like `mg.exp(t)`. The function below is the negative log-likelihood of a logistic regression.
"""

import argparse
import textwrap

import numpy as np

import minigrad as mg
from minigrad.testing import gradcheck


def loss(w, b, x, y):
    """No import of minigrad, no decorator: this could lie in any file of yours."""
    z = np.matmul(x, w) + b
    return np.mean(np.logaddexp(0.0, z) - y * z)


def by_hand(w, b, x, y):
    """The gradient in w as a textbook has it: x^T (sigmoid(z) - y) / n."""
    return x.T @ (1 / (1 + np.exp(-(x @ w + b))) - y) / len(x)


def main():
    parser = argparse.ArgumentParser(description="Check the gradients of a NumPy function.")
    parser.add_argument("--rows", type=int, default=40, help="rows of data (default %(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="steps of descent (default %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="little data, few steps: does it run at all?")
    args = parser.parse_args()
    if args.smoke:
        args.rows, args.steps = 8, 20

    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.rows, 3))
    y = (x @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=args.rows) > 0).astype(float)
    w, b = np.array([0.5, 0.25, -0.5]), np.array(0.125)

    gradient = mg.grad(loss)(w, b, x, y)
    print("gradient in w, by minigrad:", gradient)
    print("gradient in w, by hand:    ", by_hand(w, b, x, y))
    print()

    print("Against references that know nothing of gradient rules (x and y are constants, hence argnums):")
    for oracle in ("differences", "complex_step", "taylor"):
        try:
            report = gradcheck(loss, w, b, x, y, argnums=(0, 1), order=2, oracle=oracle)
        except ValueError as error:  # an oracle that cannot judge this function says so; it never guesses
            print(f"  {oracle:13} cannot tell: {textwrap.shorten(str(error).rpartition('order 1: ')[2], 96)}")
            continue
        print(f"  {oracle:13} {report.verdict}: {report.comparisons} comparisons, gradients and second derivatives")
    print()
    print("Number by number, to the second derivative:")
    print(gradcheck(loss, w, b, x, y, argnums=(0, 1), order=2).markdown())
    print()

    before = loss(w, b, x, y)
    step = mg.value_and_grad(loss, argnums=(0, 1))
    for _ in range(args.steps):
        _, (dw, db) = step(w, b, x, y)
        w, b = w - dw, b - db
    right = np.mean((np.matmul(x, w) + b > 0) == y)
    print(f"{args.steps} steps of descent with it: loss {before:.4f} -> {loss(w, b, x, y):.4f}, {right:.0%} right")


if __name__ == "__main__":
    main()
