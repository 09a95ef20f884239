"""A small network on two half moons: the problem on which batches, schedules and seeds are compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import random
from ..core.modes import no_grad
from ..data import moons
from ..nn import MLP
from ..nn import functional as F
from ..optim import Optimizer
from .notebook import Notebook, host


class Moons:
    """Data, and a network to begin with.

    Args:
        lab: says on which device, and the seed of the data.
        rows: training examples.
        hidden: units of the hidden layer.
    """

    def __init__(self, lab: Notebook, rows: int, hidden: int = 16) -> None:
        self.lab, self.rows, self.hidden = lab, rows, hidden
        train, test = moons(rows, 0.2, seed=lab.seed), moons(1000, 0.2, seed=lab.seed + 1)
        self.x, self.y = self._put(train.x, train.y)
        self.x_test, self.y_test = self._put(test.x, test.y)

    def _put(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        return self.lab.tensor(x, np.float32), self.lab.tensor(y, np.int64)

    def model(self, seed: int | None = None) -> MLP:
        """A network; one seed gives the same weights again."""
        random.manual_seed(self.lab.seed if seed is None else seed)
        return MLP(2, [self.hidden], 2, "tanh", device=self.lab.device)

    def loss(self, model: MLP, rows: Any = slice(None)) -> Any:
        """Mean cross-entropy of some rows, differentiable."""
        return F.cross_entropy(model(self.x[rows]), self.y[rows])

    def whole_loss(self, model: MLP) -> float:
        """Mean cross-entropy of the training set."""
        with no_grad():
            return float(host(self.loss(model)))

    def accuracy(self, model: MLP) -> float:
        """Share of the test set that is classified rightly."""
        with no_grad():
            return float((host(model(self.x_test)).argmax(axis=1) == host(self.y_test)).mean())

    def gradient(self, model: MLP, rows: Any = slice(None)) -> np.ndarray:
        """The gradient of the mean loss of some rows with respect to all weights, (weights,)."""
        for p in model.parameters():
            p.grad = None
        self.loss(model, rows).backward()
        return np.concatenate([host(p.grad).ravel() for p in model.parameters()]).astype(float)

    def train(
        self,
        model: MLP,
        optimizer: Optimizer,
        batch: int,
        epochs: int,
        order: np.random.Generator,
        after_step: Callable[[], Any] = lambda: None,
    ) -> tuple[list[float], list[float]]:
        """Train in shuffled batches.

        Args:
            model: from `model`.
            optimizer: over its parameters.
            batch: rows a step.
            epochs: passes over the training set.
            order: draws the order of the rows.
            after_step: called after each step, for schedules.

        Returns:
            The loss of the whole training set before the first epoch and after each, and the seconds of training until
            then; measuring the loss does not count.
        """
        losses, seconds = [self.whole_loss(model)], [0.0]
        for _ in range(epochs):
            rows = order.permutation(self.rows)
            start = time.perf_counter()
            for first in range(0, self.rows, batch):
                optimizer.zero_grad()
                self.loss(model, self._rows(rows[first : first + batch])).backward()
                optimizer.step()
                after_step()
            losses.append(self.whole_loss(model))  # waits for the device, so it comes before the clock is read
            seconds.append(seconds[-1] + time.perf_counter() - start)
        return losses, seconds

    def _rows(self, rows: np.ndarray) -> Any:
        return self.lab.tensor(rows, np.int64).data
