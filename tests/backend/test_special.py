"""The host's special functions against SciPy, against digits of an arbitrary-precision library, and by name in CuPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special as scipy_special

from minigrad.backend import special

RNG = np.random.default_rng(0)
TINY = 10.0 ** RNG.uniform(-300, -1, 500)
LINE = np.concatenate([RNG.uniform(-26, 26, 4000), RNG.normal(size=2000), TINY, -TINY, [0.0, -0.0]])
RIGHT = np.concatenate([RNG.uniform(0, 30, 4000), 10.0 ** RNG.uniform(-300, 300, 1000)])
UNIT = np.concatenate([RNG.uniform(0, 1, 3000), TINY, 1 - 10.0 ** RNG.uniform(-15, -1, 500)])
# SciPy's own error is larger beside the poles, and relative to the zeros on the left
LEFT = np.arange(-9.0, 0.0)[:, None] + np.linspace(0.15, 0.85, 50)
ORDINARY = np.finfo(float).tiny


def near(x: float) -> np.ndarray:
    return x + np.concatenate([RNG.normal(size=300) * 10.0 ** RNG.uniform(-12, -1, 300), [0.0]])


AGAINST_SCIPY = {
    "erf": (LINE,), "erfc": (LINE,), "erfcx": (LINE,), "ndtr": (LINE,), "log_ndtr": (np.concatenate([LINE, -RIGHT]),),
    "erfinv": (np.concatenate([UNIT, -UNIT]),), "logit": (UNIT,), "entr": (np.concatenate([RIGHT, -RIGHT]),),
    "gammaln": (RIGHT,), "digamma": (np.concatenate([RIGHT, near(1.4616321)]),),
    "i1": (LINE * 20,), "xlogy": (LINE[:2000], np.abs(LINE[:2000][::-1])), "xlog1py": (LINE[:500], UNIT[:500] - 0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(AGAINST_SCIPY))
def test_values_are_scipys(name: str) -> None:
    arrays = AGAINST_SCIPY[name]
    expected = getattr(scipy_special, name)(*arrays)
    got = getattr(special, name)(*arrays)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=ORDINARY)


@pytest.mark.parametrize("s", [2, 3, 4, 9, 20])
def test_hurwitz_zeta_is_scipys(s: int) -> None:
    x = RIGHT[np.abs(np.log(RIGHT)) < 600 / s]
    np.testing.assert_allclose(special.zeta(s, x), scipy_special.zeta(s, x), rtol=1e-12, atol=ORDINARY)
    if s < 5:
        np.testing.assert_allclose(special.zeta(s, LEFT), scipy_special.zeta(s, LEFT), rtol=1e-11, atol=1e-12)


def test_gammaln_at_its_zeros() -> None:
    """SciPy's complex loggamma is accurate there, its real functions are not."""
    x = np.concatenate([near(1.0), near(2.0)])
    np.testing.assert_allclose(special.gammaln(x), scipy_special.loggamma(x + 0j).real, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["gammaln", "digamma"])
def test_left_of_zero(name: str) -> None:
    expected = getattr(scipy_special, name)(LEFT)
    np.testing.assert_allclose(getattr(special, name)(LEFT), expected, rtol=1e-12, atol=1e-13)


INF, NAN = math.inf, math.nan
# the digits are mpmath's, for the very double in the second column
DIGITS: list[tuple[str, float, float]] = [
    ("gammaln", 1 + 2**-33, -6.71967473819136e-11), ("gammaln", 2 - 2**-33, -4.921857442950446e-11),
    ("gammaln", 1.0, 0.0), ("gammaln", 2.0, 0.0), ("gammaln", 2.55e305, 1.790672594142003e308),
    ("gammaln", -3.1437199714563175, -0.00108182930898254922), ("gammaln", -1e-300, 690.77552789821371),
    ("digamma", 1.4616321449683622, -9.2412655217294275e-17), ("digamma", -1.999985712899746, -69992.2865886420583),
    ("erfcx", 26.985254705459603, 0.0208930025165717239), ("erfcx", 1e100, 5.6418958354775629e-101),
    ("erfcx", -23.520648711241677, 3.64603639953870731e240), ("erfc", 26.0, 5.6631924088561428e-296),
    ("log_ndtr", -1e4, -50000010.12927891), ("erfinv", 1 - 2**-53, 5.8635847487551679),
    ("i1", 700.0, 1.528500390233900e302),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "expected"), DIGITS)
