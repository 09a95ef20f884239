"""Reading and writing by indices, beside the rows: odd indices, what is kept of them, who wins, errors, cost."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.errors import DTypeError, GraphError, ShapeError
from minigrad.ops import apply, index, selection, updates
from minigrad.ops.index import scatter

X = np.arange(12.0).reshape(3, 4)


def tracked(values: Any = X, device: str = "cpu") -> Any:
    return mg.tensor(np.array(values), device=device, requires_grad=True)


# --- reading ----------------------------------------------------------------------------------------------------------

_i = np.array
ODD = {
    "True": True,
    "False": False,
    "np.True_": np.True_,
    "0-d mask": _i(True),
    "True beside an integer": (True, 1),
    "True beside a list": (True, [0, 2]),
    "0-d Tensor": mg.tensor(1, dtype="int64"),
    "0-d array": _i(-1),
    "uint8": _i([2, 0, 2], np.uint8),
    "int8": _i([-1, -3], np.int8),
    "uint64": _i([1], np.uint64),
    "empty list": [],
    "empty mask": np.zeros(3, bool),
    "nested list": [[0, 1], [2, 2]],
    "lists in a tuple": ([[0]], [1, 2]),
    "slice of a Tensor": slice(mg.tensor(1, dtype="int64"), None),
    "apart": (0, None, [1, 1]),
    "Ellipsis between": ([0, 1], ..., [3, 3]),
    "F order": np.asfortranarray([[0, 1, 2], [2, 2, 0]]),
    "strided": np.arange(6)[::-2] % 3,
    "list of Tensors": [mg.tensor(2, dtype="i8"), 0],
    "mask and list": (_i([True, False, True]), [1, 1]),
    "two masks": (_i([True, True, False]), [True, False, False, True]),
}


def _plain(part: Any) -> Any:
    if isinstance(part, tuple):
        return tuple(_plain(p) for p in part)
    if isinstance(part, slice):
        return slice(*(None if p is None else int(p) for p in (part.start, part.stop, part.step)))
    if isinstance(part, list):
        return [_plain(p) for p in part]
    return part.data if isinstance(part, mg.Tensor) else part


@pytest.mark.parametrize("name", ODD)
def test_odd_indices(name: str) -> None:
    x, i = tracked(), ODD[name]
    plain = _plain(i)
    y = x[i]
    assert np.array_equal(host(y), X[plain])
    assert y.shape == X[plain].shape
    weight = np.arange(1.0, y.size + 1).reshape(y.shape)
    y.backward(weight)
    expected = np.zeros((3, 4))
    np.add.at(expected, plain, weight)
    assert np.array_equal(host(x.grad), expected)


def test_the_index_is_kept_as_it_was(device: str) -> None:
    x = tracked([1.0, 2, 3], device)
    as_list, as_array, as_tensor = (
        [0, 0],
        put(np.array([1, 1]), device),
        mg.tensor([2, 2], dtype="int64", device=device),
    )
    mask = put(np.array([True, False, False]), device)
    y = x[as_list].sum() + x[as_array].sum() + x[as_tensor].sum() + x[mask].sum() + index.take(x, as_array).sum()
    as_list[0] = as_array[0] = 2
    as_tensor.data[0] = 0
    mask[...] = True
    y.backward()
    assert np.array_equal(host(x.grad), [3, 4, 2])


def test_a_host_index_reads_a_device_array(device: str) -> None:
    x = tracked(X, device)
    y = x[np.tril_indices(3, -1)].sum() + x[:, np.array([1, 1])].sum() + index.take(x, np.array([0])).sum()
    y.backward()
    expected = np.tril(np.ones((3, 4)), -1)
    expected[:, 1] += 2
    expected[0, 0] += 1
    assert np.array_equal(host(x.grad), expected)


def test_integer_and_boolean_arrays_are_indexed_too(device: str) -> None:
    for dtype in (bool, np.int8, np.uint8, np.int64):
        a = np.array([0, 1, 1]).astype(dtype)
        t = mg.tensor(a, device=device)
        for found in (
            t[[2, 0]],
            index.take(t, [2, 0]),
            updates.index_update(t, 0, t[1]),
            selection.take_along_axis(t, [0], 0),
        ):
            assert found.dtype == dtype
            assert not found.requires_grad


def test_many_reads_of_one_array_cost_a_linear_time() -> None:
    def seconds(n: int) -> float:
        x = mg.tensor(np.ones(n), requires_grad=True)
        start = time.perf_counter()
        total = mg.stack([x[i] * x[[i]][0] for i in range(n)]).sum()
        total.backward()
        assert np.array_equal(host(x.grad), np.full(n, 2.0))
        return time.perf_counter() - start

    seconds(200)
    assert seconds(8000) < 12 * max(seconds(2000), 0.02)


def test_pieces_of_all_kinds_are_added_up_in_one_call() -> None:
    calls, forward = [], scatter.forward
    x = tracked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scatter, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
        (x[0].sum() + x[[1, 1]].sum() + x[x > 5].sum() + x[2, 3] + x[:, [0]].sum() + x.sum()).backward()
    assert len(calls) == 1
    expected = 1 + np.array([[1, 1, 1, 1], [2, 2, 2, 2], [0, 0, 0, 1]]) + (X > 5) + np.array([1, 0, 0, 0])
    assert np.array_equal(host(x.grad), expected)


def test_the_gradient_of_a_read_can_be_differentiated(device: str) -> None:
    x = tracked([1.0, 2, 3], device)
    y = (x[[0, 0, 2]] ** 3).sum()
    y.backward(create_graph=True)
    g = x.grad
    x.grad = None
    (g * g).sum().backward()
    # g = (6, 0, 3) x**2, so (g . g)' = 4 (36, 0, 9) x**3
    assert np.allclose(host(x.grad), [144, 0, 972], rtol=1e-6)


READ_ERRORS: list[tuple[str, Any, Any, str]] = [
    ("far", lambda x: x[3], IndexError, "out of bounds"),
    ("far in a list", lambda x: x[[0, 3]], IndexError, "out of bounds"),
    ("too many", lambda x: x[0, 0, 0], IndexError, "too many indices"),
    ("floats", lambda x: x[np.array([0.5])], IndexError, "integer"),
    ("a float Tensor", lambda x: x[x[0]], IndexError, "integer"),
    ("a float", lambda x: x[1.0], IndexError, "only integers"),
    ("a word", lambda x: x["a"], IndexError, "only integers"),
    ("mask of another length", lambda x: x[np.array([True])], IndexError, "boolean index did not match"),
    ("shapes", lambda x: x[[0, 1], [0, 1, 2]], IndexError, "shape mismatch"),
    ("take far", lambda x: index.take(x, [12]), IndexError, "out of bounds"),
    ("take axis", lambda x: index.take(x, 0, 2), ShapeError, "axis 2 is out of range"),
    ("take floats", lambda x: index.take(x, [0.5]), TypeError, "integer indices are due, got dtype float64"),
    ("take mode", lambda x: index.take(x, 0, mode="no"), ValueError, "mode must be .*, got 'no'"),
    ("take out", lambda x: index.take(x, 0, out=X), TypeError, "out= is not supported"),
    ("take of nothing", lambda x: index.take(x[:0], [0], 0), IndexError, r"axis 0 of shape \(0, 4\) is empty"),
    ("take_along_axis", lambda x: selection.take_along_axis(x, [0], 1), ShapeError, r"the 2 axes of the array, got"),
    ("take_along_axis far", lambda x: selection.take_along_axis(x, [[4]], 1), IndexError, "out of bounds"),
    ("take_along_axis floats", lambda x: selection.take_along_axis(x, [[0.5]], 1), TypeError,
     "integer indices are due"),
    ("compress", lambda x: selection.compress([[True]], x), ShapeError, "must be one-dimensional, got shape"),
    ("compress far", lambda x: selection.compress([False] * 3 + [True], x, 0), IndexError, "out of bounds"),
    ("select lengths", lambda x: selection.select([x > 0], [x, x]), ValueError, "got 1 and 2"),
    ("select nothing", lambda x: selection.select([], []), ValueError, "at least one"),
    ("select floats", lambda x: selection.select([x], [x]), TypeError,
     "condition 0 must be boolean, got dtype float64"),
    ("choose far", lambda x: selection.choose([0, 2, 0, 0], [x, x]), ValueError, r"not in range\(2\)"),
    ("choose floats", lambda x: selection.choose(x, [x, x]), TypeError, "integer indices are due, got dtype"),
    ("choose shapes", lambda x: selection.choose([0, 1], [x, x]), ShapeError, "do not broadcast together"),
    ("nonzero", lambda x: selection.nonzero(x.sum()), ShapeError, "at least one axis is due"),
    ("piecewise", lambda x: apply.piecewise(x, [x > 0], [1, 2, 3]), ValueError, r"1 condition\(s\), 1 or 2 functions"),
    ("apply_along_axis", lambda x: apply.apply_along_axis(lambda v: v, 1, x[:0]), ValueError,
     "has no line along axis 1"),
    ("apply_over_axes", lambda x: apply.apply_over_axes(lambda v, i: v.sum(), x, 0), ShapeError, r"gave shape \(1,\)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in READ_ERRORS], ids=[e[0] for e in READ_ERRORS])
def test_errors_of_reading(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tracked())


# --- writing ----------------------------------------------------------------------------------------------------------


def test_the_last_of_several_writes_wins_and_gets_the_gradient(device: str) -> None:
    x, v = tracked([1.0, 2, 3], device), tracked([10.0, 20, 30, 40], device)
    y = updates.index_update(x, [2, 0, 2, -1], v)
    assert np.array_equal(host(y), [20, 2, 40])
    assert np.array_equal(host(x), [1, 2, 3])
    y.backward(put(np.array([1.0, 2, 4]), device))
    assert np.array_equal(host(x.grad), [0, 2, 0])
    assert np.array_equal(host(v.grad), [0, 1, 0, 4])


@pytest.mark.parametrize("flip", [False, True])
def test_who_wins_does_not_depend_on_the_layout_of_index_and_values(flip: bool, device: str) -> None:
    rows, columns = np.array([[0, 1, 0], [0, 0, 1]]), np.array([[1, 1, 1], [1, 0, 1]])
    values = np.arange(1.0, 7).reshape(2, 3)
    if flip:
        rows, columns, values = (np.asfortranarray(a) for a in (rows, columns, values))
    v = mg.tensor(np.zeros((2, 3)), device=device, requires_grad=True)
    w = v + put(values, device).T.copy().T if flip else v + put(values, device)
    y = updates.index_update(put(np.zeros((2, 2)), device), (rows, columns), w)
    assert np.array_equal(host(y), [[5, 4], [0, 6]])
    y.sum().backward()
    assert np.array_equal(host(v.grad), [[0, 0, 0], [1, 1, 1]])


def test_all_of_several_additions_count(device: str) -> None:
    x, v = tracked([1.0, 2, 3], device), tracked([10.0, 20, 30], device)
    y = updates.index_add(x, [2, 0, 2], v * v)
    assert np.array_equal(host(y), [401, 2, 1003])
    y.backward(put(np.array([1.0, 2, 4]), device))
    assert np.array_equal(host(x.grad), [1, 2, 4])
    assert np.array_equal(host(v.grad), [80, 40, 240])


def test_updates_of_one_dtype_by_another(device: str) -> None:
    x = mg.tensor(np.ones(3, np.float32), device=device, requires_grad=True)
    v = mg.tensor(np.float64([2, 3]), device=device, requires_grad=True)
    for update in (updates.index_update, updates.index_add):
        y = update(x, [0, 0], v)
        y.sum().backward()
        assert y.dtype == x.grad.dtype == np.float32
        assert v.grad.dtype == np.float64
    whole = updates.index_update(mg.tensor([1, 2], dtype="int8", device=device), [1], 7)
    assert whole.dtype == np.int8


def test_nothing_is_written_by_an_empty_index(device: str) -> None:
    x = tracked([1.0, 2], device)
    for i in ([], slice(0), np.zeros(2, bool)):
        y = updates.index_update(x, i, 5.0) + updates.index_add(x, i, np.zeros((0,)) if device == "cpu" else 5.0)
        assert np.array_equal(host(y), [2, 4])


WRITE_ERRORS: list[tuple[str, Any, Any, str]] = [
    ("shape", lambda x: updates.index_update(x, 0, x[:, 0]), ShapeError, r"shape \(3,\) do not fit"),
    ("shape of a gather", lambda x: updates.index_update(x, [0, 1], x), ShapeError, r"shape \(3, 4\) do not fit"),
    ("add shape", lambda x: updates.index_add(x, 0, x[:, 0]), ShapeError, r"shape \(3,\) do not fit"),
    ("floats", lambda x: updates.index_update(np.arange(3), 0, x[0, 0]), DTypeError,
     "float64 do not fit an array of int64"),
    ("a float", lambda x: updates.index_add(np.arange(3), 0, 0.5), DTypeError, "float64 do not fit an array of int64"),
    ("far", lambda x: updates.index_update(x, 5, 0.0), IndexError, "out of bounds"),
    ("put_along_axis", lambda x: updates.put_along_axis(x, [[0]], 1.0, 0), TypeError,
     r"no gradient: use mg.put_along_axis\(..., inplace=False\)"),
    ("fill_diagonal", lambda x: updates.fill_diagonal(x, 1.0), TypeError,
     r"use mg.fill_diagonal\(..., inplace=False\)"),
    ("fill_diagonal of a vector", lambda x: updates.fill_diagonal(x[0], 1.0), ShapeError, r"is due, got shape \(4,\)"),
    ("put", lambda x: updates.put(x, 0, 1.0), TypeError, "put writes in place, .* use mg.index_update"),
    ("put a Tensor", lambda x: updates.put(np.zeros(3), 0, x[0, 0]), TypeError, "use mg.index_update"),
    ("place", lambda x: updates.place(x, x > 0, [1.0]), TypeError, "use mg.index_update"),
    ("putmask", lambda x: updates.putmask(x, x > 0, 1.0), TypeError, "use mg.where"),
    ("copyto", lambda x: updates.copyto(np.zeros((3, 4)), x), TypeError, "use mg.where"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in WRITE_ERRORS], ids=[e[0] for e in WRITE_ERRORS])
def test_errors_of_writing(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tracked())


def test_writing_in_place_is_allowed_without_a_graph_and_seen_by_the_tape(device: str) -> None:
    x = tracked(X, device)
    y = (x * x).sum()
    with mg.no_grad():
        updates.fill_diagonal(x, -1.0)
    assert np.array_equal(host(x)[[0, 1, 2], [0, 1, 2]], [-1, -1, -1])
    with pytest.raises(GraphError, match="overwritten"):
        y.backward()
    raw = put(X, device)
    updates.put_along_axis(raw, put(np.array([[0], [1], [2]]), device), 9.0, 1)
    assert np.array_equal(host(raw)[[0, 1, 2], [0, 1, 2]], [9, 9, 9])


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_stay_in_the_branch_not_taken(device: str) -> None:
    x = tracked([-1.0, 0.0, 4.0], device)
    positive = host(x) > 0
    with np.errstate(invalid="ignore"):
        root = mg.sqrt(x)
    for y in (
        selection.select([put(positive, device)], [root], 0.5),
        selection.choose(put(positive.astype(int), device), [mg.tensor(0.5, "f8", device), root]),
    ):
        assert np.array_equal(host(y), [0.5, 0.5, 2])
    smooth = apply.piecewise(x, [put(positive, device)], [mg.sqrt, lambda v: 0.5 * v])
    smooth.sum().backward()
    assert np.array_equal(host(smooth), [-0.5, 0, 2])
    assert np.array_equal(host(x.grad), [0.5, 0.5, 0.25])


def test_piecewise_takes_what_numpy_takes() -> None:
    x = np.array([-2.0, 0, 3])
    double = lambda v, k=1: v * k
    calls: list[tuple[Any, Any]] = [
        (x > 0, [5]), (x > 0, [double, -1]), ([x > 0, x < 0], [1, double]), ([True, False, True], [7]),
        (np.array([x > 0, x > -3]), [1, 2]), ([[True, False, True]], [double, 9]),
    ]  # fmt: skip
    for conditions, functions in calls:
        expected = np.piecewise(x, conditions, functions)
        assert np.array_equal(apply.piecewise(x, conditions, functions), expected)
        assert np.array_equal(host(apply.piecewise(mg.tensor(x), conditions, functions)), expected)
    assert apply.piecewise(3.0, 3.0 > 0, [double, 0]) == 3
    assert np.array_equal(apply.piecewise(x, x > 0, [double], 3), np.piecewise(x, x > 0, [double], 3))
    assert np.array_equal(apply.piecewise(x, x > 0, [double], k=2), np.piecewise(x, x > 0, [double], k=2))


def test_indices_found_are_indices_to_use(device: str) -> None:
    x = tracked([[0.0, 3, 0], [2, 0, 5]], device)
    for found in (x[selection.nonzero(x)], index.take(x, selection.flatnonzero(x)), x[x != 0]):
        assert np.array_equal(host(found), [3, 2, 5])
    largest = selection.unravel_index(mg.argmax(x), x.shape)
    x[largest].backward()
    assert np.array_equal(host(x.grad), [[0, 0, 0], [0, 0, 1]])
    assert int(host(selection.ravel_multi_index(largest, x.shape))) == 5


def test_many_choices() -> None:
    values = [np.full(3, float(i)) for i in range(100)]
    ours = selection.choose(np.array([99, 0, 42]), [mg.tensor(v, requires_grad=True) for v in values])
    assert np.array_equal(host(ours), [99, 0, 42])
