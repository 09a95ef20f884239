"""A training step recorded once and replayed: the same weights, in a fraction of the time.

    python examples/captured_step.py [--device cuda] [--executor numpy] [--smoke]

Trains one small network twice, step by step as Python runs it and captured, says how long a step took, and shows
that both end with the same weights. With numba installed the recording is compiled: then they agree up to rounding.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F


def network(device: str) -> tuple[nn.Module, Callable[..., mg.Tensor]]:
    """A classifier of the digits, and its training step: an ordinary function of a batch."""
    mg.manual_seed(0)
    model = nn.MLP(64, [32], 10).to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def train_step(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, train_step


def train(step: Callable[..., mg.Tensor], loader: data.DataLoader, epochs: int) -> tuple[float, float]:
    """The loss of the last batch, and microseconds a step, without the first epoch, in which steps are recorded."""
    loss = mg.tensor(0.0)
    start = time.perf_counter()
    for epoch in range(epochs + 1):
        if epoch == 1:
            loss.item()  # a GPU has done all its work
            start = time.perf_counter()
        for x, y in loader:
            loss = step(x, y)
    last = float(loss.item())
    return last, (time.perf_counter() - start) / (epochs * len(loader)) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (default cpu)")
    parser.add_argument("--executor", default="auto", choices=("auto", "numpy", "fast"), help="what replays on the CPU")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--smoke", action="store_true", help="two epochs, by NumPy")
    args = parser.parse_args()
    if args.smoke:
        args.epochs, args.executor = 2, "numpy"

    digits = data.load("digits")
    x, y = data.StandardScaler().fit(digits.x).transform(digits.x).astype(np.float32), digits.y
    found = {}
    for name in ("eager", "captured"):
        model, step = network(args.device)
        if name == "captured":
            step = mg.capture(step, executor=args.executor)
        loader = data.DataLoader((x, y), 32, seed=0, device=args.device)
        loss, microseconds = train(step, loader, args.epochs)
        found[name] = [p.detach().cpu().numpy() for p in model.parameters()]
        print(f"{name:9} {microseconds:8.1f} us a step, last loss {loss:.6f}")
    pairs = list(zip(*found.values(), strict=True))
    same = all(np.array_equal(a, b) for a, b in pairs)
    furthest = max(float(np.abs(a - b).max()) for a, b in pairs)
    print("the weights are equal in every bit" if same else f"the weights differ by at most {furthest:.1e}")


if __name__ == "__main__":
    main()
