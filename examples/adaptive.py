"""A rare feature and a frequent one, learnt by SGD and by Adagrad; then the pictures of the lab's topic `adaptive`.

    python examples/adaptive.py                 pictures go to lab/adaptive
    python examples/adaptive.py --out pictures --smoke

The options are those of `python -m minigrad lab adaptive`; the code behind the pictures is minigrad/lab/adaptive.py.
"""

import sys

import numpy as np

import minigrad as mg
from minigrad import optim
from minigrad.cli import main

rng = np.random.default_rng(0)
x = (rng.random((2000, 2)) < [1.0, 0.01]).astype(np.float32)  # the second feature is there once in a hundred examples
y = x @ np.float32([1.0, -2.0])


def learn(optimizer: optim.Optimizer, w: mg.Tensor, schedule=None) -> np.ndarray:
    """One pass over the examples in batches of 10; return what was learnt of both weights."""
    for first in range(0, len(x), 10):
        batch, target = x[first : first + 10], y[first : first + 10]
        optimizer.zero_grad()
        (0.5 * ((mg.tensor(batch) @ w - target) ** 2).mean()).backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return w.detach().numpy()


if __name__ == "__main__":
    print("true weights of the frequent and the rare feature: 1 and -2; after one pass")
    w = mg.tensor([0.0, 0.0], requires_grad=True)
    print("SGD                  ", learn(optim.SGD([w], 0.3), w).round(3))
    w = mg.tensor([0.0, 0.0], requires_grad=True)
    print("Adagrad              ", learn(optim.Adagrad([w], 0.3), w).round(3))
    w = mg.tensor([0.0, 0.0], requires_grad=True)
    decaying = optim.SGD([w], 0.3)
    print("SGD, the rate decays ", learn(decaying, w, optim.schedulers.ExponentialDecay(decaying, 0.02)).round(3))
    sys.exit(main(["lab", "adaptive", *sys.argv[1:]]))
