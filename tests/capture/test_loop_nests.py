"""Compiled loop nests against NumPy: ufuncs, dtypes, layouts, reductions, values that are no numbers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from compiled_steps import assert_close, compiled, numpy_calls
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.numba


def names(*lines: str) -> list[str]:
    return " ".join(lines).split()


UFUNCS = {
    "f": names(
        "add subtract multiply divide remainder fmod power maximum minimum fmax fmin arctan2 hypot copysign negative",
        "positive absolute square reciprocal sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos",
        "arctan sinh cosh tanh arcsinh arccosh arctanh sign floor ceil rint trunc isfinite isnan isinf signbit",
        "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor logical_not",
        "heaviside logaddexp",
    ),
    "i": names(
        "add subtract multiply divide floor_divide remainder maximum minimum negative positive absolute square sign",
        "sqrt exp tanh greater greater_equal less less_equal equal not_equal logical_and logical_or logical_xor",
        "logical_not bitwise_and bitwise_or bitwise_xor invert left_shift right_shift isfinite",
    ),
    "b": names(
        "add multiply maximum minimum logical_and logical_or logical_xor logical_not bitwise_and bitwise_or",
        "bitwise_xor invert equal not_equal greater less greater_equal less_equal absolute isnan",
    ),
}
UFUNCS["u"] = [name for name in UFUNCS["i"] if name not in ("sqrt", "exp", "tanh")]  # they give half precision
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, np.nan, np.inf, -np.inf, 1e-30, 1e30, 88.0, -104.0]


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", "")


def operands(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of values worth trying."""
    kind = np.dtype(dtype).kind
    if kind == "f":
        rng = np.random.default_rng(0)
        values = np.array([*SPECIAL, *rng.standard_normal(20), *(rng.standard_normal(20) * 30)], dtype)
    elif kind == "b":
        values = np.array([False, True])
    else:
        limits = np.iinfo(dtype)
        values = np.array([0, 1, 2, 3, 5, 7, limits.max, limits.max - 1, limits.min, limits.min + 1], dtype)
    pairs = np.array(list(itertools.product(values, values)), dtype)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def is_apart(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where NumPy's own result is a matter of taste: shifts by more than the width."""
    if name.endswith("shift"):
        return (y < 0) | (y >= 8 * x.itemsize)
    return np.zeros(x.shape, bool)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u1", "b1"])
def test_ufuncs(dtype: str) -> None:
    """Each ufunc alone, on all pairs of special and ordinary values, in NumPy's dtype."""
    x, y = operands(dtype)
    functions = [getattr(np, name) for name in UFUNCS[np.dtype(dtype).kind]]

    def step(x: Any, y: Any) -> list[Any]:
        return [f(*(x, y)[: f.nin]) for f in functions]

    run = compiled(step, x, y)
    assert numpy_calls(run) == []
    with np.errstate(all="ignore"):
        for f, found, due in zip(functions, run([x, y]), step(x, y), strict=True):
            told = ~is_apart(f.__name__, x, y)
            assert_close(found[told], due[told], 4, f"{f.__name__} of {dtype}")


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "greater", "divide", "power"])
def test_promotion(name: str) -> None:
    """Operands of two dtypes and Python numbers meet as they do in NumPy."""
    function = getattr(np, name)
    kinds = ["f4", "f8", "i8", "i1", "u1", "b1"] if name != "power" else ["f4", "f8"]
    arrays = [np.arange(1, 8).astype(kind) for kind in kinds]

    def step(*arrays: Any) -> list[Any]:
        mixed = [function(a, b) for a, b in itertools.combinations(arrays, 2)]
        numbers = [function(a, number) for a in arrays for number in (2, 0.5, 3, -1.0, True, np.float32(1.5))]
        return mixed + numbers

    run = compiled(step, *arrays)
    assert numpy_calls(run) == []
    for k, (found, due) in enumerate(zip(run(arrays), step(*arrays), strict=True)):
        assert_close(found, due, 2, f"{name}, case {k}")


def test_copies_convert() -> None:
    kinds = ["f4", "f8", "i8", "i1", "u1", "b1"]
    arrays = [np.array([0, 1, 2, 100], kind) for kind in kinds]

    def step(*arrays: Any) -> list[Any]:
        return [a.astype(kind) for a in arrays for kind in kinds]

    run = compiled(step, *arrays)
    assert numpy_calls(run) == []
    for found, due in zip(run(arrays), step(*arrays), strict=True):
        assert_close(found, due, 0)


