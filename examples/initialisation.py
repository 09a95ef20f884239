"""Initial weights decide how far a signal reaches; then the pictures of the lab's topic `initialisation`.

    python examples/initialisation.py           pictures go to lab/initialisation
    python examples/initialisation.py --out pictures --smoke

The options are those of `python -m minigrad lab initialisation`; the code behind the pictures is
minigrad/lab/initialisation.py.
"""

import sys

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.cli import main
from minigrad.nn import init

INITS = {
    "zeros": init.zeros_,
    "N(0, 1)": lambda weight: init.normal_(weight, 0.0, 1.0),
    "N(0, 0.1)": lambda weight: init.normal_(weight, 0.0, 0.1),
    "Xavier": lambda weight: init.xavier_normal_(weight, init.calculate_gain("relu")),
    "Kaiming": lambda weight: init.kaiming_normal_(weight, nonlinearity="relu"),
}


def signal(fill, layers: int = 8, width: int = 64) -> list[float]:
    """Send random inputs through a deep network; return the standard deviation after each hidden layer."""
    mg.manual_seed(0)
    x = mg.tensor(np.random.default_rng(0).normal(size=(256, width)), dtype=np.float32)
    sizes = []
    for _ in range(layers):
        layer = nn.Linear(width, width)
        fill(layer.weight)
        init.zeros_(layer.bias)
        x = mg.maximum(layer(x), 0)  # relu
        sizes.append(x.std().item())
    return sizes


if __name__ == "__main__":
    print("standard deviation after the hidden layers 1 to 8, relu")
    for name, fill in INITS.items():
        print(f"{name:10s}" + "".join(f"{size:10.2g}" for size in signal(fill)))
    sys.exit(main(["lab", "initialisation", *sys.argv[1:]]))
