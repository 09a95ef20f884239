"""Descent without derivatives: the baseline that a gradient has to beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend import random
from ..backend.array import is_integer
from ..backend.device import on_device
from ..backend.versions import mark_written
from ..core.modes import no_grad
from ..tensor import Tensor, as_raw
from . import checks


class RandomSearch:
    """Change all parameters at random, keep the change if the loss is smaller.

        q = p + scale z,  z ~ N(0, 1)
        p = q if loss(q) < loss(p)

    In n dimensions about one change in two is downhill, but the way that it goes downhill is 1 / sqrt(n) of its length:
    a gradient shows the direction at the price of about three losses, whatever n is.

    The numbers are drawn on the host from a stream of `mg.manual_seed`, so every device takes the same steps. Each step
    reads the loss, and so waits for the device.

        search = optim.RandomSearch(model.parameters(), scale=0.05)
        for _ in range(1000):
            loss = search.step(lambda: F.mse_loss(model(x), y))

    Rastrigin 1963, "The convergence of the random search method in the extremal control of a many parameter system"
    (with a fixed length of step).

    Args:
        params: leaf tensors.
        scale: standard deviation of the change of each number, > 0; may be changed later.
        seed: of the changes; None draws one from the library's stream "noise".
        remember: ask for the loss of the kept parameters once only. False asks again at each step, which a loss on
            changing batches needs.

    Attributes:
        loss: of the kept parameters, nan before the first step.
        steps, kept: how many changes were tried, and kept.

    Raises:
        ValueError: no parameters, one given twice, or a scale out of range.
        TypeError: something that is no leaf Tensor, or a seed that is no integer.
    """

    def __init__(
        self, params: Iterable[Tensor], scale: float = 0.1, *, seed: int | None = None, remember: bool = True
    ) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors, got a single Tensor: put it in a list")
        self.parameters = list(params)
        if not self.parameters:
            raise ValueError("RandomSearch got no parameters: is the model empty, or its generator used up?")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor) or not p.is_leaf or not arrays.is_floating(p.dtype):
                raise TypeError(f"parameter {i} is no leaf Tensor of floating-point numbers")
            if any(p is q for q in self.parameters[:i]):
                raise ValueError(f"parameter {i} (shape {p.shape}) is given twice")
        if seed is not None and not is_integer(seed):
            raise TypeError(f"seed must be an integer or None, got {type(seed).__name__}")
        self.scale = scale
        self._check_scale()
        self.remember = remember
        self.seed = random.draw_seed("noise") if seed is None else int(seed)
        self.loss = math.nan
        self.steps = self.kept = 0

    def _check_scale(self) -> None:
        checks.number("scale", self.scale, low_open=True)

    def step(self, closure: Callable[[], Any]) -> float:
        """Try one change.

        Args:
            closure: the loss of the parameters as they are: a Tensor of one element, or a number. No graph is made.

        Returns:
            The loss of the parameters that were kept. Anything is better than a loss that is not a number.
        """
        self._check_scale()
        with no_grad():
            if not self.remember or (not self.steps and math.isnan(self.loss)):
                self.loss = _number(closure())
            before = [arrays.owned(p._data) for p in self.parameters]
            self._change()
            kept = False
            try:
                loss = _number(closure())
                kept = loss < self.loss or (math.isnan(self.loss) and not math.isnan(loss))
            finally:
                if not kept:
                    self._put_back(before)
        self.steps += 1
        if kept:
            self.loss, self.kept = loss, self.kept + 1
        return self.loss

    def _change(self) -> None:
        noise = random.stream_of(self.seed, "noise", self.steps)
        for p in self.parameters:
            change = (self.scale * noise.standard_normal(p.shape)).astype(p.dtype)
            device = p.device
            there = arrays.to_device(np.asarray(change), device)
            with on_device(device):
                p._data[...] += there
        mark_written(*(p._cell for p in self.parameters))

    def _put_back(self, before: list[Any]) -> None:
        for p, values in zip(self.parameters, before, strict=True):
            with on_device(p.device):
                p._data[...] = values
        mark_written(*(p._cell for p in self.parameters))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed search needs besides the parameters."""
        return {
            "scale": self.scale,
            "seed": self.seed,
            "loss": None if math.isnan(self.loss) else self.loss,
            "steps": self.steps,
            "kept": self.kept,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: something is missing or out of range; nothing is changed then.
        """
        try:
            found = [state_dict[name] for name in ("scale", "seed", "loss", "steps", "kept")]
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a RandomSearch state ({error!r})") from error
        scale, seed, loss, steps, kept = found
        checks.number("scale", scale, low_open=True)
        self.scale, self.seed, self.steps, self.kept = scale, int(seed), int(steps), int(kept)
        self.loss = math.nan if loss is None else float(loss)


def _number(loss: Any) -> float:
    raw = arrays.to_host(as_raw(loss))
    if raw.size != 1:
        raise ValueError(f"the closure must return one number, got shape {raw.shape}")
    return float(raw.reshape(()))