def test_choices() -> None:
    """where, clip, and numbers in the place of arrays."""
    x = np.array(SPECIAL, "f4")

    def step(x: Any) -> list[Any]:
        return [
            np.where(x > 0, x, -x),
            np.where(x, x, 2.0),
            np.where(x != x, 0, x),
            np.maximum(x, 0),
            np.minimum(0.5, x),
            np.power(x, 2),
            np.power(x, -1.0),
            x**3,
            np.add(x, np.nan),
            np.multiply(x, np.inf),
        ]

    run = compiled(step, x)
    assert numpy_calls(run) == []
    with np.errstate(all="ignore"):
        for k, (found, due) in enumerate(zip(run([x]), step(x), strict=True)):
            assert_close(found, due, 2, f"case {k}")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["exp", "tanh"])
def test_written_out_functions(name: str, dtype: str) -> None:
    """Within 2 units in the last place of the true value, at denormal results and at all bounds too."""
    function = getattr(np, name)
    top = 90.0 if dtype == "f4" else 712.0
    rng = np.random.default_rng(1)
    near = rng.standard_normal(50_000) * 10.0 ** rng.uniform(-12, 1, 50_000)
    x = np.concatenate([np.linspace(-1.2 * top, top, 100_000), near, [np.nan, np.inf, -np.inf, 0.0, 0.625]]).astype(
        dtype
    )
    with np.errstate(all="ignore"):
        due = function(x.astype(np.longdouble)).astype(dtype)
    assert_close(compiled(lambda x: [function(x)], x)([x])[0], due, 2)


# --- layouts ---------------------------------------------------------------------------------------------------------

shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5, 17]), max_size=3).map(tuple)
SIZE = 4 * 17**3
Layout = tuple[int, tuple[int, ...], tuple[bool, ...], tuple[int, ...]]


def layouts(ndim: int, repeats: bool = True) -> st.SearchStrategy[Layout]:
    """Where views begin, their order of axes, which of those are repeated, their steps."""
    flags = st.sampled_from([False, False, False, True]) if repeats else st.just(False)
    return st.tuples(
        st.integers(0, 3),
        st.permutations(range(ndim)).map(tuple),
        st.tuples(*[flags] * ndim),
        st.tuples(*[st.sampled_from([1, 1, 1, 2, -1])] * ndim),
    )


def a_view(base: Any, shape: tuple[int, ...], layout: Layout) -> Any:
    """A view of a flat array of SIZE elements."""
    first, order, repeated, steps = layout
    room = [1 if repeated[d] else shape[d] * abs(steps[d]) for d in order]
    view = base[first : first + math.prod(room)].reshape(room)
    view = view[(*(slice(None, None, 1 if repeated[d] else steps[d]) for d in order), ...)]
    view = view.transpose([order.index(d) for d in range(len(shape))])
    return np.broadcast_to(view, shape) if any(repeated) else view


@st.composite
def plans(draw: Any) -> tuple[tuple[int, ...], list[tuple[Any, ...]]]:
    """A shape; calls: ufunc, layout of the other operand, axes to sum over or None, whether they are kept."""
    shape = draw(shapes)
    axes = st.none() if not shape else st.none() | st.lists(st.sampled_from(range(len(shape))), unique=True).map(tuple)
    functions = st.sampled_from([np.add, np.multiply, np.maximum, np.subtract])
    call = st.tuples(functions, layouts(len(shape)), axes, st.booleans())
    return shape, draw(st.lists(call, min_size=1, max_size=4))


