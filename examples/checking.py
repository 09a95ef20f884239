"""Check a gradient by differences; then the pictures of the lab's topic `checking`.

    python examples/checking.py                 pictures go to lab/checking
    python examples/checking.py --out pictures --smoke

The options are those of `python -m minigrad lab checking`; the code behind the pictures is minigrad/lab/checking.py.
"""

import sys

import numpy as np

import minigrad as mg
from minigrad.cli import main
from minigrad.testing import gradcheck


def loss(w):
    """L(w) = w^4 - 3w^3 + 2."""
    return w**4 - 3 * w**3 + 2


if __name__ == "__main__":
    w = -1.5
    print(f"the tape           {mg.grad(loss)(w)}")
    for h in (1e-1, 1e-3, 1e-5, 1e-9, 1e-13):  # too long is wrong by the formula, too short by rounding
        forward = (loss(w + h) - loss(w)) / h
        central = (loss(w + h) - loss(w - h)) / (2 * h)
        print(f"h = {h:<8g} weight difference {forward:.9f}   central difference {central:.9f}")
    print(gradcheck(loss, np.array([w, 1.0])))  # chooses h by itself, and checks the second derivative too
    sys.exit(main(["lab", "checking", *sys.argv[1:]]))
