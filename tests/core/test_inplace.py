"""Writes into storage that the tape has saved: an error that names them, never a wrong gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import elementwise as ew
from minigrad.ops import fused


def leaf(values: Any, device: str, dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


def other(device: str) -> Any:
    return mg.tensor(np.array([3.0, 4.0]), device=device)


def _augmented(symbol: str) -> Any:
    def write(t: Any) -> None:
        with mg.no_grad():
            before = t
            if symbol == "+=":
                t += 1.0
            elif symbol == "-=":
                t -= 1.0
            elif symbol == "*=":
                t *= 2.0
            elif symbol == "/=":
                t /= 2.0
            else:
                t **= 2
            assert t is before

    return write


def _item(t: Any) -> None:
    with mg.no_grad():
        t[0] = 9.0


def _slice(t: Any) -> None:
    with mg.no_grad():
        t[:1] = mg.tensor(np.array([9.0]), device=t.device)


def _assign(t: Any) -> None:
    t.data = put([9.0, 9.0], t.device)


WRITES = {s: _augmented(s) for s in ("+=", "-=", "*=", "/=", "**=")} | {
    "t[0] = v": _item,
    "t[:1] = v": _slice,
    ".data = v": _assign,
}
writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@writes
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_stale_argument_is_refused_and_named(write: Any, create_graph: bool, device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    z = (x * y).sum()
    write(y)
    with pytest.raises(mg.GraphError, match=r"backward of multiply .*needs argument 1 \('y'\), .*overwritten"):
        z.backward(create_graph=create_graph)
    assert x.grad is None


@writes
def test_a_stale_output_is_refused(write: Any, device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = ew.exp(x)
    z = y.sum()
    write(y)
    with pytest.raises(mg.GraphError, match=r"backward of exp .*needs its output, .*overwritten"):
        z.backward()


@writes
def test_a_leaf_updated_before_backward_is_refused(write: Any, device: str) -> None:
    x = leaf([1.0, 2.0], device)
    z = (x * x).sum()
    write(x)
    with pytest.raises(mg.GraphError, match=r"needs argument 0 \('x'\)"):
        z.backward()


@writes
def test_what_no_rule_reads_may_be_overwritten(write: Any, device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    z = (x + y).sum()
    w = (x * 2).sum()
    write(y)
    z.backward()
    w.backward()
    assert np.array_equal(host(x.grad), [3.0, 3.0])


@writes
def test_a_write_before_the_forward_is_no_matter(write: Any, device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    write(y)
    write(y)
    (x * y).sum().backward()
    assert np.array_equal(host(x.grad), host(y))


def test_a_write_after_backward_is_no_matter(device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    z = (x * y).sum()
    z.backward(retain_graph=True)
    _assign(y)
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()
    assert np.array_equal(host(x.grad), [3.0, 4.0])


VIEWS = {
    "reshape": lambda t: t.reshape(2, 1),
    "transpose": lambda t: t.reshape(2, 1).T,
    "basic index": lambda t: t[1:],
    "reversed": lambda t: t[::-1],
    "ellipsis": lambda t: t[..., None],
    "detach": lambda t: t.detach(),
    "detach of a view": lambda t: t[:1].detach(),
    "squeeze": lambda t: t[None].squeeze(0),
    "to its own device": lambda t: t.to(t.device),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_write_through_a_view_is_seen(view: Any, device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    v = view(y)
    z = (x * y).sum()
    with mg.no_grad():
        v *= 2.0
    assert np.shares_memory(v.data, y.data)
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_write_to_the_base_is_seen_by_what_saved_a_view(view: Any, device: str) -> None:
    y = other(device)
    v = view(y)
    x = leaf(np.ones(v.shape), device)
    z = (x * v).sum()
    with mg.no_grad():
        y += 1.0
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


COPIES = {
    "clone": lambda t: t.clone(),
    "astype": lambda t: t.astype("float64"),
    "advanced index": lambda t: t[[0, 1]],
    "arithmetic": lambda t: t + 0,
    "take": lambda t: t.take([0, 1]),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_storage_of_its_own(copy: Any, device: str) -> None:
    x, y = leaf([1.0, 2.0], device), other(device)
    c = copy(y)
    z = (x * y).sum()
    with mg.no_grad():
        c *= 2.0
    assert np.array_equal(host(y), [3.0, 4.0])
    if c._cell is y._cell:
        pytest.fail("a copy shares its source's version cell: a write to it would refuse a right gradient")
    z.backward()
    assert np.array_equal(host(x.grad), [3.0, 4.0])


def test_fused_operations_check_too(device: str) -> None:
    x, w = leaf([[1.0, 2.0]], device), leaf([[3.0, 4.0]], device)
    z = fused.linear(x, w, None, "tanh")
    with mg.no_grad():
        w -= 0.1
    with pytest.raises(mg.GraphError, match=r"backward of linear .*'weight'"):
        z.backward()
    out = fused.linear(x, w, None, "tanh")
    with mg.no_grad():
        out.detach()[...] = 0.0
    with pytest.raises(mg.GraphError, match="its output"):
        out.backward()


def test_a_recorded_gradient_is_checked_too(device: str) -> None:
    """After create_graph the gradient's graph holds x: a step in between makes its derivative stale."""
    x = leaf([1.0, 2.0], device)
    (x * x * x).sum().backward(create_graph=True)
    g = x.grad
    with mg.no_grad():
        x -= 0.1 * g.detach()
    with pytest.raises(mg.GraphError, match="overwritten"):
        g.backward(put(np.ones(2), device))


