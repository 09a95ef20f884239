"""The Tensor itself: construction, dtypes, conversions, printing, copying, comparing; errors as data."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.backend import device as devices


def leaf(values: Any, device: str = "cpu", dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


# --- construction ---------------------------------------------------------------------------------------------------

DTYPES = [
    (1, np.float32), (1.5, np.float32), ([1, 2], np.float32), ([[1.0], [2]], np.float32), ([], np.float32),
    ((1, 2.0), np.float32), (True, np.bool_), ([True, False], np.bool_), (np.float64(1.0), np.float64),
    (np.int32(1), np.int32), ([np.float64(1.0)], np.float64), (np.ones(2), np.float64),
    (np.ones(2, np.float16), np.float16), (np.ones(2, np.int8), np.int8), ([np.ones(2), np.ones(2)], np.float64),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "dtype"), DTYPES, ids=[repr(o) for o, _ in DTYPES])
def test_dtype_policy(obj: Any, dtype: Any, device: str) -> None:
    t = mg.tensor(obj, device=device)
    assert (t.dtype, t.device) == (dtype, device)
    assert np.array_equal(host(t), np.asarray(obj))
    assert mg.tensor(obj, dtype="float64", device=device).dtype == np.float64
    assert (mg.tensor(t).dtype, mg.tensor(t).device) == (dtype, device)


def test_properties(device: str) -> None:
    t = mg.tensor([[1.0, 2.0, 3.0]], device=device)
    assert (t.shape, t.ndim, t.size, t.device) == ((1, 3), 2, 3, device)
    assert (t.requires_grad, t.is_leaf, t.grad) == (False, True, None)
    assert type(t.data) is type(put(0, device))
    assert t.T.shape == (3, 1)
    assert mg.Tensor([1.0]).shape == (1,)


def test_the_object_is_copied(device: str) -> None:
    a = put(np.ones(2), device)
    t, u = mg.tensor(a), mg.tensor(mg.tensor(a))
    for other in (t, u, mg.tensor(t), mg.tensor(a, dtype="float64"), mg.tensor(a, device=device)):
        assert not np.shares_memory(other.data, a)
    assert not np.shares_memory(mg.tensor(t).data, t.data)


ERRORS = [
    (lambda d: mg.tensor("text", device=d), mg.DTypeError, "cannot make a tensor of str .*real numbers and booleans"),
    (lambda d: mg.tensor(None, device=d), mg.DTypeError, "cannot make a tensor of NoneType"),
    (lambda d: mg.tensor(1j, device=d), mg.DTypeError, "complex"),
    (lambda d: mg.tensor(np.ones(2, complex), device=d), mg.DTypeError, "complex128 is not supported"),
    (lambda d: mg.tensor([1, 2], "int64", d, requires_grad=True), mg.DTypeError, "int64; use .astype"),
    (lambda d: mg.tensor([True], None, d, requires_grad=True), mg.DTypeError, "only floating-point tensors .* bool"),
    (lambda d: mg.tensor([mg.tensor(1.0, device=d)]), TypeError, "list of Tensors would lose their graph.*mg.stack"),
    (lambda d: mg.tensor([1.0], device="gpu"), mg.DeviceError, "unknown device 'gpu': use 'cpu', 'cuda'"),
    (lambda d: mg.tensor([1.0], device="cuda:x"), mg.DeviceError, "unknown device 'cuda:x'"),
    (lambda d: mg.tensor([1.0], device="cuda:"), mg.DeviceError, "unknown device 'cuda:'"),
    (lambda d: mg.tensor([1.0], device=0), mg.DeviceError, "unknown device 0"),
    (lambda d: leaf([1.0], d).numpy(), mg.GraphError, r"call .detach\(\).numpy\(\)"),
    (lambda d: np.asarray(leaf([1.0], d)), mg.GraphError, r"tracked tensor: pass .detach\(\), or .data"),
    (lambda d: np.array([leaf(1.0, d), leaf(2.0, d)]), mg.GraphError, "detach"),
    (lambda d: len(leaf(1.0, d)), TypeError, r"len\(\) of a 0-d tensor"),
    (lambda d: iter(leaf(1.0, d)), TypeError, "iteration over a 0-d tensor"),
    (lambda d: bool(leaf([1.0, 2.0], d)), ValueError, "ambiguous"),
    (lambda d: leaf([1.0, 2.0], d).item(), ValueError, "size 1|can only convert"),
    (lambda d: [1, 2][leaf(1.0, d)], TypeError, "only an integer tensor can be an index, got dtype float64"),
    (lambda d: copy.deepcopy(leaf(1.0, d) * 2), mg.GraphError,
     r"only leaf tensors can be deep-copied: call .detach\(\)"),
    (lambda d: setattr(leaf(1.0, d) * 2, "requires_grad", False), mg.GraphError, r"use .detach\(\)"),
    (lambda d: setattr(leaf(1.0, d) * 2, "grad", mg.tensor(1.0, device=d)), mg.GraphError,
     "only a leaf tensor has a .grad to assign"),
    (lambda d: setattr(leaf([1.0], d), "grad", put(np.ones(2), d)), mg.ShapeError,
     r"assignment to .grad: shape \(1,\) is due"),
    (lambda d: setattr(leaf([1.0], d), "grad", put(np.ones(1, "f4"), d)), mg.DTypeError,
     "dtype float64 is due, got float32"),
    (lambda d: setattr(leaf([1.0], d), "grad", 1.0), mg.DTypeError, "an array or Tensor is due, got float"),
    (lambda d: setattr(leaf(1.0, d), "shape", (1,)), AttributeError, "shape"),
    (lambda d: leaf([1.0], d).to("float33"), TypeError, "float33"),
    (lambda d: format(leaf([1.0, 2.0], d), ".2f"), TypeError, "unsupported format string"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[f"{i} {e[2][:24]}" for i, e in enumerate(ERRORS)])
def test_errors(call: Any, kind: Any, message: str, device: str) -> None:
    with pytest.raises(kind, match=message):
        call(device)


def test_errors_are_what_a_numpy_user_catches() -> None:
    for kind, builtin in [
        (mg.ShapeError, ValueError), (mg.DTypeError, TypeError), (mg.DeviceError, RuntimeError),
        (mg.GraphError, RuntimeError), (mg.GradientError, AssertionError), (mg.OptionalDependencyError, ImportError),
        (mg.GraphWarning, UserWarning),
    ]:  # fmt: skip
        assert issubclass(kind, builtin)


# --- requires_grad and grad -----------------------------------------------------------------------------------------


def test_requires_grad_can_be_switched(device: str) -> None:
    t = mg.tensor([1.0, 2.0], device=device)
    assert t.requires_grad_() is t
    (t * t).sum().backward()
    t.requires_grad = False
    assert not (t * 2).requires_grad
    assert np.array_equal(host(t.grad), [2.0, 4.0]), "freezing keeps the gradient"
    t.requires_grad = True
    (t * t).sum().backward()
    assert np.array_equal(host(t.grad), [4.0, 8.0])
    y = t * 2
    y.requires_grad = True  # nothing to do
    assert not y.is_leaf


def test_grad_can_be_assigned_edited_and_cleared(device: str) -> None:
    t = leaf([1.0, 2.0], device)
    t.grad = mg.tensor(np.array([10.0, 20.0]), device=device)
    (t * t).sum().backward()
    assert np.array_equal(host(t.grad), [12.0, 24.0])
    with mg.no_grad():
        g = t.grad
        g *= 0.5
    assert np.array_equal(host(t.grad), [6.0, 12.0])
    t.grad = None
    assert t.grad is None
    mg.tensor(1.0, device=device).grad = None
    u = mg.tensor(np.ones(2), device=device)
    u.grad = put([1.0, 2.0], device)
    assert np.array_equal(host(u.grad), [1.0, 2.0])
    assert not u.requires_grad


def test_an_assigned_gradient_is_added_to(device: str) -> None:
    x, y = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    (x * x).sum().backward()
    y.grad = x.grad
    (y * y).sum().backward()
    assert np.array_equal(host(y.grad), [8.0, 12.0])


# --- conversions ----------------------------------------------------------------------------------------------------


def test_values_leave_as_numbers_and_lists(device: str) -> None:
    assert mg.tensor([[1.0, 2.0]], device=device).tolist() == [[1.0, 2.0]]
    assert leaf(2.5, device).item() == 2.5
    assert type(mg.tensor([3], "int64", device).item()) is int
    assert leaf([2.0], device).detach().cpu().numpy() == [2.0]
    assert [10, 20, 30][mg.tensor(1, "int64", device)] == 20
    assert list(range(5))[mg.tensor(1, "int8", device) : mg.tensor(3, "int64", device)] == [1, 2]


def test_values_on_the_cpu_leave_as_arrays() -> None:
    t = mg.tensor([[1.0, 2.0]])
    assert t.numpy() is t.data
    assert np.array_equal(np.asarray(t), [[1.0, 2.0]])
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.data)


@pytest.mark.parametrize(("convert", "value"), [(float, 2.5), (int, 2)])
def test_float_and_int_of_a_tracked_tensor_warn(convert: Any, value: Any, device: str) -> None:
    assert convert(mg.tensor(2.5, device=device)) == value
    with pytest.warns(mg.GraphWarning, match=rf"{convert.__name__}\(\) of a tracked tensor .*\.item\(\).*mg\.stack"):
        assert convert(leaf(2.5, device)) == value
    with pytest.warns(mg.GraphWarning, match="leaves the graph") as caught:
        convert(leaf(2.5, device))
    assert caught[0].filename == __file__, "the warning points at the caller's line"


def test_numpy_element_assignment_warns() -> None:
    a = np.zeros(2)
    with pytest.warns(mg.GraphWarning, match="mg.stack"):
        a[0] = leaf(2.5)
    assert a[0] == 2.5


def test_bool_and_comparisons_just_work(device: str) -> None:
    x = leaf(2.0, device)
    assert x > 1
    assert not x < 1
    assert bool(x)
    assert not leaf(0.0, device)
    assert (leaf([1.0, 3.0], device) >= put([2.0, 2.0], device)).tolist() == [False, True]
    assert (x == 2.0).dtype == np.bool_


def test_length_iteration_and_membership(device: str) -> None:
    x = leaf([[1.0, 2.0], [3.0, 4.0]], device)
    assert len(x) == 2
    rows = list(x)
    assert all(isinstance(r, mg.Tensor) and r.shape == (2,) for r in rows)
    (rows[0] * 2 + rows[1]).sum().backward()
    assert np.array_equal(host(x.grad), [[2.0, 2.0], [1.0, 1.0]])
    a, b = x[0]
    assert (a.item(), b.item()) == (1.0, 2.0)


def test_hash_is_identity_and_equality_is_elementwise(device: str) -> None:
    x, y = leaf([1.0, 2.0], device), leaf([1.0, 2.0], device)
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


def test_deepcopy_is_an_independent_leaf(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    (x * x).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad
    assert y.is_leaf
    assert not np.shares_memory(x.data, y.data)
    assert not np.shares_memory(x.grad.data, y.grad.data)
    assert np.array_equal(host(y.grad), host(x.grad))
    (y * y).sum().backward()
    assert np.array_equal(host(x.grad), [2.0, 4.0])
    assert np.array_equal(host(y.grad), [4.0, 8.0])
    a, b = copy.deepcopy([x, x])
    assert a is b, "the memo is honoured"
    assert not copy.copy(mg.tensor([1.0], device=device)).requires_grad


def test_detach_and_clone(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    d, c = x.detach(), x.clone()
    assert d.data is x.data
    assert not d.requires_grad
    assert not np.shares_memory(c.data, x.data)
    (c * d).sum().backward()
    assert np.array_equal(host(x.grad), [1.0, 2.0])


def test_dtypes_change_and_gradients_come_back(device: str) -> None:
    x = leaf([1.0, 2.0], device, np.float32)
    y = x.astype("float64")
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.to(np.float32) is x
    assert x.to("float32") is x
    assert x.to("float16").dtype == np.float16
    assert not x.astype("int32").requires_grad
    assert x.astype("float32") is not x
    assert x.to(device) is x
    assert (x.cpu() is x) == (device == "cpu")


def test_without_a_gpu_cuda_is_an_error_that_gives_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_accelerator", None)
    monkeypatch.setattr(devices, "_reason", "the reason why")
    monkeypatch.setattr(devices, "_probed", True)
    t = mg.tensor([1.0])
    for make in (lambda: mg.tensor([1.0], device="cuda"), t.cuda, lambda: t.to("cuda:1")):
        with pytest.raises(mg.DeviceError, match="is not usable here: the reason why"):
            make()
    assert mg.tensor([1.0], device="auto").device == "cpu"
