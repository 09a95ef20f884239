"""Rows of minigrad.ops.parts and minigrad.ops.rounding: numbers taken apart, rounding, division with remainder."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import parts, rounding
from minigrad.testing import OpSpec

WHOLE = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
DIVISORS = ((0.75, 2.0), (-2.0, -0.75))


def exponents(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(-3, 4, size=shapes[position])


def zeros_too(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return np.asarray(rng.choice([-1.5, -0.5, 0.0, 0.5, 1.5], size=shapes[position]))


def infinite(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """For values only: a step that differences take from infinity would be nan."""
    return np.asarray(rng.choice([-1.5, 0.5, np.inf, -np.inf], size=shapes[position]))


def quotient(x: np.ndarray, y: np.ndarray) -> Any:
    """0 where the quotient jumps."""
    return x / y - np.round(x / y)


def remainders(name: str, fn: Any, reference: Any, torch: Any = None, **more: Any) -> list[OpSpec]:
    """A row for divisors of either sign."""
    return [
        OpSpec(name + ending, fn, reference, 2, domain=((-4.0, 4.0), divisors), broadcasts=True, kinks=(quotient,),
               distance=1 / 256, torch=torch, **more)
        for ending, divisors in zip(("", " by a negative"), DIVISORS, strict=True)
    ]  # fmt: skip


PARTS = [
    OpSpec("absolute", parts.absolute, np.abs, kinks=(0.0,), torch=th("abs"), notes="slope 0 at 0"),
    OpSpec("fabs", parts.fabs, np.fabs, kinks=(0.0,), torch=th("abs"), notes="slope 0 at 0"),
    OpSpec("sign", parts.sign, np.sign, order=0),
    OpSpec("copysign", parts.copysign, np.copysign, 2, broadcasts=True, kinks=(0.0,), differentiable=(0,),
           torch=th("copysign"), notes="no gradient flows to the sign"),
    OpSpec("heaviside", parts.heaviside, np.heaviside, 2, domain=(zeros_too, (-2.0, 2.0)), broadcasts=True,
           differentiable=(1,), notes="no gradient flows to x"),
    OpSpec("modf", parts.modf, np.modf, kinks=WHOLE),
    OpSpec("ldexp", parts.ldexp, np.ldexp, 2, domain=((-2.0, 2.0), exponents), broadcasts=True),
    OpSpec("frexp", parts.frexp, np.frexp, domain=(0.0625, 2.0), kinks=(0.125, 0.25, 0.5, 1.0)),
    OpSpec("real", parts.real, np.real),
    OpSpec("imag", parts.imag, np.imag, order=0),
    OpSpec("conjugate", parts.conjugate, np.conjugate),
    OpSpec("real_if_close", parts.real_if_close, np.real_if_close),
    OpSpec("nan_to_num", parts.nan_to_num, np.nan_to_num, params=({}, {"nan": 1.0, "posinf": 2.0, "neginf": -3})),
    OpSpec("nan_to_num of inf", parts.nan_to_num, np.nan_to_num, domain=infinite, order=0, differentiable=(),
           params=({"posinf": 2.0, "neginf": -3.0}, {"nan": 1.0, "posinf": 0.5, "neginf": -2.0})),
]  # fmt: skip

DECIMALS = ({}, {"decimals": 0}, {"decimals": 1}, {"decimals": -1})

ROUNDING = [
    *(OpSpec(name, getattr(rounding, name), getattr(np, name), order=0, domain=(-4.0, 4.0))
      for name in ("floor", "ceil", "trunc", "rint", "fix", "spacing")),
    OpSpec("round", rounding.round, np.round, order=0, domain=(-40.0, 40.0), params=DECIMALS),
    OpSpec("nextafter", rounding.nextafter, np.nextafter, 2, broadcasts=True, order=0),
    *remainders("floor_divide", rounding.floor_divide, np.floor_divide, order=0),
    *remainders("remainder", rounding.remainder, np.remainder, th("remainder")),
    *remainders("fmod", rounding.fmod, np.fmod, th("fmod")),
    *remainders("divmod", rounding.divmod, np.divmod),
]  # fmt: skip

ROWS = PARTS + ROUNDING
