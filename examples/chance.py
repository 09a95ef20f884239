"""What a seed changes, and what it does not; then the pictures of the lab's topic `chance`.

    python examples/chance.py                   pictures go to lab/chance
    python examples/chance.py --out pictures --smoke

The options are those of `python -m minigrad lab chance`; the code behind the pictures is minigrad/lab/chance.py.
"""

import statistics
import sys

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.cli import main
from minigrad.nn import functional as F

moons = data.moons(256, noise=0.2, seed=0)


def train(seed: int, epochs: int = 10) -> float:
    """The training loss of one network; the seed fixes its first weights and the order of the batches."""
    mg.manual_seed(seed)
    model = nn.MLP(2, [16], 2)
    history = mg.fit(
        model,
        data.DataLoader((moons.x, moons.y), 32),
        loss=F.cross_entropy,
        optimizer=optim.Adam(model.parameters(), 0.02),
        epochs=epochs,
    )
    return history["loss"][-1]


if __name__ == "__main__":
    losses = [train(seed) for seed in range(5)]
    print(f"five seeds: {statistics.mean(losses):.4f} +- {statistics.stdev(losses):.4f}")
    print(f"seed 0 again: {train(0)}, the same to the bit: {train(0) == losses[0]}")

    numbers = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    forwards, backwards = np.add.accumulate(numbers)[-1], np.add.accumulate(numbers[::-1])[-1]
    print(f"one sum of float32 numbers, forwards {forwards}, backwards {backwards}")
    sys.exit(main(["lab", "chance", *sys.argv[1:]]))
