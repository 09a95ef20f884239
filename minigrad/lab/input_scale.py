"""Inputs as they are, squeezed into a range, or with mean 0 and deviation 1; fitted on the training part alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim
from ..backend import random
from ..data import MinMaxScaler, StandardScaler, load, train_test_split
from ..nn import Linear
from ..nn import functional as F
from . import style
from .notebook import Notebook, host

SCALERS: dict[str, Any] = {
    "raw": lambda: None,
    "min-max to [0, 1]": MinMaxScaler,
    "min-max to [-1, 1]": lambda: MinMaxScaler((-1.0, 1.0)),
    "z-normalised": StandardScaler,
}
KEYS = ("raw", "minmax_01", "minmax_11", "standard")
RATES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
COLUMN = "proline"


def curve(lab: Notebook, x: Any, y: Any, rate: float, steps: int) -> np.ndarray:
    """The training loss of a linear classifier, full batch, (steps + 1,); nan where it is beyond all bounds."""
    random.manual_seed(lab.seed)
    model = Linear(x.shape[1], 3, device=lab.device)
    optimizer = optim.SGD(model.parameters(), rate)
    losses = []
    with np.errstate(all="ignore"):
        for _ in range(steps + 1):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(float(host(loss)))
    return np.where(np.array(losses) < 1e6, losses, np.nan)


def draw_scale(lab: Notebook) -> None:
    """Losses at one rate, losses at the best rate, and what fitting on everything would do."""
    wine = load("wine")
    x_train, x_test, y_train, _ = train_test_split(wine.x, wine.y, seed=lab.seed, stratify=wine.y)
    steps, rates = lab.pick(400, 3), RATES[lab.pick(0, 6) :]
    figure = style.figure(12, 4, "A linear classifier of 13 measurements of wine, from 0.1 to 1680 in size")
    same, own, strip = figure.subplots(1, 3)
    lab.say(f"wine, {len(x_train)} training rows, {steps} steps of the full batch:")
    for i, (name, make) in enumerate(SCALERS.items()):
        scaler = make()
        scaled = x_train if scaler is None else scaler.fit(x_train).transform(x_train)
        spread = np.linalg.cond(np.column_stack([scaled, np.ones(len(scaled))]).astype(float)) ** 2
        x, y = lab.tensor(scaled, np.float32), lab.tensor(y_train, np.int64)
        curves = {rate: curve(lab, x, y, rate, steps) for rate in rates}
        best = min(rates, key=lambda rate: np.nan_to_num(curves[rate][-1], nan=np.inf))
        lab.say(f"  {name}")
        lab.number(f"condition_{KEYS[i]}", spread, "    longest against shortest curvature of a linear fit {:.2g}")
        lab.number(f"at_one_rate_{KEYS[i]}", curves[0.1][-1], "    loss at the rate 0.1 {:.4f}")
        lab.number(f"at_best_rate_{KEYS[i]}", curves[best][-1], f"    loss at the best rate, {best:g}: {{:.4f}}")
        shown = style.typeset(name)
        same.plot(curves[0.1], **style.line(i), label=shown)
        own.plot(curves[best], **style.line(i), label=f"{shown}, rate {best:g}".replace("-0", "−"))
    for axis, title in ((same, "all at the rate 0.1"), (own, "each at its best rate")):
        axis.set(xlabel="step", ylabel="training loss", title=title)
    style.plain_log(same, (0.01, 0.1, 1, 10, 100, 1000, 10000))
    style.plain_log(own, (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30))
    own.legend()
    same.legend()
    _draw_strip(lab, strip, wine, x_train, x_test)
    lab.picture("scale", figure)


def _draw_strip(lab: Notebook, axis: Any, wine: Any, x_train: np.ndarray, x_test: np.ndarray) -> None:
    """One column after min-max scaling: fitted on the training part, and, wrongly, on everything."""
    column = wine.feature_names.index(COLUMN)
    x_train, x_test = x_train.copy(), x_test.copy()
    x_test[0, column] = 3000.0  # an outlier that only the test part has
    right = MinMaxScaler().fit(x_train)
    wrong = MinMaxScaler().fit(np.concatenate([x_train, x_test]))
    lab.say(f"min-max of {COLUMN}, with an outlier of 3000 in the test part:")
    for row, (scaler, fitted) in enumerate(((right, "training part"), (wrong, "everything"))):
        for part, (name, x) in enumerate((("training", x_train), ("test", x_test))):
            values = scaler.transform(x)[:, column]
            y = 3 - (2 * row + part)
            axis.plot(values, np.full(len(values), y), "|", color=style.SERIES[part][0], markersize=14)
            axis.text(values.max() + 0.06, y, name, va="center", fontsize=8)
            key = f"{('right', 'wrong')[row]}_{name}_max"
            lab.number(key, values.max(), f"  fitted on {fitted}: the {name} part reaches {{:.3f}}")
    axis.set_yticks([2.5, 0.5], ["fitted on the\ntraining part:\nright", "fitted on\neverything:\nwrong"])
    axis.set(xlabel=f"{COLUMN}, min-max scaled", title="the test part must not set the scale", ylim=(-0.6, 3.6))
    axis.set_xlim(-0.1, 2.55)
    axis.axhline(1.5, color=style.GREY, linewidth=0.8)
    axis.grid(False, axis="y")
