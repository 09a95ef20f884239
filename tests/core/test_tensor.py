"""The Tensor itself: construction, dtypes, conversions, printing, copying, comparing; errors as data."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.backend import device as devices


def leaf(values: Any, dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), requires_grad=True)


# --- construction ---------------------------------------------------------------------------------------------------

DTYPES = [
    (1, np.float32), (1.5, np.float32), ([1, 2], np.float32), ([[1.0], [2]], np.float32), ([], np.float32),
    ((1, 2.0), np.float32), (True, np.bool_), ([True, False], np.bool_), (np.float64(1.0), np.float64),
    (np.int32(1), np.int32), ([np.float64(1.0)], np.float64), (np.ones(2), np.float64),
    (np.ones(2, np.float16), np.float16), (np.ones(2, np.int8), np.int8), ([np.ones(2), np.ones(2)], np.float64),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "dtype"), DTYPES, ids=[repr(o) for o, _ in DTYPES])
def test_dtype_policy(obj: Any, dtype: Any) -> None:
    t = mg.tensor(obj)
    assert t.dtype == dtype
    assert np.array_equal(t.data, np.asarray(obj))
    assert mg.tensor(obj, dtype="float64").dtype == np.float64
    assert mg.tensor(t).dtype == dtype


def test_properties() -> None:
    t = mg.tensor([[1.0, 2.0, 3.0]])
    assert (t.shape, t.ndim, t.size, t.device) == ((1, 3), 2, 3, "cpu")
    assert (t.requires_grad, t.is_leaf, t.grad) == (False, True, None)
    assert type(t.data) is np.ndarray
    assert t.T.shape == (3, 1)
    assert mg.Tensor([1.0]).shape == (1,)


def test_the_object_is_copied() -> None:
    a = np.ones(2)
    t, u = mg.tensor(a), mg.tensor(mg.tensor(a))
    for other in (t, u, mg.tensor(t), mg.tensor(a, dtype="float64"), mg.tensor(a, device="cpu")):
        assert not np.shares_memory(other.data, a)
    assert not np.shares_memory(mg.tensor(t).data, t.data)


ERRORS = [
    (lambda: mg.tensor("text"), mg.DTypeError, "cannot make a tensor of str .*real numbers and booleans"),
    (lambda: mg.tensor(None), mg.DTypeError, "cannot make a tensor of NoneType"),
    (lambda: mg.tensor(1j), mg.DTypeError, "complex"),
    (lambda: mg.tensor(np.ones(2, complex)), mg.DTypeError, "complex128 is not supported"),
    (lambda: mg.tensor([1, 2], "int64", requires_grad=True), mg.DTypeError, "int64; use .astype"),
    (lambda: mg.tensor([True], requires_grad=True), mg.DTypeError, "only floating-point tensors .* bool"),
    (lambda: mg.tensor([mg.tensor(1.0)]), TypeError, "list of Tensors would lose their graph.*mg.stack"),
    (lambda: mg.tensor([1.0], device="gpu"), mg.DeviceError, "unknown device 'gpu': use 'cpu', 'cuda'"),
    (lambda: mg.tensor([1.0], device="cuda:x"), mg.DeviceError, "unknown device 'cuda:x'"),
    (lambda: mg.tensor([1.0], device="cuda:"), mg.DeviceError, "unknown device 'cuda:'"),
    (lambda: mg.tensor([1.0], device=0), mg.DeviceError, "unknown device 0"),
    (lambda: leaf([1.0]).numpy(), mg.GraphError, r"call .detach\(\).numpy\(\)"),
    (lambda: np.asarray(leaf([1.0])), mg.GraphError, r"tracked tensor: pass .detach\(\), or .data"),
    (lambda: np.array([leaf(1.0), leaf(2.0)]), mg.GraphError, "detach"),
    (lambda: len(leaf(1.0)), TypeError, r"len\(\) of a 0-d tensor"),
    (lambda: iter(leaf(1.0)), TypeError, "iteration over a 0-d tensor"),
    (lambda: bool(leaf([1.0, 2.0])), ValueError, "ambiguous"),
    (lambda: leaf([1.0, 2.0]).item(), ValueError, "size 1|can only convert"),
    (lambda: [1, 2][leaf(1.0)], TypeError, "only an integer tensor can be an index, got dtype float64"),
    (lambda: copy.deepcopy(leaf(1.0) * 2), mg.GraphError, r"only leaf tensors can be deep-copied: call .detach\(\)"),
    (lambda: setattr(leaf(1.0) * 2, "requires_grad", False), mg.GraphError, r"use .detach\(\)"),
    (lambda: setattr(leaf(1.0) * 2, "grad", mg.tensor(1.0)), mg.GraphError, "only a leaf tensor has a .grad to assign"),
    (lambda: setattr(leaf([1.0]), "grad", np.ones(2)), mg.ShapeError, r"assignment to .grad: shape \(1,\) is due"),
    (lambda: setattr(leaf([1.0]), "grad", np.ones(1, "f4")), mg.DTypeError, "dtype float64 is due, got float32"),
    (lambda: setattr(leaf([1.0]), "grad", 1.0), mg.DTypeError, "an array or Tensor is due, got float"),
    (lambda: setattr(leaf(1.0), "shape", (1,)), AttributeError, "shape"),
    (lambda: leaf([1.0]).to("float33"), TypeError, "float33"),
    (lambda: format(leaf([1.0, 2.0]), ".2f"), TypeError, "unsupported format string"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[f"{i} {e[2][:24]}" for i, e in enumerate(ERRORS)])
def test_errors(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_errors_are_what_a_numpy_user_catches() -> None:
    for kind, builtin in [
        (mg.ShapeError, ValueError), (mg.DTypeError, TypeError), (mg.DeviceError, RuntimeError),
        (mg.GraphError, RuntimeError), (mg.GradientError, AssertionError), (mg.OptionalDependencyError, ImportError),
        (mg.GraphWarning, UserWarning),
    ]:  # fmt: skip
        assert issubclass(kind, builtin)


# --- requires_grad and grad -----------------------------------------------------------------------------------------


def test_requires_grad_can_be_switched() -> None:
    t = mg.tensor([1.0, 2.0])
    assert t.requires_grad_() is t
    (t * t).sum().backward()
    t.requires_grad = False
    assert not (t * 2).requires_grad
    assert np.array_equal(t.grad.data, [2.0, 4.0]), "freezing keeps the gradient"
    t.requires_grad = True
    (t * t).sum().backward()
    assert np.array_equal(t.grad.data, [4.0, 8.0])
    y = t * 2
    y.requires_grad = True  # nothing to do
    assert not y.is_leaf


def test_grad_can_be_assigned_edited_and_cleared() -> None:
    t = leaf([1.0, 2.0])
    t.grad = mg.tensor(np.array([10.0, 20.0]))
    (t * t).sum().backward()
    assert np.array_equal(t.grad.data, [12.0, 24.0])
    with mg.no_grad():
        g = t.grad
        g *= 0.5
    assert np.array_equal(t.grad.data, [6.0, 12.0])
    t.grad = None
    assert t.grad is None
    mg.tensor(1.0).grad = None
    u = mg.tensor(np.ones(2))
    u.grad = np.array([1.0, 2.0])
    assert np.array_equal(u.grad.data, [1.0, 2.0])
    assert not u.requires_grad


def test_an_assigned_gradient_is_added_to() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x * x).sum().backward()
    y.grad = x.grad
    (y * y).sum().backward()
    assert np.array_equal(y.grad.data, [8.0, 12.0])


# --- conversions ----------------------------------------------------------------------------------------------------


def test_values_leave_as_numbers_lists_and_arrays() -> None:
    t = mg.tensor([[1.0, 2.0]])
    assert t.tolist() == [[1.0, 2.0]]
    assert t.numpy() is t.data
    assert np.array_equal(np.asarray(t), [[1.0, 2.0]])
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.data)
    assert leaf(2.5).item() == 2.5
    assert type(mg.tensor([3], "int64").item()) is int
    assert leaf([2.0]).detach().numpy() == [2.0]
    assert [10, 20, 30][mg.tensor(1, "int64")] == 20
    assert list(range(5))[mg.tensor(1, "int8") : mg.tensor(3, "int64")] == [1, 2]


@pytest.mark.parametrize(("convert", "value"), [(float, 2.5), (int, 2)])
def test_float_and_int_of_a_tracked_tensor_warn(convert: Any, value: Any) -> None:
    assert convert(mg.tensor(2.5)) == value
    with pytest.warns(mg.GraphWarning, match=rf"{convert.__name__}\(\) of a tracked tensor .*\.item\(\).*mg\.stack"):
        assert convert(leaf(2.5)) == value
    with pytest.warns(mg.GraphWarning, match="leaves the graph") as caught:
        convert(leaf(2.5))
    assert caught[0].filename == __file__, "the warning points at the caller's line"


def test_numpy_element_assignment_warns() -> None:
    a = np.zeros(2)
    with pytest.warns(mg.GraphWarning, match="mg.stack"):
        a[0] = leaf(2.5)
    assert a[0] == 2.5


def test_bool_and_comparisons_just_work() -> None:
    x = leaf(2.0)
    assert x > 1
    assert not x < 1
    assert bool(x)
    assert not leaf(0.0)
    assert (leaf([1.0, 3.0]) >= np.array([2.0, 2.0])).tolist() == [False, True]
    assert (x == 2.0).dtype == np.bool_


def test_length_iteration_and_membership() -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert len(x) == 2
    rows = list(x)
    assert all(isinstance(r, mg.Tensor) and r.shape == (2,) for r in rows)
    (rows[0] * 2 + rows[1]).sum().backward()
    assert np.array_equal(x.grad.data, [[2.0, 2.0], [1.0, 1.0]])
    a, b = x[0]
    assert (a.item(), b.item()) == (1.0, 2.0)


def test_hash_is_identity_and_equality_is_elementwise() -> None:
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    assert len({x, y, x}) == 2
    assert {x: 1}[x] == 1
    assert (x == y).tolist() == [True, True]
    assert (x != y).tolist() == [False, False]


REPRS = [
    (lambda: mg.tensor([1.0, 2.5]), "tensor([1. , 2.5], dtype=float32)"),
    (lambda: leaf([1.0]), "tensor([1.], dtype=float64, requires_grad=True)"),
    (lambda: leaf([1.0]) * 2, "tensor([2.], dtype=float64, op=multiply)"),
    (lambda: mg.tensor(3, "int64"), "tensor(3, dtype=int64)"),
    (lambda: mg.tensor([[1.0], [2.0]]), "tensor([[1.],\n        [2.]], dtype=float32)"),
]


@pytest.mark.parametrize(("make", "text"), REPRS, ids=[t for _, t in REPRS])
def test_repr(make: Any, text: str) -> None:
    assert repr(make()) == text
    assert str(make()) == text
    assert f"{make()}" == text


def test_long_reprs_are_shortened_and_numbers_formatted() -> None:
    assert "..." in repr(mg.tensor(np.zeros(1000)))
    assert f"{leaf(1.23456):.2f}" == "1.23"
    assert f"{leaf([1.5]):>6}" == "   1.5"


# --- copies, dtypes -------------------------------------------------------------------------------------------------


def test_deepcopy_is_an_independent_leaf() -> None:
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.is_leaf
    assert not np.shares_memory(x.data, y.data)
    assert not np.shares_memory(x.grad.data, y.grad.data)
    assert np.array_equal(y.grad.data, x.grad.data)
    (y * y).sum().backward()
    assert np.array_equal(x.grad.data, [2.0, 4.0])
    assert np.array_equal(y.grad.data, [4.0, 8.0])
    a, b = copy.deepcopy([x, x])
    assert a is b, "the memo is honoured"
    assert not copy.copy(mg.tensor([1.0])).requires_grad


def test_detach_and_clone() -> None:
    x = leaf([1.0, 2.0])
    d, c = x.detach(), x.clone()
    assert d.data is x.data
    assert not d.requires_grad
    assert not np.shares_memory(c.data, x.data)
    (c * d).sum().backward()
    assert np.array_equal(x.grad.data, [1.0, 2.0])


def test_dtypes_change_and_gradients_come_back() -> None:
    x = leaf([1.0, 2.0], np.float32)
    y = x.astype("float64")
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.to(np.float32) is x
    assert x.to("float32") is x
    assert x.to("float16").dtype == np.float16
    assert not x.astype("int32").requires_grad
    assert x.astype("float32") is not x
    assert x.to("cpu") is x
    assert x.cpu() is x


def test_without_a_gpu_cuda_is_an_error_that_gives_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_accelerator", None)
    monkeypatch.setattr(devices, "_reason", "the reason why")
    monkeypatch.setattr(devices, "_probed", True)
    t = mg.tensor([1.0])
    for make in (lambda: mg.tensor([1.0], device="cuda"), t.cuda, lambda: t.to("cuda:1")):
        with pytest.raises(mg.DeviceError, match="is not usable here: the reason why"):
            make()
    assert mg.tensor([1.0], device="auto").device == "cpu"
