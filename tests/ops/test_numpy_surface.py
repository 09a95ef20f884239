"""How much of NumPy answers to Tensors: what does not, signatures, ufunc methods, functions of one's own."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.tensor import numpy_protocols as protocols

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])

WITHOUT_A_ROW = {
    "complex numbers": {"angle", "sort_complex", "roots", "poly"},
    "dates": {"busday_count", "busday_offset", "datetime_as_string", "is_busday", "isnat"},
    "sets": {"intersect1d", "isin", "setdiff1d", "setxor1d", "union1d",
             "unique_all", "unique_counts", "unique_inverse", "unique_values"},
    "files and text": {"array2string", "save", "savetxt", "savez", "savez_compressed"},
    "bits": {"packbits", "unpackbits"},
    "counting in several dimensions": {"histogram2d", "histogramdd"},
    "old polynomials, of which polyval is there": {"polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul",
                                                   "polysub"},
    "a plan, not a value": {"einsum_path"},
    "new arrays from numbers": {"geomspace"},
    "complex results": {"eig", "eigvals"},
}  # fmt: skip
"""NumPy's functions that have no gradient here, by the reason. Untracked Tensors go to NumPy's own."""


def dispatched(module: Any) -> dict[str, Any]:
    """The public functions and ufuncs of a module that ask their arguments for another answer."""
    return {
        name: f
        for name in dir(module)
        if not name.startswith("_") and (hasattr(f := getattr(module, name), "_implementation") or type(f) is np.ufunc)
    }


def test_every_function_of_numpy_has_a_row_or_a_reason() -> None:
    answered = set(protocols.FUNCTIONS) | set(protocols.UFUNCS)
    missing = set()
    for module in (np, np.linalg):
        for name, f in dispatched(module).items():
            if f not in answered and getattr(f, "__name__", "") not in answered:
                missing.add(name)
    excused = set().union(*WITHOUT_A_ROW.values())
    assert missing - excused == set(), "give it a rule, or a reason here"
    assert {n for n in excused if n in missing or n in ("eig", "eigvals")} == excused, "has a row now: strike it out"


@pytest.mark.parametrize("module", [np, np.linalg], ids=["numpy", "numpy.linalg"])
def test_everything_that_answers_is_in_the_namespace(module: Any) -> None:
    space = mg if module is np else mg.linalg
    mine = set(protocols.FUNCTIONS.values()) | set(protocols.UFUNCS.values())
    lacking = [
        name
        for name, f in dispatched(module).items()
        if (f in protocols.FUNCTIONS or getattr(f, "__name__", "") in protocols.UFUNCS)
        and getattr(space, name, None) not in mine
    ]
    # the namespace's own put new arrays on a device, and hand Tensors on to ops/ranges.py
    assert sorted(set(lacking) - {"linspace", "logspace"}) == QUESTIONS[module]


QUESTIONS = {
    np: sorted([
        "array_repr", "array_str", "can_cast", "common_type", "diag_indices_from", "iscomplexobj", "isrealobj", "ix_",
        "may_share_memory",
        "min_scalar_type", "ndim", "result_type", "shape", "shares_memory", "size", "tril_indices_from",
        "triu_indices_from",
    ]),
    np.linalg: [],
}  # fmt: skip
"""Questions about arrays that only numpy's own names answer."""


def parameters(f: Any) -> list[tuple[str, Any]]:
    """Positional parameters and their defaults, NumPy's mark for "not given" counted as none."""
    found = []
    for p in inspect.signature(f).parameters.values():
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            plain = isinstance(p.default, (int, float, str, bool, tuple, type(None)))
            name = "" if p.kind is p.POSITIONAL_ONLY else p.name
            found.append((name, p.default if plain else "mark"))
    return found


OTHERWISE = {"shares_memory", "may_share_memory"}


def with_signature() -> list[Any]:
    rows = []
    for module in (np, np.linalg):
        for name, f in dispatched(module).items():
            mine = protocols.FUNCTIONS.get(f) if type(f) is not np.ufunc else None
            try:
                theirs = parameters(f)
                if mine is not None and mine.__module__.startswith("minigrad.ops") and name not in OTHERWISE:
                    rows.append(pytest.param(mine, theirs, id=f"{module.__name__}.{name}"))
            except (ValueError, TypeError):  # built in C, without a signature
                continue
    return rows


