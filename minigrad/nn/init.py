"""Initial values: each function fills a Tensor in place and returns it.

Random ones draw in float64 on the host, from the stream "init" of the library's seed or from `generator`, and cast:
one seed gives the same weights in every dtype and on every device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import random
from ..backend.array import to_device
from ..errors import ShapeError
from ..tensor import Tensor

Generator = np.random.Generator | int | None
"""A NumPy generator, a seed for a new one, or None for the library's stream."""

_GAINS = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Write host values through the data setter, so that the tape learns of it."""
    tensor.data = to_device(np.ascontiguousarray(values, dtype=tensor.dtype).reshape(tensor.shape), tensor.device)
    return tensor


def _generator(generator: Generator) -> np.random.Generator:
    if generator is None:
        return random.generator("init")
    return random.stream_of(generator, "init") if isinstance(generator, (int, np.integer)) else generator


def _check(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{name}: fills a Tensor in place, got {type(tensor).__name__}; wrap it in mg.tensor, or fill it with NumPy"
        )


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, ...): further axes count as the receptive field."""
    _check(name, tensor)
    if tensor.ndim < 2:
        raise ShapeError(
            f"{name}: a weight (out, in, ...) with at least 2 dimensions has fans, got shape {tensor.shape}; "
            "use uniform_, normal_ or zeros_ for a bias"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _by_std(tensor: Tensor, std: float, uniform: bool, generator: Generator) -> Tensor:
    """Fill with mean 0 and the given standard deviation."""
    return (
        uniform_(tensor, -math.sqrt(3) * std, math.sqrt(3) * std, generator)
        if uniform
        else normal_(tensor, 0.0, std, generator)
    )


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before a nonlinearity grow, so that the variance is kept.

    1 for linear, identity and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu, sqrt(2 / (1 + a**2)) for
    leaky_relu.

    Args:
        nonlinearity: its name.
        param: the negative slope a of leaky_relu; None is 0.01.

    Returns:
        The gain.

    Raises:
        ValueError: an unknown name.
    """
    if nonlinearity == "leaky_relu":
        a = 0.01 if param is None else param
        return math.sqrt(2 / (1 + a * a))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {', '.join((*_GAINS, 'leaky_relu'))}; got {nonlinearity!r}"
        )
    return _GAINS[nonlinearity]


def constant_(tensor: Tensor, value: float) -> Tensor:
    """Fill with one value.

    Args:
        tensor: what to fill.
        value: the value.

    Returns:
        `tensor`.
    """
    return _constant("constant_", tensor, value)


def _constant(name: str, tensor: Tensor, value: float) -> Tensor:
    _check(name, tensor)
    return _fill(tensor, np.full(tensor.shape, value))


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0; returns `tensor`."""
    return _constant("zeros_", tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1; returns `tensor`."""
    return _constant("ones_", tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity; returns `tensor`.

    Raises:
        ShapeError: not 2-D.
    """
    _check("eye_", tensor)
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: a matrix is due, got shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from the normal distribution N(mean, std**2).

    Args:
        tensor: what to fill.
        mean: mean.
        std: standard deviation, not negative.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ValueError: std is negative.
    """
    _check("normal_", tensor)
    if not std >= 0:
        raise ValueError(f"normal_: std must not be negative, got {std!r}")
    return _fill(tensor, _generator(generator).normal(mean, std, tensor.shape))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from the uniform distribution on [a, b).

    Args:
        tensor: what to fill.
        a: lower end.
        b: upper end, not below a.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ValueError: b is below a.
    """
    _check("uniform_", tensor)
    if not a <= b:
        raise ValueError(f"uniform_: a must not be above b, got a={a!r}, b={b!r}")
    return _fill(tensor, _generator(generator).uniform(a, b, tensor.shape))


def _xavier(name: str, tensor: Tensor, gain: float, uniform: bool, generator: Generator) -> Tensor:
    fans = sum(_fans(name, tensor))
    return _by_std(tensor, gain * math.sqrt(2 / fans) if fans else 0.0, uniform, generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from U(-b, b), b = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Args:
        tensor: weight (out, in, ...).
        gain: see `calculate_gain`.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ShapeError: fewer than 2 dimensions.
    """
    return _xavier("xavier_uniform_", tensor, gain, True, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from N(0, s**2), s = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Args:
        tensor: weight (out, in, ...).
        gain: see `calculate_gain`.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ShapeError: fewer than 2 dimensions.
    """
    return _xavier("xavier_normal_", tensor, gain, False, generator)


def _kaiming(
    name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str, uniform: bool, generator: Generator
) -> Tensor:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(name, tensor)[mode == "fan_out"]
    gain = calculate_gain(nonlinearity, a)
    return _by_std(tensor, gain / math.sqrt(fan) if fan else 0.0, uniform, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill from U(-b, b), b = gain * sqrt(3 / fan) (He et al. 2015).

    Args:
        tensor: weight (out, in, ...).
        a: negative slope of the leaky_relu that follows; 0 is relu.
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: see `calculate_gain`.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ShapeError: fewer than 2 dimensions.
        ValueError: unknown mode or nonlinearity.
    """
    return _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity, True, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill from N(0, s**2), s = gain / sqrt(fan) (He et al. 2015).

    Args:
        tensor: weight (out, in, ...).
        a: negative slope of the leaky_relu that follows; 0 is relu.
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: see `calculate_gain`.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ShapeError: fewer than 2 dimensions.
        ValueError: unknown mode or nonlinearity.
    """
    return _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity, False, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with gain times a uniformly distributed (semi-)orthogonal matrix (Saxe et al. 2013).

    Args:
        tensor: weight (out, ...); the axes after the first are joined.
        gain: factor of all values.
        generator: NumPy generator, seed, or None for the library's stream.

    Returns:
        `tensor`.

    Raises:
        ShapeError: fewer than 2 dimensions.
    """
    _fans("orthogonal_", tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(_generator(generator).normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.copysign(1.0, np.diag(r))  # without the signs the distribution would depend on the QR routine
    return _fill(tensor, gain * (q if rows >= columns else q.T))


# The same functions by PyTorch's older names, which also fill in place: for calls such as init.zeros(layer.bias).
zeros, ones, constant, eye, normal, uniform = zeros_, ones_, constant_, eye_, normal_, uniform_
xavier_uniform, xavier_normal = xavier_uniform_, xavier_normal_
kaiming_uniform, kaiming_normal, orthogonal = kaiming_uniform_, kaiming_normal_, orthogonal_
