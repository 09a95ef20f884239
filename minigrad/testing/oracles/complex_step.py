"""The complex step: Im F(x + i h v) / h has no difference to cancel in, so h may be as small as it likes.

It needs f to be analytic and to take NumPy arrays of complex numbers. Whether f is analytic is measured: the
derivative along the real axis, D = (F(r) - F(-r)) / 2r, and along the imaginary one, S = Im F(ir) / r, have opposite
first error terms, so (D + S) / 2 must agree with the complex step up to r^4; in a function that is not analytic
(abs, real parts, comparisons) it does not.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..line import EPS, FACTOR, TINY, Line
from ..tape import Unsupported
from ..verdict import Outcome, Verdict
from .base import Oracle, compare

_TINY_STEP = 2.0**-66
_RADII = (2.0**-11, 2.0**-16, 2.0**-21)
_ANALYTIC = 1e-6  # relative: beyond that f is not analytic


class ComplexStep(Oracle):
    """The complex step, for analytic functions of NumPy arrays."""

    name: ClassVar[str] = "complex_step"
    orders = 1

    def judge(self, line: Line, analytic: float) -> Outcome:
        if "complex" not in line.memo:
            try:
                line.memo["complex"] = complex_slope(line)
            except Unsupported as error:
                line.memo["complex"] = str(error)
        found = line.memo["complex"]
        if isinstance(found, str):
            return Outcome(Verdict.DOMAIN, analytic, note=f"the complex step cannot judge {{where}}: {found}")
        numeric, bar, rounding, scale = found
        return compare(line, analytic, numeric, bar, FACTOR * (bar + rounding) + TINY, scale)


def complex_slope(line: Line) -> tuple[float, float, float, float]:
    """The derivative by the complex step, its error bar, its rounding error, and the size of its terms.

    Raises:
        Unsupported: f takes no complex arrays, is not finite there, or is not analytic.
    """
    w, sizes = line.weights, line.magnitudes
    tiny = line.at_complex(1j * _TINY_STEP)
    if tiny.shape != line.value.shape:
        raise Unsupported(f"f has {tiny.size} outputs on complex arrays and {line.value.size} on real ones")
    slopes = tiny.imag / _TINY_STEP
    numeric, scale = float(w @ slopes), float(sizes @ np.abs(slopes))
    rounding = EPS * (scale + line.size)
    for radius in _RADII:
        real = (line.at(radius) - line.at(-radius)) / (2 * radius)
        both = (real + line.at_complex(1j * radius).imag / radius) / 2
        noise = FACTOR * rounding / radius
        bar = float(sizes @ np.abs(both - slopes))
        if bar <= _ANALYTIC * max(scale, float(sizes @ np.abs(both))) + noise:
            # what rounding adds to the check is no error of the complex step itself
            return numeric, max(bar - noise, 0.0), FACTOR * rounding, scale
    raise Unsupported("f is not analytic, or not finite beside the point")
