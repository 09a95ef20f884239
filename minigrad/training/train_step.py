"""The step of a run: forward, loss, backward, update; captured where that pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..capture import CapturedStep
from ..errors import GraphError
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor

PAYS_FROM = 64
"""Steps from which a recording pays: it costs about ten."""
COMPILES_FROM = 2000
"""Steps from which it pays to compile one, which takes seconds the first time."""

Step = Callable[..., tuple[Any, Tensor]]
"""A function of a batch: the prediction, None where nobody asks for it, and the loss."""


def make_step(model: Module, loss: Callable[..., Any], optimizer: Optimizer, wants_prediction: bool) -> Step:
    """One step of training as a function.

    Args:
        model, loss, optimizer: as for `fit`.
        wants_prediction: whether somebody looks at it afterwards.
    """

    def train_step(x: Any, *targets: Any) -> tuple[Any, Tensor]:
        optimizer.zero_grad()
        prediction = model(x)
        value = loss(prediction, *targets)
        if not isinstance(value, Tensor):
            raise TypeError(f"fit: the loss must return a Tensor, got {type(value).__name__}")
        if not value.requires_grad:
            raise GraphError("fit: the loss does not depend on any parameter that requires a gradient")
        value.backward()
        optimizer.step()
        return prediction.detach() if wants_prediction else None, value

    return train_step


def captured(step: Step, capture: str | bool, steps: int | None) -> Step:
    """A step as it is to run.

    Args:
        step: as it is.
        capture: the argument of `fit`.
        steps: how many there will be at most; None if nobody knows.

    Returns:
        The step, captured where that was asked for, or pays.
    """
    if capture is False or (capture == "auto" and (steps is None or steps < PAYS_FROM)):
        return step
    executor = "auto" if capture is True or (steps or 0) >= COMPILES_FROM else "numpy"
    return CapturedStep(step, executor=executor)


def may_have_hidden_state(model: Module, loss: Callable[..., Any]) -> bool:
    """Whether there is code that is not the library's, which could look at numbers that change between steps."""
    return any(not _is_ours(part) for part in model.modules()) or not _is_ours(loss)


def _is_ours(code: Any) -> bool:
    name = getattr(code, "__module__", None) or ""
    return name.partition(".")[0] == __name__.partition(".")[0]
