"""What one recorded operation costs, forward and backward, beside PyTorch's: chains on one-element arrays.

    python benchmarks/per_op.py

Arithmetic is nothing here; what is timed is the tape. Needs the extra `torch`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from paired import arguments, paired, report, summary

LENGTH = 100


def chain(x: Any, step: Callable[[Any], Any]) -> Callable[[], None]:
    """LENGTH applications of `step` to x, then backward."""

    def run() -> None:
        h = x
        for _ in range(LENGTH):
            h = step(h)
        x.grad = None
        h.backward()

    return run


def mixed(h: Any, w: Any, tanh: Any, exp: Any) -> Any:
    """Ten everyday operations."""
    h = h * w + w
    h = tanh(h) - w
    h = exp(-h) / (h * h + 2.0)
    return h * 0.5


def main() -> None:
    args = arguments(__doc__ or "", "per-op-cpu")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy and PyTorch are imported
    import torch

    import minigrad as mg

    torch.set_num_threads(args.threads)
    x, w = mg.tensor([0.5], requires_grad=True), mg.tensor([0.9], requires_grad=True)
    tx, tw = torch.tensor([0.5], requires_grad=True), torch.tensor([0.9], requires_grad=True)
    steps: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], int]] = {
        "mixed (10 operations)": (
            lambda h: mixed(h, w, mg.tanh, mg.exp),
            lambda h: mixed(h, tw, torch.tanh, torch.exp),
            10,
        ),
        "h * w": (lambda h: h * w, lambda h: h * tw, 1),
        "h + w": (lambda h: h + w, lambda h: h + tw, 1),
        "h * 0.9": (lambda h: h * 0.9, lambda h: h * 0.9, 1),
        "-h": (lambda h: -h, lambda h: -h, 1),
        "tanh": (mg.tanh, torch.tanh, 1),
        "sum": (lambda h: h.sum(axis=0, keepdims=True), lambda h: h.sum(0, keepdim=True), 1),
        "reshape": (lambda h: h.reshape(1), lambda h: h.reshape(1), 1),
    }
    rows = {}
    for name, (ours, theirs, _) in steps.items():
        times = paired({"minigrad": chain(x, ours), "torch": chain(tx, theirs)}, args.rounds, args.seconds)
        per_op = {k: [t / LENGTH / steps[name][2] for t in v] for k, v in times.items()}
        rows[f"{name}, per operation"] = summary(per_op, "minigrad")
    report(rows, args)


if __name__ == "__main__":
    main()
