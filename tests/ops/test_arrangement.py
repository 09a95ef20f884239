"""The functions that move elements about, beside NumPy's: any dtype, argument forms, memory orders, errors, views."""

from __future__ import annotations

import importlib
import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.errors import DTypeError, GraphError, ShapeError

MODULES = [
    *("shape", "alignment", "likes", "joining", "stacking", "splitting", "arrangement", "repetition", "windows"),
    *("triangles", "padding", "index", "updates", "selection", "apply"),
]
OTHER = {"sliding_window_view": np.lib.stride_tricks.sliding_window_view}


def _ours() -> SimpleNamespace:
    found: dict[str, Any] = {}
    for name in MODULES:
        module = importlib.import_module(f"minigrad.ops.{name}")
        found |= {n: getattr(module, n) for n in getattr(module, "NUMPY", ())}
        found |= {k.__name__: f for k, f in getattr(module, "NUMPY_OTHER", {}).items()}
    return SimpleNamespace(**found)


OURS = _ours()


def _theirs(name: str) -> Any:
    return OTHER.get(name) or getattr(np, name, None)


@pytest.mark.parametrize("name", sorted(vars(OURS)))
def test_the_signature_is_numpys(name: str) -> None:
    if _theirs(name) is None:
        pytest.skip(f"NumPy {np.__version__} has no {name}")
    ours, theirs = (
        {p.name: (p.kind == p.KEYWORD_ONLY, p.default) for p in inspect.signature(f).parameters.values()}
        for f in (getattr(OURS, name), _theirs(name))
    )
    kept = [n for n in ours if n in theirs]  # some of ours are of a later NumPy, or our own
    assert kept == list(theirs)
    required = {n for n, (_, default) in theirs.items() if default is inspect.Parameter.empty}
    assert {n: p for n, p in theirs.items() if n not in required} == {n: ours[n] for n in theirs if n not in required}


CALLS: dict[str, Any] = {
    "reshape": lambda m, x: (m.reshape(x, (3, 2)), m.reshape(x, -1, "F"), m.reshape(x, [6], order="C")),
    "ravel": lambda m, x: (m.ravel(x), m.ravel(x, "F")),
    "transpose": lambda m, x: (m.transpose(x), m.transpose(x, [1, 0]), m.transpose(x, axes=(-1, 0))),
    "moveaxis": lambda m, x: (m.moveaxis(x, 0, -1), m.rollaxis(x, 1)),
    "expand and squeeze": lambda m, x: (m.expand_dims(x, [0, 2]), m.squeeze(m.expand_dims(x, 0), axis=0)),
    "atleast": lambda m, x: (m.atleast_1d(x), m.atleast_2d(x[0]), m.atleast_3d(x)),
    "broadcast": lambda m, x: (m.broadcast_to(x, (2, 2, 3)), *m.broadcast_arrays(x, x[0])),
    "meshgrid": lambda m, x: tuple(m.meshgrid(x[0], x[1], indexing="ij")),
    "likes": lambda m, x: (m.ones_like(x), m.zeros_like(x, dtype="f4"), m.full_like(x, 1), m.ones_like(x, shape=2)),
    "concatenate": lambda m, x: (m.concatenate((x, x), 1), m.concatenate([x, x[:1]], axis=0), m.concatenate([x], None)),
    "promotion": lambda m, x: (m.concatenate([x, np.ones((1, 3), np.float32)]), m.stack([x[0], np.arange(3)]),
                               m.hstack([x[0], [1.5]]), m.append(x, 2)),
    "stacks": lambda m, x: (m.vstack([x, x]), m.hstack((x, x)), m.dstack([x, x]), m.column_stack([x[:, 0], x])),
    "block": lambda m, x: (m.block([[x, x], [x, x]]), m.block([x[0], 1])),
    "insert and delete": lambda m, x: (m.insert(x, 1, 1, axis=1), m.insert(x, [0, 2], 1), m.delete(x, [0], axis=1)),
    "splits": lambda m, x: (*m.split(x, 3, axis=1), *m.array_split(x, 2, 1), *m.hsplit(x, [1]), *m.vsplit(x, 2)),
    "flips": lambda m, x: (m.flip(x), m.fliplr(x), m.flipud(x), m.rot90(x), m.rot90(x, 2)),
    "rolls": lambda m, x: (m.roll(x, 4), m.roll(x, -1, 1)),
    "copies": lambda m, x: (m.tile(x, (2, 1)), m.repeat(x, 2, axis=1), m.repeat(x, [1, 2], 0), m.resize(x, (4, 4))),
    "windows": lambda m, x: m.sliding_window_view(x, (2, 2)),
    "diagonals": lambda m, x: (m.diagonal(x, 1), m.diag(x[0]), m.diag(x, -1), m.diagflat(x), m.trace(x, 1)),
    "triangles": lambda m, x: (m.tril(x), m.triu(x, 1), m.tril(x[0])),
    "pad": lambda m, x: (m.pad(x, 1), m.pad(x, ((0, 1), (2, 0)), constant_values=1), m.pad(x, (1, 2), mode="edge"),
                         m.pad(x, 2, "wrap"), m.pad(x, 1, "reflect"), m.pad(x, 1, "symmetric"), m.pad(x, 1, "maximum")),
    "take": lambda m, x: (m.take(x, [0, -1]), m.take(x, 1, axis=1), m.take(x, np.array([[5, 7]]), mode="wrap"),
                          m.take(x, [9], 0, None, "clip"), m.take_along_axis(x, np.array([[0, 2], [1, 1]]), 1)),
    "conditions": lambda m, x: (*m.nonzero(x), m.flatnonzero(x), m.argwhere(x), m.extract(x > 0, x),
                                m.compress([True, False, True], x, axis=1)),
    "select": lambda m, x: (m.select([x > 0, x < 0], [x, 2 * x], 1), m.choose(np.array([[0], [1]]), [x, 2 * x])),
    "apply": lambda m, x: (m.apply_along_axis(lambda v: v[::-1], 1, x), m.apply_over_axes(np.sum, x, [0, 1])),
    "positions": lambda m, x: (*m.unravel_index(m.flatnonzero(x), (2, 3)), m.ravel_multi_index(m.nonzero(x), (2, 3))),
}  # fmt: skip
DTYPES = ["bool", "int8", "uint8", "int64", "float16", "float32", "float64"]


