"""The snippet in a report: it runs, and fails in the same way."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from on_device import put

import minigrad as mg
from minigrad.nn.functional import relu
from minigrad.testing import InconclusiveError, Taylor, WrongGradientError, gradcheck

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])
wrong_op = mg.Op("wrong", lambda xp, x, y: x * y, saves=(0, 1)).defvjp(
    lambda g, out, x, y: g * y, lambda g, out, x, y: g * x * 1.01
)


def wrong_function(x: Any, y: Any, scale: Any) -> Any:
    return wrong_op(mg.tanh(x), y) * scale


def failure(f: Any, *xs: Any, **options: Any) -> Any:
    with pytest.raises((WrongGradientError, InconclusiveError)) as caught, np.errstate(all="ignore"):
        gradcheck(f, *xs, **options)
    return caught.value


def rerun(text: str, **names: Any) -> Any:
    with pytest.raises((WrongGradientError, InconclusiveError)) as caught, np.errstate(all="ignore"):
        exec(text, dict(names))
    return caught.value


CALLS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "a function of a module": (wrong_function, (X, X, 2.0), {}),
    "an op of a module": (wrong_op, (X, X + 1), {"order": 1}),
    "one argument": (wrong_function, (X, X, 2), {"argnums": (1,)}),
    "directions": (wrong_function, (X, X, 0.5), {"max_entries": 0, "seed": 3}),
    "large arrays": (wrong_function, (np.linspace(0, 1, 200), np.linspace(1, 2, 200), 1), {}),
    "float32": (wrong_function, (X.astype(np.float32), X.astype(np.float32), 1), {"layouts": False}),
    "NumPy scalars": (wrong_function, (np.float64(0.5), np.float64(2.0), 1), {}),
    "oracle by name": (wrong_function, (X, X, 1), {"oracle": "directional"}),
    "oracle by instance": (wrong_function, (X, X, 1), {"oracle": Taylor()}),
    "not finite": (mg.log, (np.array([0.0, 1.0]),), {}),
    "a kink and a convention": (relu, (np.array([0.0, 1.0]),), {"subgradient": 0.5}),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_runs_alone_and_fails_alike(name: str) -> None:
    f, xs, options = CALLS[name]
    first = failure(f, *xs, **options)
    assert str(first).endswith((first.report.snippet.rstrip(), "(the error's report.snippet repeats it)"))
    second = rerun(first.report.snippet)
    assert type(second) is type(first)
    assert str(second.report.failing) == str(first.report.failing)


def test_it_says_which_function_to_define() -> None:
    f = lambda x: wrong_op(x, x)
    first = failure(f, X)
    assert "# define f here: " in first.report.snippet
    assert "test_gradcheck_snippets.py, line" in first.report.snippet
    assert str(rerun(first.report.snippet, f=f).report.failing) == str(first.report.failing)
    with pytest.raises(NameError):
        exec(first.report.snippet, {})


def test_masks_and_objects() -> None:
    mask = np.array([True, False, True])
    f = lambda x, m, name, thing: wrong_op(x, x) * m
    first = failure(f, X, mask, "name", {"a": 1})
    assert "np.array([True, False, True], bool)" in first.report.snippet
    assert "x3 = x3  # define it before: {'a': 1}" in first.report.snippet
    assert str(rerun(first.report.snippet, f=f, x3={"a": 1}).report.failing) == str(first.report.failing)


def test_on_a_device(device: str) -> None:
    first = failure(wrong_function, put(X, device), put(X, device), 2)
    assert (f'device="{device}"' in first.report.snippet) is (device != "cpu")
    assert str(rerun(first.report.snippet).report.failing) == str(first.report.failing)


def test_a_kink_that_passes_has_a_snippet_that_prints_it() -> None:
    report = gradcheck(relu, np.array([0.0, 1.0]))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(report.snippet, {})
    assert out.getvalue().strip() == str(report)
