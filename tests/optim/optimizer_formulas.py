"""Every optimizer for one number, in Python floats, by the formula of its source: what the library is compared with."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from optimizer_rows import Row

from minigrad import optim

Hyper = dict[str, Any]


def sgd(h: Hyper, w: float, gradients: list[float]) -> float:
    velocity = 0.0
    for t, g in enumerate(gradients, 1):
        g += h["weight_decay"] * w
        scaled = h["scale_velocity_by_lr"]
        gain = (1.0 if t == 1 else 1 - h["dampening"]) * (h["lr"] if scaled else 1.0)
        velocity = h["momentum"] * velocity + gain * g if h["momentum"] else g
        step = velocity
        if h["nesterov"]:
            step = (h["lr"] if scaled else 1.0) * g + h["momentum"] * velocity
        w -= step if scaled else h["lr"] * step
    return w


def adam(h: Hyper, w: float, gradients: list[float]) -> float:
    m = v = largest = 0.0
    (b1, b2), lr = h["betas"], h["lr"]
    for t, g in enumerate(gradients, 1):
        if h["decoupled_weight_decay"]:
            w -= lr * h["weight_decay"] * w
        else:
            g += h["weight_decay"] * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = max(largest, v) if h["amsgrad"] else v
        w -= lr * (m / (1 - b1**t)) / (math.sqrt(largest / (1 - b2**t)) + h["eps"])
    return w


def adagrad(h: Hyper, w: float, gradients: list[float]) -> float:
    total = h["initial_accumulator_value"]
    for t, g in enumerate(gradients, 1):
        g += h["weight_decay"] * w
        total += g * g
        w -= h["lr"] / (1 + (t - 1) * h["lr_decay"]) * g / (math.sqrt(total) + h["eps"])
    return w


def adadelta(h: Hyper, w: float, gradients: list[float]) -> float:
    square = travel = 0.0
    rho, eps = h["rho"], h["eps"]
    for g in gradients:
        g += h["weight_decay"] * w
        square = rho * square + (1 - rho) * g**2
        step = -math.sqrt(travel + eps) / math.sqrt(square + eps) * g
        travel = rho * travel + (1 - rho) * step**2
        w += h["lr"] * step
    return w


def rmsprop(h: Hyper, w: float, gradients: list[float]) -> float:
    square = mean = velocity = 0.0
    for g in gradients:
        g += h["weight_decay"] * w
        square = h["alpha"] * square + (1 - h["alpha"]) * g**2
        mean = h["alpha"] * mean + (1 - h["alpha"]) * g
        variance = square - mean**2 if h["centered"] else square
        velocity = h["momentum"] * velocity + g / (math.sqrt(max(variance, 0.0)) + h["eps"])
        w -= h["lr"] * velocity
    return w


def adamax(h: Hyper, w: float, gradients: list[float]) -> float:
    m = u = 0.0
    b1, b2 = h["betas"]
    for t, g in enumerate(gradients, 1):
        g += h["weight_decay"] * w
        m, u = b1 * m + (1 - b1) * g, max(b2 * u, abs(g) + h["eps"])
        w -= h["lr"] / (1 - b1**t) * m / u
    return w


def nadam(h: Hyper, w: float, gradients: list[float]) -> float:
    m = v = 0.0
    (b1, b2), lr = h["betas"], h["lr"]

    def mu(t: int) -> float:
        return b1 * (1 - 0.5 * 0.96 ** (t * h["momentum_decay"]))

    for t, g in enumerate(gradients, 1):
        if h["decoupled_weight_decay"]:
            w -= lr * h["weight_decay"] * w
        else:
            g += h["weight_decay"] * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        product = math.prod(mu(i) for i in range(1, t + 1))
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        w -= lr * ahead / (math.sqrt(v / (1 - b2**t)) + h["eps"])
    return w


def radam(h: Hyper, w: float, gradients: list[float]) -> float:
    m = v = 0.0
    (b1, b2), lr = h["betas"], h["lr"]
    most = 2 / (1 - b2) - 1
    for t, g in enumerate(gradients, 1):
        if h["decoupled_weight_decay"]:
            w -= lr * h["weight_decay"] * w
        else:
            g += h["weight_decay"] * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        rho = most - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if rho > 5:
            step *= math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
            step *= math.sqrt(1 - b2**t) / (math.sqrt(v) + h["eps"])
        w -= lr * step
    return w


def lion(h: Hyper, w: float, gradients: list[float]) -> float:
    """Chen et al. 2023, algorithm 2, line by line."""
    m = 0.0
    (b1, b2), lr = h["betas"], h["lr"]
    for g in gradients:
        c = b1 * m + (1 - b1) * g
        w -= lr * (math.copysign(1.0, c) * (c != 0) + h["weight_decay"] * w)
        m = b2 * m + (1 - b2) * g
    return w


FORMULAS: dict[type[optim.Optimizer], Callable[[Hyper, float, list[float]], float]] = {
    optim.SGD: sgd,
    optim.Adam: adam,
    optim.AdamW: adam,
    optim.Adagrad: adagrad,
    optim.Adadelta: adadelta,
    optim.RMSprop: rmsprop,
    optim.Adamax: adamax,
    optim.NAdam: nadam,
    optim.RAdam: radam,
    optim.Lion: lion,
}


def reference(row: Row, w: float, gradients: list[float]) -> float:
    """Where a number ends that starts at w and has these gradients."""
    parameters = inspect.signature(row.cls).parameters.values()
    h = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty} | row.kwargs
    if row.cls is optim.AdamW:
        h["decoupled_weight_decay"] = True
    return FORMULAS[row.cls](h, w, [-g for g in gradients] if h["maximize"] else gradients)