def _flat(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_value_dtype_and_shape_are_numpys(name: str, dtype: str) -> None:
    x = np.array([[1, 0, 3], [0, 5, 1]]).astype(dtype)
    theirs = _flat(CALLS[name](SimpleNamespace(**{n: _theirs(n) for n in vars(OURS)}), x))
    for given in (x, mg.tensor(x), mg.tensor(x, requires_grad=x.dtype.kind == "f")):
        found = _flat(CALLS[name](OURS, given))
        assert len(found) == len(theirs)
        for ours, other in zip(found, theirs, strict=True):
            other = np.asarray(other)
            assert isinstance(ours, mg.Tensor if isinstance(given, mg.Tensor) else (np.ndarray, np.generic))
            assert (ours.dtype, ours.shape) == (other.dtype, other.shape)
            assert np.array_equal(host(ours), other)


def test_lists_and_numbers_are_arrays() -> None:
    m = OURS
    assert m.reshape([1, 2], (2, 1)).shape == (2, 1)
    assert m.transpose([[1, 2]]).shape == (2, 1)
    assert m.atleast_2d(3.5).shape == m.expand_dims(3.5, (0, 1)).shape == (1, 1)
    assert np.array_equal(m.concatenate([[1], (2, 3)]), [1, 2, 3])
    assert np.array_equal(m.take([5, 6, 7], 2), 7)
    assert np.array_equal(m.flip([1, 2]), [2, 1])
    assert np.array_equal(m.roll(3.0, 5), 3.0)
    assert np.array_equal(m.pad([1], 1), [0, 1, 0])
    assert np.array_equal(m.diag([1, 2]), [[1, 0], [0, 2]])
    assert np.array_equal(m.tile(2, 3), [2, 2, 2])
    assert m.copy(2.5) == 2.5
    assert m.zeros_like([1.0, 2]).dtype == np.float64


# --- memory -----------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "C": lambda a: a,
    "F": lambda a: np.asfortranarray(a),
    "permuted": lambda a: np.ascontiguousarray(a.transpose(1, 2, 0)).transpose(2, 0, 1),
    "strided": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "reversed": lambda a: a[::-1, :, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", "CFAK")
def test_orders_follow_the_layout_in_memory(order: str, layout: str) -> None:
    x = LAYOUTS[layout](np.arange(24.0).reshape(2, 3, 4))
    assert np.array_equal(OURS.ravel(x, order), np.ravel(x, order))
    assert np.array_equal(OURS.copy(x, order), x)
    assert OURS.copy(x, order).strides == np.copy(x, order).strides
    if order != "K":
        assert np.array_equal(OURS.reshape(x, (6, 4), order), np.reshape(x, (6, 4), order))


def test_reshape_copies_when_told_and_refuses_when_told(device: str) -> None:
    x = mg.tensor(np.arange(6.0).reshape(2, 3), device=device, requires_grad=True)
    view, copied = OURS.reshape(x, (3, 2), copy=False), OURS.reshape(x, (3, 2), copy=True)
    assert view._cell is x._cell
    assert copied._cell is not x._cell
    with pytest.raises(ValueError, match="copy=False, but this layout needs a copy"):
        OURS.reshape(x.T, (6,), copy=False)
    (copied * copied).sum().backward()
    assert np.array_equal(host(x.grad), 2 * host(x))
    assert OURS.reshape(x, newshape=(6,)).shape == (6,)


VIEWS: dict[str, Any] = {
    "reshape": lambda m, x: m.reshape(x, 6),
    "ravel": lambda m, x: m.ravel(x),
    "transpose": lambda m, x: m.transpose(x),
    "moveaxis": lambda m, x: m.moveaxis(x, 0, 1),
    "expand_dims": lambda m, x: m.expand_dims(x, 0),
    "squeeze": lambda m, x: m.squeeze(x),
    "atleast_3d": lambda m, x: m.atleast_3d(x),
    "broadcast_to": lambda m, x: m.broadcast_to(x, (2, 2, 3)),
    "flip": lambda m, x: m.flip(x),
    "rot90": lambda m, x: m.rot90(x),
    "split": lambda m, x: m.split(x, 3, 1)[1],
    "unstack": lambda m, x: m.unstack(x)[1],
    "diagonal": lambda m, x: m.diagonal(x),
    "diag": lambda m, x: m.diag(x),
    "sliding_window_view": lambda m, x: m.sliding_window_view(x, 2, 1),
    "trim_zeros": lambda m, x: m.trim_zeros(x),
    "meshgrid": lambda m, x: m.meshgrid(x[0], copy=False)[0],
    "slices": lambda m, x: x[:, 1:],
    "rows": lambda m, x: x[0],
}
COPIES: dict[str, Any] = {
    "copy": lambda m, x: m.copy(x),
    "astype": lambda m, x: m.astype(x, x.dtype),
    "roll": lambda m, x: m.roll(x, 0),
    "tile": lambda m, x: m.tile(x, 1),
    "repeat": lambda m, x: m.repeat(x, 1),
    "pad": lambda m, x: m.pad(x, 0),
    "tril": lambda m, x: m.tril(x),
    "take": lambda m, x: m.take(x, [0, 1, 2]),
    "concatenate": lambda m, x: m.concatenate([x]),
    "meshgrid": lambda m, x: m.meshgrid(x[0])[0],
    "an index": lambda m, x: x[[0, 1]],
    "index_update": lambda m, x: mg.ops.updates.index_update(x, 0, 1.0),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_x_makes_what_a_view_saved_stale(name: str) -> None:
    x = mg.tensor([[1.0, 2, 3], [4, 5, 6]], requires_grad=True)
    view = VIEWS[name](OURS, x)
    y = (view * view).sum()
    with mg.no_grad():
        x += 1
    with pytest.raises(GraphError, match="overwritten"):
        y.backward()


@pytest.mark.parametrize("name", COPIES)
def test_a_write_to_x_leaves_copies_alone(name: str, device: str) -> None:
    x = mg.tensor([[1.0, 2, 3], [4, 5, 6]], device=device, requires_grad=True)
    made = COPIES[name](OURS, x)
    y, before = (made * made).sum(), host(made)
    with mg.no_grad():
        x += 1
    y.backward()
    assert np.array_equal(host(made), before)


def test_one_element_is_a_copy_on_the_cpu_as_in_numpy() -> None:
    x = mg.tensor([1.0, 2, 3], requires_grad=True)
    y = x[0] * x[np.int64(1)]
    with mg.no_grad():
        x += 1
    y.backward()
    assert np.array_equal(host(x.grad), [2, 1, 0])


# --- errors -----------------------------------------------------------------------------------------------------------

X = np.arange(6.0).reshape(2, 3)
ERRORS: list[tuple[str, Any, Any, str]] = [
    ("reshape", lambda m, x: m.reshape(x, (4, 2)), ShapeError, r"array of shape \(2, 3\) the shape \(4, 2\)"),
    ("reshape without", lambda m, x: m.reshape(x), TypeError, "a shape is due"),
    ("reshape order", lambda m, x: m.reshape(x, 6, "X"), ValueError, "order must be"),
    ("ravel order", lambda m, x: m.ravel(x, "X"), ValueError, "order must be 'C', 'F', 'A' or 'K'"),
    ("moveaxis", lambda m, x: m.moveaxis(x, 2, 0), ShapeError, "moveaxis: axis 2 is out of range"),
    ("moveaxis counts", lambda m, x: m.moveaxis(x, (0, 1), 0), ValueError, "2 source axes, but 1 destinations"),
    ("rollaxis", lambda m, x: m.rollaxis(x, 0, 3), ShapeError, "start 3 is out of range"),
    ("matrix_transpose", lambda m, x: m.matrix_transpose(x[0]), ShapeError, r"two axes are due, got shape \(3,\)"),
    ("squeeze", lambda m, x: m.squeeze(x, 0), ShapeError, r"axis 0 of shape \(2, 3\) is not of length 1"),
    ("broadcast_arrays", lambda m, x: m.broadcast_arrays(x, x.T), ShapeError, r"\(2, 3\), \(3, 2\) do not broadcast"),
    ("meshgrid", lambda m, x: m.meshgrid(x, indexing="ab"), ValueError, "indexing must be 'xy' or 'ij'"),
    ("astype", lambda m, x: m.astype(x, complex), DTypeError, "Tensors hold real numbers and booleans"),
    ("ones_like", lambda m, x: m.ones_like(x, complex), DTypeError, "Tensors hold real numbers and booleans"),
    ("concatenate", lambda m, x: m.concatenate([x, x.T]), ShapeError, r"\(2, 3\), \(3, 2\) do not fit along axis 0"),
    ("concatenate nothing", lambda m, x: m.concatenate([]), ShapeError, "at least one array is due"),
    ("concatenate axis", lambda m, x: m.concatenate([x], 2), ShapeError, "axis 2 is out of range"),
    ("concatenate out", lambda m, x: m.concatenate([x], out=X), TypeError, "out= is not supported"),
    ("concatenate casting", lambda m, x: m.concatenate([x], dtype=int), TypeError, "Cannot cast"),
    ("concatenate lists of Tensors", lambda m, x: m.concatenate([[x[0], x[1]]]), TypeError, "mg.stack"),
    ("stack", lambda m, x: m.stack([x, x[0]]), ShapeError, r"one shape, got \[\(2, 3\), \(3,\)\]"),
    ("stack nothing", lambda m, x: m.stack([]), ShapeError, "at least one array is due"),
    ("stack axis", lambda m, x: m.stack([x], 3), ShapeError, "axis 3 is out of range"),
    ("hstack nothing", lambda m, x: m.hstack([]), ValueError, "at least one array is due"),
    ("block tuple", lambda m, x: m.block([(x, x)]), TypeError, "arranged by lists, got a tuple"),
    ("block depth", lambda m, x: m.block([[x], x]), ValueError, r"different depths of the lists, \[1, 2\]"),
    ("block empty", lambda m, x: m.block([[]]), ValueError, "a list without a block"),
    ("insert", lambda m, x: m.insert(x, 7, 1.0, 1), IndexError, "position 7 is out of bounds for an axis of length 3"),
    ("insert values", lambda m, x: m.insert(x, 0, [1.0, 2], 0), ShapeError, r"\(1, 2\), \(1, 3\) do not broadcast"),
    ("insert floats", lambda m, x: m.insert(x, [0.5], 1.0), IndexError, "integers or booleans"),
    ("delete", lambda m, x: m.delete(x, [0, 3], 1), IndexError, "position 3 is out of bounds"),
    ("delete mask", lambda m, x: m.delete(x, [True], 1), ShapeError, r"the axis' length 3, got shape \(1,\)"),
    ("split", lambda m, x: m.split(x, 2, 1), ShapeError, "length 3 does not divide into 2 equal sections"),
    ("array_split", lambda m, x: m.array_split(x, 0), ValueError, "sections must be positive, got 0"),
    ("dsplit", lambda m, x: m.dsplit(x, 1), ShapeError, r"at least 3 dimension.* are due, got shape \(2, 3\)"),
    ("hsplit", lambda m, x: m.hsplit(x.sum(), 1), ShapeError, "at least 1 dimension"),
    ("unstack", lambda m, x: m.unstack(x, axis=2), ShapeError, "axis 2 is out of range"),
    ("trim_zeros", lambda m, x: m.trim_zeros(x, "x"), ValueError, "trim must be 'f', 'b' or 'fb', got 'x'"),
    ("flip", lambda m, x: m.flip(x, 2), ShapeError, "axis 2 is out of range"),
    ("fliplr", lambda m, x: m.fliplr(x[0]), ShapeError, r"at least 2 dimension.* got shape \(3,\)"),
    ("rot90", lambda m, x: m.rot90(x, axes=(0, 0)), ShapeError, "names a dimension twice"),
    ("rot90 axes", lambda m, x: m.rot90(x, axes=(0,)), ValueError, "two axes are due"),
    ("roll", lambda m, x: m.roll(x, 1, 5), ShapeError, "axis 5 is out of range"),
    ("roll shifts", lambda m, x: m.roll(x, (1, 2, 3), (0, 1)), ShapeError, "3 shifts do not fit 2 axes"),
    ("tile", lambda m, x: m.tile(x, -1), ValueError, "reps must not be negative"),
    ("repeat", lambda m, x: m.repeat(x, [1, 2], 1), ShapeError, r"3 numbers are due along axis 1, got shape \(2,\)"),
    ("repeat floats", lambda m, x: m.repeat(x, 1.5), TypeError, "repeats must be integers, got dtype float64"),
    ("repeat negative", lambda m, x: m.repeat(x, -1), ValueError, "must not be negative"),
    ("resize", lambda m, x: m.resize(x, (-1, 2)), ShapeError, r"must not be negative, got \(-1, 2\)"),
    ("windows", lambda m, x: m.sliding_window_view(x, 4, 1), ShapeError, r"window of \(4,\) does not fit shape"),
    ("windows axes", lambda m, x: m.sliding_window_view(x, 2), ShapeError, r"1 window length\(s\) for 2 axes"),
    ("windows writeable", lambda m, x: m.sliding_window_view(x, 2, 0, writeable=True), TypeError, "not supported"),
    ("diag", lambda m, x: m.diag(x[None]), ShapeError, r"a vector or a matrix is due, got shape \(1, 2, 3\)"),
    ("diagonal", lambda m, x: m.diagonal(x, 0, 1, 1), ShapeError, "names a dimension twice"),
    ("tril", lambda m, x: m.tril(x.sum()), ShapeError, "at least one axis is due"),
    ("trace out", lambda m, x: m.trace(x, out=X), TypeError, "out= is not supported"),
    ("pad mode", lambda m, x: m.pad(x, 1, "odd"), ValueError, "mode 'odd' is not known; there are"),
    ("pad keyword", lambda m, x: m.pad(x, 1, "edge", constant_values=1), ValueError, "'edge' takes no constant_values"),
    ("pad median", lambda m, x: m.pad(x, 1, "median"), TypeError, "'median' has no gradient rule"),
    ("pad function", lambda m, x: m.pad(x, 1, lambda *a: None), TypeError, "has no gradient rule"),
    ("pad floats", lambda m, x: m.pad(x, 1.5), TypeError, "pad_width must be integers, got dtype float64"),
    ("pad negative", lambda m, x: m.pad(x, -1), ValueError, "must not be negative"),
    ("pad widths", lambda m, x: m.pad(x, ((1, 1),) * 3), ShapeError, r"shape \(3, 2\) do not fit an array with 2"),
    ("pad empty", lambda m, x: m.pad(x[:0], 1, "edge"), ValueError, r"axis 0 of shape \(0, 3\) is empty"),
    ("pad tracked", lambda m, x: m.pad(x, 1, constant_values=x[0, 0]), TypeError, "constant_values are constants"),
    ("pad stat_length", lambda m, x: m.pad(x, 1, "maximum", stat_length=0), ValueError, "gives no value to pad with"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_errors_say_what_was_received(call: Any, error: Any, message: str, device: str) -> None:
    x = mg.tensor(X, device=device, requires_grad=True)
    with pytest.raises(error, match=message):
        call(OURS, x)


# --- values -----------------------------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_stay_where_they_are(device: str) -> None:
    x = mg.tensor([[np.nan, np.inf], [-np.inf, 1.0]], device=device, requires_grad=True)
    (OURS.tril(x) + OURS.triu(x, 1)).sum().backward()
    assert np.array_equal(host(x.grad), np.ones((2, 2)))
    assert np.array_equal(host(OURS.tril(x)), [[np.nan, 0], [-np.inf, 1]], equal_nan=True)
    y = OURS.pad(mg.tensor([np.inf, 1.0, np.inf], device=device), 1, "reflect", reflect_type="odd")
    assert np.array_equal(host(y), [np.inf, np.inf, 1, np.inf, np.inf])
    far = put(np.array([1.7e308, -1.7e308]), device)
    assert np.array_equal(host(OURS.pad(far, 1, "edge")), [1.7e308, 1.7e308, -1.7e308, -1.7e308])


def test_pad_with_a_statistic_shares_ties(device: str) -> None:
    x = mg.tensor([2.0, 2.0, 1.0], device=device, requires_grad=True)
    OURS.pad(x, (1, 0), "maximum").sum().backward()
    assert np.array_equal(host(x.grad), [1.5, 1.5, 1])


def test_pad_with_nothing_to_say_fills_with_zeros(device: str) -> None:
    assert np.array_equal(host(OURS.pad(mg.tensor([1.0], device=device), 1, "empty")), [0, 1, 0])
    assert np.array_equal(OURS.pad(np.array([1, 5, 2]), 1, "median"), [2, 1, 5, 2, 2])
    assert np.array_equal(OURS.pad(np.array([3.0]), 1, lambda v, *_: None), [0, 3, 0])


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "wrap", "edge"])
def test_padding_many_times_the_length(mode: str, device: str) -> None:
    for n in (1, 2, 3):
        x = np.arange(1.0, n + 1)
        for widths in ((0, 50), (50, 0), (23, 31)):
            t = mg.tensor(x, device=device, requires_grad=True)
            y = OURS.pad(t, widths, mode)
            assert np.array_equal(host(y), np.pad(x, widths, mode=mode))
            weight = np.arange(len(host(y))) % 7.0
            (y * put(weight, device)).sum().backward()
            source = np.pad(np.arange(n), widths, mode=mode)
            assert np.array_equal(host(t.grad), np.bincount(source, weight, n))


def test_pieces_of_a_split_are_put_together_once() -> None:
    from minigrad.ops.index import scatter

    calls, forward = [], scatter.forward
    x = mg.tensor(np.ones(1000), requires_grad=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scatter, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
        sum(piece.sum() * i for i, piece in enumerate(OURS.split(x, 500))).backward()
    assert len(calls) == 1
    assert np.array_equal(host(x.grad), np.repeat(np.arange(500), 2))


def test_resize_and_tile_of_nothing(device: str) -> None:
    x = mg.tensor(np.zeros((0, 2)), device=device, requires_grad=True)
    assert np.array_equal(host(OURS.resize(x, (2, 2))), np.zeros((2, 2)))
    OURS.tile(x, (3, 2)).sum().backward()
    assert x.grad.shape == (0, 2)


def test_full_like_passes_the_gradient_of_its_value(device: str) -> None:
    v = mg.tensor(2.0, device=device, dtype="float64", requires_grad=True)
    made = OURS.full_like(put(X, device), v)
    made.sum().backward()
    assert made.dtype == np.float64
    assert float(host(v.grad)) == 6


def test_likes_are_on_the_device_of_their_model(device: str) -> None:
    x = mg.tensor(X, device=device, requires_grad=True)
    for made in (OURS.zeros_like(x), OURS.ones_like(x, "f4"), OURS.empty_like(x), OURS.full_like(x, 3)):
        assert made.device == x.device
        assert not made.requires_grad
    assert OURS.ones_like(x, device="cpu").device == "cpu"
