"""Descent in one dimension, by hand; then the pictures of the lab's topic `descent`.

    python examples/descent.py                  pictures go to lab/descent
    python examples/descent.py --out pictures --smoke

The options are those of `python -m minigrad lab descent`; the code behind the pictures is minigrad/lab/descent.py.
"""

import sys

import numpy as np

import minigrad as mg
from minigrad.cli import main


def descend(start: float, lr: float, steps: int) -> float:
    """Follow the slope of L(w) = w^4 - 3w^3 + 2 downwards; return the last weight."""
    w = mg.tensor(start, dtype=np.float64, requires_grad=True)
    for step in range(steps):
        loss = w**4 - 3 * w**3 + 2
        loss.backward()
        slope = w.grad.item()
        with mg.no_grad():
            w -= lr * w.grad
        w.grad = None
        if step == 0:
            print(f"rate {lr:<5g} slope at {start} is {slope}, the next weight {w.item()}", end="; ")
    return w.item()


if __name__ == "__main__":
    for lr in (0.001, 0.06, 0.1, 0.12):  # too small, right, and two that swing around the minimum at 2.25
        print(f"after 50 steps {descend(-1.5, lr, 50):.4f}")
    sys.exit(main(["lab", "descent", *sys.argv[1:]]))