def test_digits(name: str, x: float, expected: float) -> None:
    np.testing.assert_allclose(getattr(special, name)(x), expected, rtol=2e-12, atol=1e-30)


LIMITS: list[tuple[str, list[float], list[float]]] = [
    ("erf", [INF, -INF, NAN], [1, -1, NAN]), ("erfc", [INF, -INF, 30.0, NAN], [0, 2, 0, NAN]),
    ("erfcx", [INF, -INF, -27.5, NAN], [0, INF, INF, NAN]), ("erfinv", [1.0, -1.0, 1.5, NAN], [INF, -INF, NAN, NAN]),
    ("ndtr", [INF, -INF, NAN], [1, 0, NAN]), ("log_ndtr", [INF, -INF, NAN], [0, -INF, NAN]),
    ("gammaln", [0.0, -0.0, -1.0, -2.0, INF, -INF, NAN], [INF, INF, INF, INF, INF, -INF, NAN]),
    ("digamma", [0.0, -0.0, -1.0, INF, NAN], [-INF, INF, NAN, INF, NAN]),
    ("logit", [0.0, 1.0, -0.5, 1.5, 0.5, NAN], [-INF, INF, NAN, NAN, 0, NAN]),
    ("entr", [0.0, -1.0, INF, NAN], [0, -INF, -INF, NAN]),
    ("i1", [INF, -INF, 0.0, 720.0, NAN], [INF, -INF, 0, INF, NAN]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "expected"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits_are_silent(name: str, x: list[float], expected: list[float]) -> None:
    np.testing.assert_array_equal(getattr(special, name)(np.array(x)), expected)


def test_zeta_at_its_poles() -> None:
    np.testing.assert_array_equal(special.zeta(2.0, np.array([0.0, -1.0, INF, NAN])), [INF, INF, 0, NAN])


def test_nothing_times_a_logarithm() -> None:
    np.testing.assert_array_equal(special.xlogy([0.0, 0.0, 0.0], [0.0, -1.0, NAN]), [0, 0, NAN])
    np.testing.assert_array_equal(special.xlog1py([0.0, 0.0, 0.0], [-1.0, -2.0, NAN]), [0, 0, NAN])


ONE_ARGUMENT = sorted(set(special.__all__) - {"zeta", "xlogy", "xlog1py"})


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_shapes_and_dtypes(name: str) -> None:
    function: Any = getattr(special, name)
    for dtype in (np.float64, np.float32, np.float16):
        assert function(np.full((2, 3), 0.5, dtype)).dtype == dtype
        assert function(dtype(0.5)).dtype == dtype
    assert function(0.5).dtype == function(np.array([0, 1])).dtype == np.float64
    assert function(np.zeros((2, 0), np.float32)).shape == (2, 0)
    strided = np.linspace(0.1, 0.9, 12).reshape(3, 4)[::2, ::-1].T
    np.testing.assert_array_equal(function(strided), function(strided.copy()))


def test_operands_broadcast_and_numbers_are_weak() -> None:
    column, row = np.ones((2, 1), np.float32), np.full(3, 2, np.float32)
    assert special.xlogy(column, row).shape == (2, 3)
    assert special.xlogy(column, 2.0).dtype == special.xlogy(2.0, column).dtype == np.float32
    assert special.xlogy(column, np.float64(2)).dtype == np.float64


@pytest.mark.cupy
def test_cupy_has_them_all() -> None:
    cupyx_special = pytest.importorskip("cupyx.scipy.special")
    assert set(special.__all__) <= set(vars(cupyx_special))