@pytest.mark.parametrize(("mine", "theirs"), with_signature())
def test_parameters_are_numpys_in_their_order(mine: Any, theirs: list[tuple[str, Any]]) -> None:
    if isinstance(mine, mg.Op):
        pytest.skip("an Op of one array")
    ours = parameters(mine)
    names, kinds = [n for n, _ in ours], [p.kind for p in inspect.signature(mine).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return
    for (name, default), (their_name, their_default) in zip(ours, theirs, strict=False):
        assert name == their_name or not their_name, (ours, theirs)
        if their_default != "mark" and default != "mark":
            assert default == their_default or (default in (None, False) and their_default in (None, False)), name
    later = [n for n, _ in theirs[len(ours) :] if n not in inspect.signature(mine).parameters]
    assert set(later) <= {"out", "like", "subok", "order", "casting", "signature"}, (names, theirs)


def tracked(device: str, values: Any = X) -> Any:
    return mg.tensor(values, device=device, requires_grad=True)


METHODS: dict[str, tuple[Any, Any]] = {
    "add.reduce": (lambda t: np.add.reduce(t), lambda t: mg.sum(t, axis=0)),
    "add.reduce over all": (lambda t: np.add.reduce(t, axis=None), mg.sum),
    "add.reduce, keepdims": (
        lambda t: np.add.reduce(t, axis=1, keepdims=True), lambda t: mg.sum(t, axis=1, keepdims=True)
    ),
    "add.reduce, initial": (lambda t: np.add.reduce(t, axis=0, initial=2.0), lambda t: mg.sum(t, axis=0) + 2.0),
    "multiply.reduce": (lambda t: np.multiply.reduce(t, 1), lambda t: mg.prod(t, axis=1)),
    "maximum.reduce": (lambda t: np.maximum.reduce(t), lambda t: mg.max(t, axis=0)),
    "minimum.reduce": (lambda t: np.minimum.reduce(t, axis=(0, 1)), mg.min),
    "logaddexp.reduce": (lambda t: np.logaddexp.reduce(t, axis=1), lambda t: mg.logsumexp(t, axis=1)),
    "add.accumulate": (lambda t: np.add.accumulate(t), lambda t: mg.cumsum(t, axis=0)),
    "multiply.accumulate": (lambda t: np.multiply.accumulate(t, axis=1), lambda t: mg.cumprod(t, axis=1)),
    "subtract.outer": (lambda t: np.subtract.outer(t, t[0]), lambda t: t[:, :, None] - t[0]),
    "exp, dtype": (lambda t: np.exp(t, dtype=np.float32), lambda t: mg.exp(t.astype(np.float32))),
    "add, casting": (lambda t: np.add(t, 1.0, casting="same_kind"), lambda t: t + 1.0),
}  # fmt: skip


@pytest.mark.parametrize(("call", "same"), METHODS.values(), ids=METHODS.keys())
def test_methods_and_keywords_of_ufuncs(device: str, call: Any, same: Any) -> None:
    gradients = []
    for f in (call, same):
        t = tracked(device)
        out = f(t)
        (out * out).sum().backward()
        gradients += [host(out), host(t.grad)]
    np.testing.assert_array_equal(gradients[0], gradients[2])
    np.testing.assert_array_equal(gradients[1], gradients[3])
    assert gradients[0].dtype == gradients[2].dtype


def test_logical_reductions_carry_no_gradient(device: str) -> None:
    t = tracked(device)
    assert host(np.logical_and.reduce(t > 0, axis=None)).item() is False
    assert host(np.logical_or.reduce(t > 0, axis=1)).tolist() == [True, True]
    assert not np.logical_or.reduce(t, axis=1).requires_grad


REFUSED: list[tuple[Any, str]] = [
    (lambda t: np.add.at(X.copy(), [0], t), r"np.add.at writes into its argument.*mg.index_add"),
    (lambda t: np.add.reduceat(t, [0, 1]), "np.add.reduceat is not supported"),
    (lambda t: np.arctan2.reduce(t), "np.arctan2.reduce is not supported"),
    (lambda t: np.exp(t, where=X > 0), r"where= is not supported on Tensors; use mg.where"),
    (lambda t: np.exp(t, casting="unsafe"), r"keyword.s. casting are not supported"),
    (lambda t: np.fft.fft(t), r"np.fft.fft has no gradient rule.*mg.implements\(np.fft.fft\)"),
    (lambda t: np.polyfit(t[0], t[1], 1), r"np.polyfit has no gradient rule"),
    (lambda t: np.add(t, 1.0, out=np.zeros((2, 3))), "would drop the graph of a tracked Tensor"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m[:30] for _, m in REFUSED])
def test_what_is_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(tracked("cpu"))


def test_functions_without_a_rule_take_untracked_tensors() -> None:
    t = mg.tensor(X)
    counts, edges, _ = np.histogram2d(t[0], t[1], bins=2)
    assert isinstance(counts, mg.Tensor)
    assert isinstance(edges, mg.Tensor)
    assert np.fft.fft(t).shape == (2, 3)  # complex: an array
    assert np.array2string(t[0]) == np.array2string(X[0])


def test_on_a_device_they_say_what_to_do(strict: Any) -> None:
    with pytest.raises(TypeError, match=r"no counterpart on a GPU: call .cpu\(\) first"):
        np.fft.fft(mg.tensor(X, device="cuda"))


def test_out_of_several_results_and_of_another_shape() -> None:
    t = mg.tensor(X)
    whole, part = np.zeros_like(X), np.zeros_like(X)
    np.modf(t, out=(part, whole))
    np.testing.assert_array_equal(part + whole, X)
    with pytest.raises(ValueError, match="a result of shape"):
        np.add(t, 1.0, out=np.zeros(3))


def test_a_function_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "FUNCTIONS", dict(protocols.FUNCTIONS))

    @mg.implements(np.polyfit)
    def line(x: Any, y: Any, deg: int) -> Any:
        assert deg == 1
        slope = mg.sum((x - mg.mean(x)) * (y - mg.mean(y))) / mg.sum((x - mg.mean(x)) ** 2)
        return mg.stack([slope, mg.mean(y) - slope * mg.mean(x)])

    t = tracked("cpu")
    found = np.polyfit(t[0], t[1], 1)
    np.testing.assert_allclose(host(found), np.polyfit(X[0], X[1], 1))
    found.sum().backward()
    assert t.grad is not None


