"""Every error of the tape and the Tensor as data: what is called, what it raises, and what the message says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg


def leaf(values: Any = (1.0, 2.0), dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), requires_grad=True)


def plain(values: Any = (1.0, 2.0)) -> Any:
    return mg.tensor(np.asarray(values, np.float64))


def backward_twice(**first: Any) -> None:
    y = mg.sum(leaf() * leaf())
    y.backward(**first)
    y.backward()


def stale(how: str) -> None:
    x, y = leaf(), plain()
    if how == "output":
        z = y = mg.exp(x)
    else:
        z = x * y
    with mg.no_grad():
        y += 1.0
    mg.sum(z).backward()


def freeze(t: Any) -> None:
    t.requires_grad = False


def assign(t: Any, name: str, value: Any) -> None:
    setattr(t, name, value)


def put_item(t: Any, index: Any, value: Any) -> None:
    t[index] = value


def add_in_place(t: Any, value: Any) -> None:
    t += value


def add_no_grad(t: Any, value: Any) -> None:
    with mg.no_grad():
        t += value


def hooked(hook: Any) -> None:
    t = leaf()
    t.register_hook(hook)
    mg.sum(t).backward()


ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    # --- backward
    "backward of many elements": (
        lambda: leaf().backward(),
        mg.GraphError,
        r"shape \(2,\) needs a gradient of that shape; reduce it with .sum\(\) or .mean\(\) first, or pass gradient=",
    ),
    "backward of none": (lambda: leaf(np.ones(0)).backward(), mg.GraphError, r"shape \(0,\) needs a gradient"),
    "backward of what is not tracked": (
        lambda: mg.sum(plain()).backward(),
        mg.GraphError,
        "no tracked tensor led to: set requires_grad=True on the inputs, and compute outside no_grad",
    ),
    "backward of what no_grad computed": (
        lambda: mg.no_grad()(lambda: leaf() * 2)().backward(),
        mg.GraphError,
        "compute outside no_grad",
    ),
    "second backward": (
        backward_twice,
        mg.GraphError,
        "earlier backward has freed: pass retain_graph=True to the first",
    ),
    "second backward after create_graph": (
        lambda: backward_twice(create_graph=True, retain_graph=False),
        mg.GraphError,
        "retain_graph=True to the first backward, or compute the forward again",
    ),
    "cotangent shape": (
        lambda: (leaf() * 2).backward(np.ones(3)),
        mg.ShapeError,
        r"gradient passed to backward: shape \(2,\) is due, got \(3,\)",
    ),
    "cotangent that would broadcast": (lambda: (leaf() * 2).backward(np.ones(1)), ValueError, r"is due, got \(1,\)"),
    "cotangent dtype": (
        lambda: (leaf() * 2).backward(np.ones(2, np.float32)),
        mg.DTypeError,
        r"dtype float64 is due, got float32; convert it, or change the tensor with .to\(dtype\)",
    ),
    "cotangent of integers": (lambda: (leaf() * 2).backward(np.ones(2, int)), TypeError, "float64 is due, got int64"),
    "cotangent list": (lambda: (leaf() * 2).backward([1.0, 1.0]), TypeError, "an array or Tensor is due, got list"),
    "cotangent number": (lambda: (leaf() * 2).backward(1.0), TypeError, "an array or Tensor is due, got float"),
    "stale argument": (
        lambda: stale("argument"),
        mg.GraphError,
        r"backward of multiply \(shape \(2,\)\) needs argument 1 \('y'\), which has been overwritten since the forward "
        r"\(an in-place operation, an assignment to .data or an optimizer step\): run backward before the write, or "
        r"write to a .clone\(\)",
    ),
    "stale output": (lambda: stale("output"), mg.GraphError, r"backward of exp .* needs its output, .*overwritten"),
    # --- requires_grad, .grad, .data
    "integer requires_grad": (
        lambda: mg.tensor(np.arange(3), requires_grad=True),
        mg.DTypeError,
        r"only floating-point tensors can require a gradient, got dtype int64; use .astype\('float32'\) first",
    ),
    "bool requires_grad": (lambda: assign(plain() > 0, "requires_grad", True), TypeError, "got dtype bool"),
    "frozen computed tensor": (
        lambda: freeze(leaf() * 2),
        mg.GraphError,
        r"requires_grad of a computed tensor cannot be switched off; use .detach\(\)",
    ),
    "grad of a computed tensor": (
        lambda: assign(leaf() * 2, "grad", np.ones(2)),
        mg.GraphError,
        "only a leaf tensor has a .grad to assign",
    ),
    "grad shape": (
        lambda: assign(leaf(), "grad", np.ones(3)),
        mg.ShapeError,
        r"assignment to .grad: shape \(2,\) is due",
    ),
    "grad dtype": (
        lambda: assign(leaf(), "grad", np.ones(2, "f")),
        mg.DTypeError,
        "assignment to .grad: dtype float64",
    ),
    "grad number": (lambda: assign(leaf(), "grad", 0.0), TypeError, "an array or Tensor is due, got float"),
    "data shape": (lambda: assign(leaf(), "data", np.ones(3)), ValueError, r"assignment to .data: shape \(2,\) is due"),
    "data dtype": (lambda: assign(leaf(), "data", np.ones(2, "f")), TypeError, "assignment to .data: dtype float64 is"),
    # --- writing
    "in-place on a tracked leaf": (
        lambda: add_in_place(leaf(), 1.0),
        mg.GraphError,
        r"in-place \+= on a leaf tensor that requires a gradient: use mg.no_grad\(\) \(an update\), or write "
        r"t = t \+ x",
    ),
    "in-place shape": (
        lambda: add_no_grad(leaf(), np.ones((3, 2))),
        mg.ShapeError,
        r"in-place \+=: the result has shape \(3, 2\), the tensor \(2,\)",
    ),
    "in-place dtype": (
        lambda: add_no_grad(mg.tensor(np.arange(3)), 0.5),
        mg.DTypeError,
        r"in-place \+=: a result of dtype float64 does not fit a tensor of int64",
    ),
    "element of a tracked tensor": (
        lambda: put_item(leaf() * 2, 0, 1.0),
        TypeError,
        r"t\[i\] = v has no gradient: use a functional update, t = mg.index_update\(t, i, v\), mg.index_add or "
        r"mg.where\(mask, v, t\), or write under mg.no_grad\(\)",
    ),
    "element of a tracked leaf": (lambda: put_item(leaf(), 0, 1.0), TypeError, "mg.index_update"),
    "tracked value into an element": (lambda: put_item(plain(), 0, leaf(3.0)), TypeError, "mg.index_update"),
    # --- values and shapes
    "len of 0-d": (lambda: len(plain(1.0)), TypeError, r"len\(\) of a 0-d tensor"),
    "iteration over 0-d": (lambda: list(plain(1.0)), TypeError, "iteration over a 0-d tensor"),
    "item of many": (lambda: plain().item(), ValueError, "size 1"),
    "item of none": (lambda: plain(np.ones(0)).item(), ValueError, "size 1"),
    "bool of many": (lambda: bool(plain()), ValueError, "ambiguous"),
    "float of many": (lambda: float(plain()), (TypeError, ValueError), "size|one element|scalar"),  # type: ignore[dict-item]
    "float as an index": (lambda: [1, 2][plain(1.0)], TypeError, "only an integer tensor can be an index.*float64"),
    "numpy of a tracked tensor": (
        lambda: leaf().numpy(),
        mg.GraphError,
        r"leave the graph: call .detach\(\).numpy\(\)",
    ),
    "asarray of a tracked tensor": (lambda: np.asarray(leaf()), mg.GraphError, r"pass .detach\(\), or .data to leave"),
    "a list of tensors": (lambda: mg.tensor([leaf(1.0), 2.0]), TypeError, "join them with mg.stack"),
    "a list of tensors as an operand": (lambda: leaf() * [leaf(1.0), 2.0], TypeError, "multiply: a list .*mg.stack"),
    "copy of a computed tensor": (
        lambda: __import__("copy").deepcopy(leaf() * 2),
        mg.GraphError,
        r"only leaf tensors can be deep-copied: call .detach\(\) first",
    ),
    "pickle of a computed tensor": (
        lambda: __import__("pickle").dumps(leaf() * 2),
        mg.GraphError,
        r"only leaf tensors can be pickled: call .detach\(\) first",
    ),
    "text": (lambda: mg.tensor("abc"), mg.DTypeError, "real numbers and booleans are supported"),
    "complex": (lambda: mg.tensor(1j), TypeError, "real numbers and booleans are supported"),
    # --- hooks
    "hook result shape": (
        lambda: hooked(lambda g: np.ones(3)),
        mg.ShapeError,
        r"gradient returned by the hook '<lambda>': shape \(2,\) is due, got \(3,\)",
    ),
    "hook result dtype": (lambda: hooked(lambda g: g.astype("f")), TypeError, "dtype float64 is due, got float32"),
    "hook that is no function": (lambda: hooked(3), TypeError, "takes a function of the gradient, got int"),
    "hook on what is not tracked": (
        lambda: plain().register_hook(print),
        mg.GraphError,
        "register_hook on a tensor that is not tracked: no gradient ever reaches it. Set requires_grad=True",
    ),
    "retain_grad on what is not tracked": (
        lambda: plain().retain_grad(),
        mg.GraphError,
        "retain_grad on a tensor that",
    ),
    # --- anomalies
    "anomaly": (
        lambda: mg.detect_anomaly()(lambda: mg.sum(mg.reciprocal(leaf([1e-300]))).backward())(),
        mg.GradientError,
        r"backward: the gradient rule of reciprocal, for argument 0 \('x'\), made the first inf; the call stands at "
        r".*test_errors.py:\d+",
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::minigrad.GraphWarning")
@pytest.mark.parametrize(("call", "kind", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


BUILTINS = {
    mg.ShapeError: ValueError,
    mg.DTypeError: TypeError,
    mg.DeviceError: RuntimeError,
    mg.GraphError: RuntimeError,
    mg.GradientError: AssertionError,
}


@pytest.mark.parametrize(("kind", "builtin"), BUILTINS.items(), ids=[k.__name__ for k in BUILTINS])
def test_each_is_also_what_a_numpy_user_would_catch(kind: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)
    assert issubclass(kind, mg.MinigradError)


MIXED: dict[str, tuple[Any, str]] = {
    "operator": (lambda a, b: a + b, "add: operands on different devices, cpu and cuda:0; move one with .to"),
    "array": (lambda a, b: b * np.ones(2), "multiply: operands on different devices, cuda:0 and cpu"),
    "cotangent": (
        lambda a, b: (b * 1).backward(np.ones(2)),
        "gradient passed to backward: device cuda:0 is due, got cpu",
    ),
    "data": (lambda a, b: assign(b, "data", np.ones(2)), "assignment to .data: device cuda:0 is due, got cpu"),
    "grad": (lambda a, b: assign(b, "grad", np.ones(2)), "assignment to .grad: device cuda:0 is due, got cpu"),
    "asarray": (lambda a, b: np.asarray(b.detach()), r"tensor on cuda:0: call .cpu\(\) first"),
}


@pytest.mark.parametrize(("call", "message"), MIXED.values(), ids=MIXED.keys())
def test_mixed_devices(call: Any, message: str, strict: Any) -> None:
    here, there = leaf(), mg.tensor(np.ones(2), device="cuda", requires_grad=True)
    with pytest.raises(mg.DeviceError, match=message):
        call(here, there)
