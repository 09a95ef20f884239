"""A training step of a small and a larger MLP beside PyTorch's: forward, cross-entropy, backward, Adam, float32.

    python benchmarks/step.py

Both get the same fresh batches in turn, so that the gradients do not vanish. Needs the extra `torch`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

from paired import arguments, paired, report, summary

NETS = {"tiny": (64, 32, 10), "big": (784, 256, 128, 10)}
CASES = [("tiny", 1), ("tiny", 32), ("tiny", 512), ("big", 1), ("big", 32), ("big", 128), ("big", 512)]


def ours(sizes: tuple[int, ...], batches: list[tuple]) -> Callable[[], None]:
    """The step as a user of minigrad writes it."""
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn import functional as F

    mg.manual_seed(0)
    model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1])
    optimizer = optim.Adam(model.parameters())
    feed = itertools.cycle([(mg.tensor(x), mg.tensor(y)) for x, y in batches])

    def step() -> None:
        x, y = next(feed)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def torch_step(sizes: tuple[int, ...], batches: list[tuple], fused: bool | None) -> Callable[[], None]:
    """The same step in eager PyTorch."""
    import torch

    torch.manual_seed(0)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), fused=fused)
    feed = itertools.cycle([(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches])

    def step() -> None:
        x, y = next(feed)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    args = arguments(__doc__ or "", "step-cpu")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy and PyTorch are imported
    import numpy as np
    import torch

    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(0)
    rows = {}
    for net, batch in CASES:
        sizes = NETS[net]
        count = max(8, min(256, 8192 // batch))
        batches = [(rng.random((batch, sizes[0]), np.float32), rng.integers(0, sizes[-1], batch)) for _ in range(count)]
        programs = {
            "minigrad eager": ours(sizes, batches),
            "torch eager, default Adam": torch_step(sizes, batches, None),
            "torch eager, fused Adam": torch_step(sizes, batches, True),
        }
        times = paired(programs, args.rounds, args.seconds)
        rows[f"{net} {'-'.join(map(str, sizes))}, batch {batch}"] = summary(times, "minigrad eager")
    report(rows, args)


if __name__ == "__main__":
    main()