def test_numpy_code_with_minigrad_in_the_place_of_numpy() -> None:
    def program(np: Any, x: Any) -> Any:
        a = np.linspace(0.0, 1.0, 3, dtype=np.float64)
        b = np.array([x[0], x[1] * np.pi, 2.0])
        m = np.outer(a, b) + np.eye(3) * np.full((3, 3), 0.5)
        return np.sum(np.linalg.solve(m + np.ones((3, 3)), b) * np.arange(3.0)) + np.max(np.zeros(2) + x[:2])

    x = np.array([0.75, -0.5, 2.0])
    t = mg.tensor(x, requires_grad=True)
    out = program(mg, t)
    assert out.item() == pytest.approx(program(np, x), rel=1e-12)
    out.backward()
    assert np.isfinite(t.grad.numpy()).all()
    assert t.grad.numpy()[:2].all()


def test_concatenation_in_square_brackets(device: str) -> None:
    t = tracked(device, np.array([1.0, 2.0]))
    constant = put([5.0, 6.0], device)
    row, columns = mg.r_[t, 3.0 * t[0], constant, t], mg.c_[t, constant, t * t]
    (row.sum() + columns.sum()).backward()
    np.testing.assert_array_equal(host(row), [1, 2, 3, 5, 6, 1, 2])
    np.testing.assert_array_equal(host(columns), [[1, 5, 1], [2, 6, 4]])
    np.testing.assert_array_equal(host(t.grad), [2 + 3 + 1 + 2, 2 + 1 + 4])
    np.testing.assert_array_equal(mg.r_[1:4, 0, 7.0], np.r_[1:4, 0, 7.0])
    with pytest.raises(TypeError, match="directives such as"):
        mg.r_["0,2", t]


def test_new_arrays(strict: Any) -> None:
    assert type(mg.zeros((2, 3))) is np.ndarray
    assert mg.get_default_device() == "cpu"
    assert isinstance(mg.ones(3, device="cuda"), strict.array_type)
    try:
        mg.set_default_device("cuda")
        assert isinstance(mg.arange(4), strict.array_type)
        assert isinstance(mg.array([1.0, 2.0]), strict.array_type)
        there = mg.tensor(X, device="cuda:1", requires_grad=True)
        assert mg.array(there).device == "cuda:1"
        joined = mg.array([there[0], there[1]])
        assert joined.device == "cuda:1"
        np.testing.assert_array_equal(host(joined), X)
        assert mg.asarray(there) is there
    finally:
        mg.set_default_device("cpu")
    with pytest.raises(mg.DeviceError, match="cuda:7"):
        mg.zeros(3, device="cuda:7")


def test_array_and_full_pass_gradients(device: str) -> None:
    t = tracked(device, np.array([1.0, 2.0]))
    made = mg.array([[t[0], 3.0 * t[1]], [t[1], t[0]]]) + mg.full((2, 2), t[1])
    made.sum().backward()
    np.testing.assert_array_equal(host(t.grad), [2.0, 8.0])
    assert mg.array(t, dtype=np.float32).dtype == np.float32
    assert mg.full((2,), 1.5, np.float32).dtype == np.float32
    assert mg.array([1, 2]).dtype == np.int64