@given(st.data(), plans(), st.sampled_from(["f4", "f8", "i4"]))
def test_layouts(data: Any, plan: Any, dtype: str) -> None:
    """Calls on views of every kind, with sums on the way, and the last result put into a view of outside memory."""
    shape, calls = plan
    rng = np.random.default_rng(0)
    base = rng.integers(-4, 5, SIZE).astype(dtype)  # whose sums and products are exact in every order
    memory = np.full(SIZE, 7, dtype)
    first, last = data.draw(layouts(len(shape))), data.draw(layouts(len(shape), repeats=False))

    def step(base: Any, memory: Any) -> list[Any]:
        x, found = a_view(base, shape, first), []
        for function, layout, axis, keepdims in calls:
            x = function(x, a_view(base, shape, layout))
            found.append(x)
            if axis is not None:
                found.append(np.add.reduce(x, axis=axis, keepdims=keepdims))
        a_view(memory, shape, last)[...] = x
        return found

    expected = memory.copy()
    due = step(base, expected)
    run = compiled(step, base, state=[memory])
    assert numpy_calls(run) == []
    np.testing.assert_array_equal(memory, expected)
    memory[...] = 7
    for found, value in zip(run([base]), due, strict=True):
        assert_close(found, np.asarray(value), 0)
    np.testing.assert_array_equal(memory, expected)


# --- reductions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "i4", "b1"])
def test_reductions(dtype: str) -> None:
    """Over many choices of axes, in two orders of memory, to the dtype that NumPy chooses."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, 60).astype(dtype)
    cases = [
        (getattr(np, name), shape, axis, keep)
        for name in ("add", "multiply", "maximum", "minimum", "logical_and", "logical_or")
        for shape in ((60,), (4, 15), (3, 4, 5))
        for n in range(len(shape) + 1)
        for axis in (itertools.combinations(range(len(shape)), n) if n else [None])
        for keep in (False, True)
        if not (dtype == "b1" and name[0] == "m" and name != "multiply")
    ][::3]

    def step(x: Any) -> list[Any]:
        return [
            f.reduce(
                x.reshape(shape if k % 2 else shape[::-1]).T if k % 3 else x.reshape(shape), axis=axis, keepdims=keep
            )
            for k, (f, shape, axis, keep) in enumerate(cases)
        ]

    run = compiled(step, x)
    assert numpy_calls(run) == []
    for case, found, due in zip(cases, run([x]), step(x), strict=True):
        assert_close(found, np.asarray(due), 8, str(case))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_long_sums(dtype: str) -> None:
    """In an order that vector instructions like, within the error that a sum in any order has."""
    x = np.random.default_rng(0).standard_normal(3000).astype(dtype)
    lengths = (0, 1, 3, 15, 16, 17, 67, 1000, 3000)

    def step(x: Any) -> list[Any]:
        return [f(x[:n]) for n in lengths for f in (np.sum, lambda a: np.sum(a * a))]

    exact = x.astype(np.longdouble)
    for k, found in enumerate(compiled(step, x)([x])):
        n = lengths[k // 2]
        terms = exact[:n] ** 2 if k % 2 else exact[:n]
        assert_close(found, np.asarray(terms.sum().astype(dtype)), 4 + n / 100, scale=float(np.abs(terms).sum()))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_no_number_stays_so(dtype: str) -> None:
    """Wherever it stands in a long vector; NumPy's own result, nan and the sign of infinity included."""
    functions = [np.add, np.multiply, np.maximum, np.minimum]
    x = np.linspace(1, 2, 67).astype(dtype)

    def step(x: Any) -> list[Any]:
        rows = x[:66].reshape(6, 11)
        return [f.reduce(a, axis=axis) for f in functions for a, axis in ((x, 0), (rows, 0), (rows, 1))] + [x * x + x]

    run = compiled(step, x)
    assert numpy_calls(run) == []
    for place, bad in itertools.product((0, 1, 31, 65), (np.nan, np.inf, -np.inf)):
        x[place] = bad
        with np.errstate(all="ignore"):
            for found, due in zip(run([x]), step(x), strict=True):
                assert_close(found, np.asarray(due), 8)
        x[place] = 1.5


def test_compensated_sums_are_left_alone() -> None:
    """Only a sum's own terms may change places: what a step computes to correct rounding is no zero."""

    def step(x: Any, y: Any) -> list[Any]:
        total = x + y
        return [(total - x) - y, (x + 1.0) - 1.0]

    x, y = np.array([1e8, 1.0, 3e-9], "f4"), np.array([1.25, 1e-9, 2e9], "f4")
    run = compiled(step, x, y)
    for found, due in zip(run([x, y]), step(x, y), strict=True):
        assert due.any()
        assert_close(found, due, 0)
