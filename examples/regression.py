"""A straight line by descent and by the closed form; then the pictures of the lab's topic `regression`.

    python examples/regression.py               pictures go to lab/regression
    python examples/regression.py --out pictures --smoke

The options are those of `python -m minigrad lab regression`; the code behind the pictures is
minigrad/lab/regression.py.
"""

import sys

import numpy as np

import minigrad as mg
from minigrad import data
from minigrad.cli import main

samples = data.linear(100, noise=0.5, weight=[2.0], bias=1.0, seed=0)
x, y = samples.x[:, 0].astype(np.float64), samples.y.astype(np.float64)


def descent(lr: float, small: float) -> tuple[float, float, int]:
    """Both parameters at once, until the gradient is small; return slope, offset and the number of steps."""
    a = mg.tensor(0.0, dtype=np.float64, requires_grad=True)
    b = mg.tensor(0.0, dtype=np.float64, requires_grad=True)
    steps = 0
    while True:
        a.grad = b.grad = None
        loss = 0.5 * ((y - (a * x + b)) ** 2).mean()
        loss.backward()  # dL/da = -mean((y - (a x + b)) x), dL/db = -mean(y - (a x + b))
        if np.hypot(a.grad.item(), b.grad.item()) < small:
            return a.item(), b.item(), steps
        with mg.no_grad():  # both gradients were taken at the same point
            a -= lr * a.grad
            b -= lr * b.grad
        steps += 1


def closed_form() -> tuple[float, float]:
    """The line of least squares: covariance over variance, and through the means."""
    slope = np.cov(x, y, bias=True)[0, 1] / x.var()
    return slope, y.mean() - slope * x.mean()


if __name__ == "__main__":
    print("closed form   slope {:.9f}, offset {:.9f}".format(*closed_form()))
    for small in (1e-2, 1e-5, 1e-8):
        print("descent       slope {:.9f}, offset {:.9f} after {} steps".format(*descent(0.3, small)))
    sys.exit(main(["lab", "regression", *sys.argv[1:]]))
