"""The rows of fidelity.py: refusals, results, what waits, what a capture refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
from fidelity import Gives, Is, Raises, Row, in_place, set_item

TYPE, VALUE, ATTRIBUTE, INDEX = TypeError, ValueError, AttributeError, IndexError
LIST = [1.0, 2.0, 3.0]


def _missing(name: str) -> Row:
    return Row(f"there is no xp.{name}", lambda xp, s: getattr(xp, name), Raises(ATTRIBUTE, name.rpartition(".")[2]))


def _no_method(name: str) -> Row:
    return Row(f"arrays have no {name}", lambda xp, s: getattr(s.x, name), Raises(ATTRIBUTE, name))


def _keyword(label: str, call: Any) -> Row:
    return Row(f"no {label}", call, Raises(TYPE, "argument"))


MISSING = [
    *map(_missing, ("errstate", "vecdot", "matvec", "vecmat", "unstack", "spacing", "ndenumerate", "einsum_path",
                    "float128", "longdouble", "object_", "nanpercentile")),
    *map(_no_method, ("to_device", "ctypes", "setflags", "itemset", "newbyteorder", "__array_namespace__",
                      "__index__", "__contains__", "__array_interface__", "resize", "tostring")),
    Row("there is no linalg.vector_norm", lambda xp, s: xp.linalg.vector_norm, Raises(ATTRIBUTE, "vector_norm")),
    Row("there is no linalg.multi_dot", lambda xp, s: xp.linalg.multi_dot, Raises(ATTRIBUTE, "multi_dot")),
    Row("there is no random.Philox", lambda xp, s: xp.random.Philox, Raises(ATTRIBUTE, "Philox")),
    Row("flags have no writeable", lambda xp, s: s.x.flags.writeable, Raises(ATTRIBUTE, "writeable")),
]  # fmt: skip

KEYWORDS = [
    _keyword("add(where=)", lambda xp, s: xp.add(s.x, s.x, where=True)),
    _keyword("exp(subok=)", lambda xp, s: xp.exp(s.x, subok=True)),
    _keyword("sum(initial=)", lambda xp, s: xp.sum(s.x, initial=0.0)),
    _keyword("sum(where=)", lambda xp, s: s.x.sum(where=s.mask)),
    _keyword("max(initial=)", lambda xp, s: s.x.max(initial=0.0)),
    _keyword("mean(where=)", lambda xp, s: s.x.mean(where=s.mask)),
    _keyword("var(correction=)", lambda xp, s: s.x.var(correction=1)),
    _keyword("zeros(device=)", lambda xp, s: xp.zeros(3, device="cpu")),
    _keyword("asarray(like=)", lambda xp, s: xp.asarray(s.x, like=s.x)),
    _keyword("arange(device=)", lambda xp, s: xp.arange(3, device=None)),
    _keyword("reshape(shape=)", lambda xp, s: xp.reshape(s.x, shape=(3, 2))),
    _keyword("stack(arrays=)", lambda xp, s: xp.stack(arrays=[s.x, s.x])),
    _keyword("concatenate(arrays=)", lambda xp, s: xp.concatenate(arrays=[s.x, s.x])),
    _keyword("take(mode=)", lambda xp, s: xp.take(s.x, s.i, mode="clip")),
    _keyword("clip(min=)", lambda xp, s: xp.clip(s.x, min=0, max=1)),
    _keyword("argmax with a third argument where=", lambda xp, s: xp.argmax(s.x, where=s.mask)),
    _keyword("array(object=)", lambda xp, s: xp.array(object=[1.0])),
]

MIXING = [
    Row("np.asarray is refused", lambda xp, s: np.asarray(s.x), Raises(TYPE, "implicit conversion")),
    Row("np.array is refused", lambda xp, s: np.array(s.x), Raises(TYPE, "implicit conversion")),
    Row("device + numpy", lambda xp, s: s.x + s.host, Raises(TYPE, "unsupported type")),
    Row("numpy + device", lambda xp, s: s.host + s.x, Raises(TYPE, "unsupported type")),
    Row("device @ numpy", lambda xp, s: s.x @ s.host.T, Raises(TYPE)),
    Row("device += numpy", lambda xp, s: in_place(s.x, "iadd", s.host), Raises(TYPE, "unsupported type")),
    Row("numpy += device", lambda xp, s: np.add(s.host, s.x, out=s.host.copy()), Raises(TYPE)),
    Row("device + list", lambda xp, s: s.v + LIST, Raises(TYPE)),
    Row("list + device", lambda xp, s: LIST + s.v, Raises(TYPE, "unsupported type")),
    Row("maximum(device, numpy)", lambda xp, s: xp.maximum(s.x, s.host), Raises(TYPE, "unsupported type")),
    Row("maximum(device, list)", lambda xp, s: xp.maximum(s.v, LIST), Raises(TYPE, "unsupported type")),
    Row("add(out=numpy)", lambda xp, s: xp.add(s.x, s.x, out=s.host), Raises(TYPE, "Output arguments")),
    Row("exp(numpy)", lambda xp, s: xp.exp(s.host), Raises(TYPE, "unsupported type")),
    Row("exp(list)", lambda xp, s: xp.exp(LIST), Raises(TYPE, "unsupported type")),
    Row("exp(None)", lambda xp, s: xp.exp(None), Raises(TYPE, "unsupported type")),
    Row("sum(list)", lambda xp, s: xp.sum(LIST), Raises((TYPE, ATTRIBUTE))),
    Row("where(device, numpy, 0)", lambda xp, s: xp.where(s.mask, s.host, 0.0), Raises(TYPE, "unsupported type")),
    Row("where(True, ...)", lambda xp, s: xp.where(True, s.x, 0.0), Raises(ATTRIBUTE, "astype")),
    Row("where with one branch", lambda xp, s: xp.where(s.mask, s.x), Raises(VALUE, "both 'x' and 'y'")),
    Row("clip by numpy", lambda xp, s: xp.clip(s.x, s.host, None), Raises(TYPE, "unsupported type")),
    Row("stack with a number", lambda xp, s: xp.stack([s.zero_d, 1.0]), Raises((TYPE, ATTRIBUTE))),
    Row("concatenate with numpy", lambda xp, s: xp.concatenate([s.x, s.host]), Raises(TYPE)),
    Row("concatenate of 0-d", lambda xp, s: xp.concatenate([s.zero_d, s.zero_d]), Raises((TYPE, VALUE), "zero-dim")),
    Row("x[...] = numpy", lambda xp, s: set_item(s.x, ..., s.host), Raises(VALUE, "non-scalar numpy.ndarray")),
    Row("x[0] = list", lambda xp, s: set_item(s.x, 0, LIST), Raises(VALUE, "non-scalar numpy.ndarray")),
    Row("object dtype", lambda xp, s: xp.asarray([None]), Raises((VALUE, TYPE), "unsupported dtype")),
    Row("string dtype", lambda xp, s: s.x.astype("U3"), Raises((VALUE, TYPE), "unsupported dtype")),
    Row("range(0-d)", lambda xp, s: range(s.n[0]), Raises(TYPE, "interpreted as an integer")),
    Row("list[0-d]", lambda xp, s: LIST[s.n[0]], Raises(TYPE)),
    Row("hash", lambda xp, s: hash(s.x), Raises(TYPE, "unhashable")),
    Row("len of 0-d", lambda xp, s: len(s.zero_d), Raises(TYPE, "unsized")),
    Row("bool of several", lambda xp, s: bool(s.x), Raises(VALUE, "ambiguous")),
    Row("a float index", lambda xp, s: s.x[s.v], Raises(INDEX, "integer or boolean")),
    Row("out of another shape", lambda xp, s: xp.add(s.x, s.x, out=s.w), Raises(VALUE, "mismatched|broadcast")),
    Row("out smaller than the result", lambda xp, s: xp.add(s.x, s.x, s.v), Raises(VALUE, "mismatched|broadcast")),
    Row("float64 into float32 out of integers", lambda xp, s: xp.add(s.v, s.v, s.n), Raises(TYPE, "cast")),
    Row("n += float", lambda xp, s: in_place(s.n, "iadd", 0.5), Raises(TYPE, "cast")),
    Row("shapes that do not broadcast", lambda xp, s: s.x + s.w, Raises(VALUE, "broadcast")),
    Row("matmul of other shapes", lambda xp, s: s.x @ s.x, Raises(VALUE)),
    Row("matmul of 0-d", lambda xp, s: s.x @ s.zero_d, Raises(VALUE)),
    Row("add.at on bool", lambda xp, s: xp.add.at(s.mask, (s.i, s.i), s.mask[0]), Raises(TYPE, "support")),
    Row("maximum.reduce", lambda xp, s: xp.maximum.reduce(s.x), Raises(NotImplementedError, "reduce")),
    Row("multiply.at", lambda xp, s: xp.multiply.at(s.v, s.i, s.v), Raises(NotImplementedError, "at")),
    Row("an index out of range", lambda xp, s: s.v[3], Raises(INDEX, "out of bounds")),
    Row("an indexed read out of range", lambda xp, s: s.v[s.far], Raises(INDEX), stricter=True),
    Row("an indexed write out of range", lambda xp, s: set_item(s.v, s.far, s.v[:2]), Raises(INDEX), stricter=True),
    Row("take out of range", lambda xp, s: xp.take(s.v, s.far), Raises(INDEX), stricter=True),
    Row("add.at out of range", lambda xp, s: xp.add.at(s.v, s.far, s.v[:2]), Raises(INDEX), stricter=True),
    Row("w @= w", lambda xp, s: in_place(s.x, "imatmul", s.w), Raises((TYPE, ATTRIBUTE))),
]

RESULTS = [
    Row("a reduction is a 0-d array", lambda xp, s: s.x.sum(), Gives((), "float32", 15.0), counts={"syncs": 0}),
    Row("an element is a 0-d view", lambda xp, s: s.x[1, 2], Gives((), "float32", 5.0), counts={"launches": 0}),
    Row("x[...] is a view", lambda xp, s: s.x[..., 1:], Gives((2, 2), "float32"), counts={"launches": 0}),
    Row("x.T is a view", lambda xp, s: s.x.T, Gives((3, 2), "float32"), counts={"launches": 0}),
    Row("reshape is a view", lambda xp, s: s.x.reshape(-1), Gives((6,), "float32"), counts={"launches": 0}),
    Row("reshape of x.T copies", lambda xp, s: s.x.T.reshape(-1), Gives((6,), "float32"), counts={"launches": 1}),
    Row("np.sum dispatches", lambda xp, s: np.sum(s.x, axis=0), Gives((3,), "float32", [3, 5, 7])),
    Row("np.exp dispatches", lambda xp, s: np.exp(s.x), Gives((2, 3), "float32")),
    Row("np.concatenate dispatches", lambda xp, s: np.concatenate([s.x, s.x]), Gives((4, 3), "float32")),
    Row("np.add(out=) dispatches", lambda xp, s: np.add(s.x, 1, out=s.y), Gives((2, 3), "float32")),
    Row("np.float64 scalars are strong", lambda xp, s: s.x * np.float64(2), Gives((2, 3), "float64")),
    Row("Python floats are weak", lambda xp, s: s.x * 2.0, Gives((2, 3), "float32")),
    Row("0-d arrays are strong", lambda xp, s: s.d[0, 0] * s.x, Gives((2, 3), "float64")),
    Row("float32 + int64 is float64", lambda xp, s: s.v + s.n, Gives((3,), "float64")),
    Row("int64 / int64 is float64", lambda xp, s: s.n / s.n, Gives((3,), "float64")),
    Row("bool sums are int64", lambda xp, s: s.mask.sum(), Gives((), "int64", 3)),
    Row("integer means are float64", lambda xp, s: s.n.mean(), Gives((), "float64", 2.0)),
    Row("argmax is int64", lambda xp, s: s.x.argmax(axis=1), Gives((2,), "int64", [2, 2])),
    Row("a bool times a float", lambda xp, s: s.x * s.mask * 2.0, Gives((2, 3), "float32")),
    Row("where keeps float32", lambda xp, s: xp.where(s.mask, s.x, 0.0), Gives((2, 3), "float32")),
    Row("clip with one bound", lambda xp, s: xp.clip(s.x, 1, None), Gives((2, 3), "float32")),
    Row("0-d arithmetic stays an array", lambda xp, s: s.zero_d * s.zero_d, Gives((), "float32", 4.0)),
    Row("x ** 2", lambda xp, s: s.x**2, Gives((2, 3), "float32", [[0, 1, 4], [9, 16, 25]])),
    Row("a - a of an F-array is C-ordered", lambda xp, s: _c_ordered(s.x.T - s.x.T), Is(True)),
    Row("copy is C-ordered", lambda xp, s: _c_ordered(s.x.T.copy()), Is(True)),
    Row("astype keeps the order", lambda xp, s: bool(s.x.T.astype(np.float64).flags.f_contiguous), Is(True)),
    Row("astype copies", lambda xp, s: s.x.astype(np.float32) is s.x, Is(False)),
    Row("astype(copy=False)", lambda xp, s: s.x.astype(np.float32, copy=False) is s.x, Is(True)),
    Row("asarray of its own", lambda xp, s: xp.asarray(s.x) is s.x, Is(True)),
    Row("an empty sum", lambda xp, s: s.empty.sum(axis=0), Gives((3,), "float32", [0, 0, 0])),
    Row("an empty product", lambda xp, s: s.empty.T @ s.empty, Gives((3, 3), "float32", np.zeros((3, 3)))),
    Row("duplicates in add.at", lambda xp, s: _add_at(xp, s), Gives((3,), "float32", [3, 6, 3])),
    Row("a list as an index", lambda xp, s: s.x[[1, 0]], Gives((2, 3), "float32"), counts={"to_device": 1}),
    Row("numpy as an index", lambda xp, s: s.v[np.array([2, 2])], Gives((2,), "float32"), counts={"to_device": 1}),
    Row("take by a list", lambda xp, s: xp.take(s.v, [0, 2]), Gives((2,), "float32"), counts={"to_device": 1}),
    Row("a number written by index", lambda xp, s: set_item(s.v.copy(), s.i, 0.0), Gives((3,), "float32", [0, 0, 3]),
        counts={"to_device": 1}),
    Row("a number written to a slice", lambda xp, s: set_item(s.v.copy(), slice(2), 0.0), Gives((3,), "float32"),
        counts={"to_device": 0, "syncs": 0}),
    Row("matmul(out=)", lambda xp, s: xp.matmul(s.x, s.w, out=xp.empty((2, 2), np.float32)), Gives((2, 2), "float32"),
        counts={"launches": 1}),
    Row("array_equal is a device array", lambda xp, s: xp.array_equal(s.x, s.x), Gives((), "bool", True)),
    Row("== None is false everywhere", lambda xp, s: s.v == None, Gives((3,), "bool", [False] * 3)),  # noqa: E711
    Row("iteration gives rows", lambda xp, s: list(s.x)[1], Gives((3,), "float32", [3, 4, 5]), counts={"syncs": 0}),
]  # fmt: skip


def _c_ordered(array: Any) -> bool:
    """Whether an array is C-contiguous, as a Python bool."""
    return bool(array.flags.c_contiguous)


def _add_at(xp: Any, s: Any) -> Any:
    target = xp.asarray(s.v, copy=True)
    xp.add.at(target, s.i, s.v)
    return target


def _waits(label: str, call: Any) -> list[Row]:
    return [Row(f"{label} waits for the device", call, Raises(Exception), mode="no_sync"),
            Row(f"{label} while capturing", call, Raises((RuntimeError, ValueError)), mode="capture")]  # fmt: skip


WAITS = [
    row
    for label, call in {
        "float": lambda xp, s: float(s.zero_d),
        "int": lambda xp, s: int(s.zero_d),
        "bool": lambda xp, s: bool(s.zero_d),
        "item": lambda xp, s: s.zero_d.item(),
        "tolist": lambda xp, s: s.x.tolist(),
        "get": lambda xp, s: s.x.get(),
        "asnumpy": lambda xp, s: xp.asnumpy(s.x),
        "repr": lambda xp, s: repr(s.x),
        "format": lambda xp, s: f"{s.zero_d:.3f}",
        "x[mask]": lambda xp, s: s.x[s.mask],
        "x[mask] = 0": lambda xp, s: set_item(s.x, s.mask, 0.0),
        "nonzero": lambda xp, s: xp.nonzero(s.x),
        "one-argument where": lambda xp, s: xp.where(s.mask),
        "flatnonzero": lambda xp, s: xp.flatnonzero(s.x),
        "argwhere": lambda xp, s: xp.argwhere(s.x),
        "unique": lambda xp, s: xp.unique(s.n),
        "bincount": lambda xp, s: xp.bincount(s.n),
        "x in y": lambda xp, s: 3.0 in s.v,
    }.items()
    for row in _waits(label, call)
]

LIBRARY, UPLOAD = NotImplementedError, RuntimeError
CAPTURE = [
    Row("x @ y while capturing", lambda xp, s: s.x @ s.w, Raises(LIBRARY, "capture"), mode="capture"),
    Row("matmul while capturing", lambda xp, s: xp.matmul(s.x, s.w), Raises(LIBRARY, "capture"), mode="capture"),
    Row("dot while capturing", lambda xp, s: xp.dot(s.x, s.w), Raises(LIBRARY, "capture"), mode="capture"),
    Row("vdot while capturing", lambda xp, s: xp.vdot(s.x, s.x), Raises(LIBRARY, "capture"), mode="capture"),
    Row("tensordot while capturing", lambda xp, s: xp.tensordot(s.x, s.w, 1), Raises(LIBRARY), mode="capture"),
    Row("einsum to matmul while capturing", lambda xp, s: xp.einsum("ij,jk", s.x, s.w), Raises(LIBRARY),
        mode="capture"),
    Row("random numbers while capturing", lambda xp, s: xp.random.rand(3), Raises(LIBRARY), mode="capture"),
    Row("asarray(numpy) while capturing", lambda xp, s: xp.asarray(s.host), Raises(UPLOAD), mode="capture"),
    Row("set while capturing", lambda xp, s: s.x.set(s.host), Raises(UPLOAD), mode="capture"),
    Row("x[list] while capturing", lambda xp, s: s.x[[0, 1]], Raises(UPLOAD), mode="capture"),
    Row("x[i] = number while capturing", lambda xp, s: set_item(s.v, s.i, 0.0), Raises(UPLOAD), mode="capture"),
    Row("repeat(list) while capturing", lambda xp, s: xp.repeat(s.v, [1, 2, 1]), Raises(UPLOAD), mode="capture"),
    Row("stack of 9 while capturing", lambda xp, s: xp.stack(s.many), Raises(UPLOAD), mode="capture"),
    Row("concatenate of 9 while capturing", lambda xp, s: xp.concatenate(s.many), Raises(UPLOAD), mode="capture"),
    Row("stack of 8 while capturing", lambda xp, s: xp.stack(s.many[:8]).shape, Is((8, 2)), mode="capture"),
    Row("ufuncs while capturing", lambda xp, s: (xp.exp(s.x) * 2 + s.y).shape, Is((2, 3)), mode="capture"),
    Row("sum while capturing", lambda xp, s: s.x.sum(axis=0).shape, Is((3,)), mode="capture"),
    Row("where while capturing", lambda xp, s: xp.where(s.mask, s.x, 0.0).shape, Is((2, 3)), mode="capture"),
    Row("take while capturing", lambda xp, s: xp.take(s.v, s.i).shape, Is((3,)), mode="capture"),
    Row("x[i] while capturing", lambda xp, s: s.v[s.i].shape, Is((3,)), mode="capture"),
    Row("fill while capturing", lambda xp, s: s.x.fill(0.0) is None, Is(True), mode="capture"),
    Row("integer matmul while capturing", lambda xp, s: (s.n @ s.n).shape, Is(()), mode="capture"),
]  # fmt: skip

ROWS = MISSING + KEYWORDS + MIXING + RESULTS + WAITS + CAPTURE
