"""Optimizers on a surface of two weights, by hand; then the pictures of the lab's topic `surfaces`.

    python examples/surfaces.py                 pictures go to lab/surfaces
    python examples/surfaces.py --out pictures --smoke

The options are those of `python -m minigrad lab surfaces`; the code behind the pictures is minigrad/lab/surfaces.py.
"""

import sys

import minigrad as mg
from minigrad import data, optim
from minigrad.cli import main

SURFACE = data.SURFACES["rosenbrock"]
OPTIMIZERS = {
    "SGD": lambda params: optim.SGD(params, lr=1e-3),
    "with momentum": lambda params: optim.SGD(params, lr=1e-3, momentum=0.9),
    "Adam": lambda params: optim.Adam(params, lr=0.1),
}


def descend(name: str, steps: int) -> None:
    """Let one optimizer run from the surface's start, and say where it ends."""
    point = mg.tensor(SURFACE.start, requires_grad=True)
    optimizer = OPTIMIZERS[name]([point])
    for _ in range(steps):
        optimizer.zero_grad()
        height = SURFACE(point)
        height.backward()
        optimizer.step()
    x, y = point.detach().numpy()
    print(f"{name:14s} after {steps} steps at ({x:.3f}, {y:.3f}), height {SURFACE(point).item():.2e}")


if __name__ == "__main__":
    print(f"{SURFACE.name}: {SURFACE.shows}; minimum at {SURFACE.minima[0]}")
    for name in OPTIMIZERS:
        descend(name, 500)
    sys.exit(main(["lab", "surfaces", *sys.argv[1:]]))
