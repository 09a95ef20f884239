"""Initial weights and the scale of inputs: what lets a network begin to learn.

activations.png   how far signals reach forward and gradients backward through eight layers
loss.png          the losses that follow
symmetry.png      units that begin alike stay alike
scale.png         raw inputs against min-max and z-normalised ones, fitted on the training part alone
threshold.png     a binary threshold unit: its gradient is 0, and nothing is learnt
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import optim
from ..backend import random
from ..core.modes import no_grad
from ..data import StandardScaler, load
from ..nn import MLP, Linear, init
from ..nn import functional as F
from . import style
from .input_scale import draw_scale
from .notebook import Notebook, host
from .symmetry import draw_symmetry
from .threshold import draw_threshold

DEPTH, WIDTH = 8, 64
INITS: dict[str, Callable[[Any, str], Any]] = {
    "zeros": lambda w, _: init.zeros_(w),
    "N(0, 1)": lambda w, _: init.normal_(w, 0.0, 1.0),
    "N(0, 0.1)": lambda w, _: init.normal_(w, 0.0, 0.1),
    "Xavier": lambda w, activation: init.xavier_normal_(w, init.calculate_gain(activation)),
    "Kaiming": lambda w, activation: init.kaiming_normal_(w, nonlinearity=activation),
}
"""Fill a weight matrix before an activation. The second argument of N is the standard deviation."""
KEYS = {"zeros": "zeros", "N(0, 1)": "normal_1", "N(0, 0.1)": "normal_01", "Xavier": "xavier", "Kaiming": "kaiming"}


def run(lab: Notebook) -> None:
    """The whole topic."""
    digits = load("digits")
    rows = lab.pick(1200, 64)
    x, y = StandardScaler().fit_transform(digits.x[:rows]), digits.y[:rows]
    draw_activations(lab, lab.tensor(x, np.float32), lab.tensor(y, np.int64))
    draw_losses(lab, lab.tensor(x, np.float32), lab.tensor(y, np.int64))
    draw_symmetry(lab)
    draw_scale(lab)
    draw_threshold(lab)


def network(lab: Notebook, name: str, activation: str) -> MLP:
    """A deep network with the initial weights of a name; all biases are 0."""
    random.manual_seed(lab.seed)
    model = MLP(64, [WIDTH] * DEPTH, 10, activation, device=lab.device)
    for layer in model.modules():
        if isinstance(layer, Linear) and layer.bias is not None:
            INITS[name](layer.weight, activation)
            init.zeros_(layer.bias)
    return model


def signals(model: MLP, x: Any, y: Any) -> tuple[list[float], list[float]]:
    """The root mean square of each hidden layer's output, and of the gradient of each hidden layer's weights."""
    with np.errstate(all="ignore"):
        F.cross_entropy(model(x), y).backward()
        forward = []
        with no_grad():
            for layer in list(model.layers)[:-1]:
                x = layer(x)
                if not isinstance(layer, Linear):
                    forward.append(_size(x))
        backward = [_size(layer.weight.grad) for layer in model.modules() if isinstance(layer, Linear)]
    return forward, backward[:-1]


def _size(values: Any) -> float:
    return float(np.sqrt((host(values).astype(float) ** 2).mean()))


def draw_activations(lab: Notebook, x: Any, y: Any) -> None:
    """Sizes of outputs and gradients, layer by layer, for two activations."""
    figure = style.figure(9.6, 6, f"{DEPTH} hidden layers of {WIDTH} units before the first step: root mean squares")
    layers = range(1, DEPTH + 1)
    for axes, activation in zip(figure.subplots(2, 2), ("tanh", "relu"), strict=True):
        lab.say(f"{activation}: output of the first and the last hidden layer, gradient of their weights")
        for i, name in enumerate(INITS):
            forward, backward = signals(network(lab, name, activation), x, y)
            for what, values in (("output", forward), ("gradient", backward)):
                lab.number(f"{activation}_{KEYS[name]}_first_{what}", values[0])
                lab.number(f"{activation}_{KEYS[name]}_last_{what}", values[-1])
            lab.say(f"  {name:10s} {forward[0]:8.2g} {forward[-1]:8.2g}   {backward[0]:8.2g} {backward[-1]:8.2g}")
            for axis, values in zip(axes, (forward, backward), strict=True):
                if any(values):
                    wide = 3.5 if name == "Xavier" else 1.5  # Kaiming's line lies on it where a layer is square
                    axis.plot(layers, values, **style.line(i, 1), linewidth=wide, label=name)
                else:
                    axis.plot([], [], **style.line(i, 1), label=f"{name}: 0 in every layer")
        for axis, what in zip(axes, ("size of the output", "size of the weights' gradient"), strict=True):
            axis.set(xlabel="hidden layer", ylabel=what, yscale="log", title=activation)
            axis.set_xticks(list(layers))
    axes[0].legend(fontsize=7.5)
    lab.picture("activations", figure)


def draw_losses(lab: Notebook, x: Any, y: Any) -> None:
    """Training curves at one learning rate."""
    steps, batch, rate = lab.pick(300, 3), 64, 0.05
    figure = style.figure(9.6, 3.9, f"Training loss on digits, SGD at the rate {rate}, batches of {batch}")
    for axis, activation in zip(figure.subplots(1, 2), ("tanh", "relu"), strict=True):
        lab.say(f"{activation}: loss after {steps} steps")
        for i, name in enumerate(INITS):
            losses = train(lab, network(lab, name, activation), x, y, steps, batch, rate)
            end = float(np.mean(losses[-20:]))
            lab.number(f"{activation}_{KEYS[name]}_loss", end, f"  {name:10s} {{:.4f}}")
            smooth = np.convolve(losses, np.ones(5) / 5, "valid")
            shown = np.where(smooth < 30, smooth, np.nan)
            note = "" if np.isfinite(end) else " (diverges)"
            note = " (no better than guessing)" if abs(end - np.log(10)) < 0.01 else note
            axis.plot(shown, **style.line(i, max(1, steps // 8)), label=name + note)
        axis.set(xlabel="step", ylabel="training loss", title=activation)
        style.plain_log(axis, (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10))
        axis.legend(loc="lower left")
    lab.picture("loss", figure)


def train(lab: Notebook, model: MLP, x: Any, y: Any, steps: int, batch: int, rate: float) -> np.ndarray:
    """The loss of each step's batch, (steps,); nan from where it is beyond all bounds."""
    draws = lab.generator("batches")
    optimizer = optim.SGD(model.parameters(), rate)
    losses = np.full(steps, np.nan)
    with np.errstate(all="ignore"):
        for step in range(steps):
            rows = lab.tensor(draws.integers(len(y), size=batch), np.int64).data
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[rows]), y[rows])
            losses[step] = float(host(loss))
            if not losses[step] < 1e6:
                losses[step] = np.nan
                break
            loss.backward()
            optimizer.step()
    return losses