def test_a_write_to_a_recorded_gradient_is_seen(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    (x * x * x).sum().backward(create_graph=True)
    square = (x.grad * x.grad).sum()
    with mg.no_grad():
        g = x.grad
        g *= 0.5
    with pytest.raises(mg.GraphError, match="overwritten"):
        square.backward()


def test_accumulation_into_a_gradient_that_was_used_is_seen(device: str) -> None:
    x, y = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    (x * x).sum().backward()
    z = (y * x.grad).sum()
    (x * x).sum().backward()
    assert np.array_equal(host(x.grad), [4.0, 8.0])
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


def test_constants_given_as_tensors_are_read_as_they_were(device: str) -> None:
    """Indices are parameters, bounds operands: a later write to them does not change the gradient, or is an error."""
    x, at = leaf([1.0, 2.0, 3.0], device), mg.tensor([0, 1], "int64", device)
    bound = mg.tensor(np.asarray(1.5), device=device)
    y = x[at].sum() + x[at, ...].sum() + x[[at[0], at[1]]].sum()
    z, w = x.take(at).sum(), ew.clip(x, None, bound).sum()
    with mg.no_grad():
        at += 1
        bound += 10.0
    y.backward()
    assert np.array_equal(host(x.grad), [3.0, 3.0, 0.0])
    with pytest.raises(mg.GraphError, match="backward of take"):
        z.backward()
    with pytest.raises(mg.GraphError, match="backward of clip"):
        w.backward()


def test_raw_writes_through_data_are_not_seen(device: str) -> None:
    """The documented limit: `.data` hands out the array itself."""
    x, y = leaf([1.0, 2.0], device), other(device)
    z = (x * y).sum()
    y.data[...] = 0.0
    z.backward()
    assert np.array_equal(host(x.grad), [0.0, 0.0])


def test_several_outputs_have_a_cell_each(device: str) -> None:
    op = mg.Op("sincos", lambda xp, x: (xp.sin(x), xp.cos(x)), saves=("out",))
    op.defvjp(lambda g, out, x: g[0] * out[1] - g[1] * out[0])
    for written in (0, 1):
        outs = op(leaf([1.0, 2.0], device))
        loss = (outs[0] + outs[1]).sum()
        with mg.no_grad():
            outs[written].detach()[...] = 0.0
        with pytest.raises(mg.GraphError, match=r"backward of sincos .*its output"):
            loss.backward()


# --- in-place operators and assignment under grad -------------------------------------------------------------------


def test_in_place_operators_make_a_new_tensor_under_grad(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = x * 1.0
    first = y
    y += 1.0
    y *= x
    y -= 0.5
    y /= 2.0
    y **= 2
    assert y is not first
    assert np.array_equal(host(first), host(x))
    y.backward(put(np.ones(2), device))
    a = host(x)
    assert np.allclose(host(x.grad), ((a + 1) * a - 0.5) / 2 * (2 * a + 1), rtol=1e-15)


def test_in_place_operators_on_untracked_tensors_follow_the_graph(device: str) -> None:
    x, total = leaf([1.0, 2.0], device), mg.tensor(np.zeros(2), device=device)
    total += x * 3
    total.backward(put(np.ones(2), device))
    assert np.array_equal(host(x.grad), [3.0, 3.0])


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**="])
def test_in_place_operators_are_refused_on_a_tracked_leaf_under_grad(symbol: str, device: str) -> None:
    scope = {"t": leaf([1.0, 2.0], device)}
    with pytest.raises(mg.GraphError, match=r"leaf tensor that requires a gradient: use mg.no_grad\(\)"):
        exec(f"t {symbol} 2.0", scope)
    assert np.array_equal(scope["t"].data, [1.0, 2.0])


def test_an_update_under_no_grad_is_the_same_tensor_and_storage(device: str) -> None:
    w = leaf([1.0, 2.0], device)
    storage, same = w.data, w
    (w * w).sum().backward()
    with mg.no_grad():
        w -= 0.5 * w.grad
    assert w is same
    assert w.data is storage
    assert np.array_equal(host(w), [0.0, 0.0])
    assert w.requires_grad
    assert w.is_leaf


def test_an_update_keeps_shape_and_dtype(device: str) -> None:
    w = leaf([1.0, 2.0], device, np.float32)
    with mg.no_grad():
        w *= put([2.0, 2.0], device)  # float64, cast back as NumPy does
        assert w.dtype == np.float32
        with pytest.raises(mg.ShapeError, match=r"the result has shape \(3, 2\), the tensor \(2,\)"):
            w += put(np.ones((3, 2)), device)
        i = mg.tensor(np.array([1, 2]), device=device)
        with pytest.raises(mg.DTypeError, match="float64 does not fit a tensor of int64"):
            i += 0.5
    assert np.array_equal(host(w), [2.0, 4.0])


REFUSED = {
    "tracked leaf": lambda device: (leaf([1.0, 2.0], device), 5.0),
    "tracked result": lambda device: (leaf([1.0, 2.0], device) * 2, 5.0),
    "tracked value": lambda device: (mg.tensor(np.zeros(2), device=device), leaf(5.0, device)),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_assignment_to_elements_under_grad_names_the_functional_update(make: Any, device: str) -> None:
    t, value = make(device)
    before = host(t)
    with pytest.raises(TypeError, match=r"t\[i\] = v has no gradient.*mg.where.*mg.no_grad\(\)"):
        t[0] = value
    assert np.array_equal(host(t), before)


def test_assignment_to_elements_of_untracked_tensors(device: str) -> None:
    t = mg.tensor(np.zeros((2, 3)), device=device)
    t[0, 1] = 5.0
    t[1] = mg.tensor(np.array([1.0, 2.0, 3.0]), device=device)
    t[mg.tensor(np.array([[True, False, False], [False, False, False]]), device=device)] = -1.0
    t[mg.tensor([0], dtype="int64", device=device), 2] = 7
    assert np.array_equal(host(t), [[-1.0, 5.0, 7.0], [1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.ones(3), mg.ShapeError, r"assignment to .data: shape \(2,\) is due, got \(3,\)"),
        (np.ones(2, np.float32), mg.DTypeError, "dtype float64 is due, got float32.*to"),
        ([1.0, 2.0], mg.DTypeError, "an array or Tensor is due, got list"),
    ],
)
def test_assignment_to_data_that_does_not_fit(value: Any, kind: type[Exception], message: str, device: str) -> None:
    t = leaf([1.0, 2.0], device)
    with pytest.raises(kind, match=message):
        t.data = put(value, device) if isinstance(value, np.ndarray) else value
    assert np.array_equal(host(t), [1.0, 2.0])


def test_assignment_to_data_copies(device: str) -> None:
    t, new = leaf([1.0, 2.0], device), put([5.0, 6.0], device)
    storage = t.data
    t.data = new
    new[0] = 0.0
    assert t.data is storage
    assert np.array_equal(host(t), [5.0, 6.0])
