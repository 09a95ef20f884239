"""The README's table of gradients where there is no derivative, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
INF, NAN = np.inf, np.nan

# row of the table -> calls: function of Tensors, arguments, gradients due
CASES: dict[str, list[tuple[Any, list[Any], list[Any]]]] = {
    "`relu`, `abs` at 0": [
        (mg.relu, [[-1.0, 0.0, 1.0]], [[0, 0, 1]]),
        (np.abs, [[-1.0, 0.0, 1.0]], [[-1, 0, 1]]),
    ],
    "`sign`, `floor`, `ceil`, `round`, `//`, comparisons": [
        (
            lambda x: x * 0 + np.sign(x) + np.floor(x) + np.ceil(x) + np.round(x) + x // 2 + (x > 0),
            [[-1.5, 0.0]],
            [[0, 0]],
        ),
    ],
    "`maximum`, `minimum` of equal values": [
        (np.maximum, [[1.0, 2.0], [1.0, 1.0]], [[0.5, 1], [0.5, 0]]),
        (np.minimum, [[1.0, 2.0], [1.0, 1.0]], [[0.5, 0], [0.5, 1]]),
        (np.fmax, [[1.0, NAN], [NAN, 2.0]], [[1, 0], [0, 1]]),
    ],
    "`max`, `min`, `median`, `norm(ord=inf)` with ties": [
        (np.max, [[3.0, 1.0, 3.0]], [[0.5, 0, 0.5]]),
        (np.min, [[3.0, 1.0, 1.0]], [[0, 0.5, 0.5]]),
        (np.median, [[1.0, 2.0, 2.0, 5.0]], [[0, 0.5, 0.5, 0]]),
        (lambda x: np.linalg.norm(x, ord=INF), [[2.0, -2.0, 1.0]], [[0.5, -0.5, 0]]),
    ],
    "`sort`, `partition` with ties": [
        (lambda x: np.sort(x, kind="stable") * put([1.0, 2.0, 3.0], x.device), [[2.0, 1.0, 2.0]], [[2, 1, 3]]),
    ],
    "`clip` at a bound": [(lambda x: np.clip(x, -1, 1), [[-2.0, -1.0, 0.0, 1.0, 2.0]], [[0, 1, 1, 1, 0]])],
    "`where`": [
        (lambda x, y: np.where(x > 0, x, y), [[1.0, -2.0], [NAN, 5.0]], [[1, 0], [0, 1]]),
        (lambda x, y: np.where(x > 0, x, y * y), [[1.0, 2.0], [INF, NAN]], [[1, 1], [NAN, NAN]]),
        (lambda x: np.where(x > 0, np.sqrt(np.maximum(x, 0) + 0.0), x * 0), [[4.0, 1.0]], [[0.25, 0.5]]),
    ],
    "`sqrt` at 0": [(np.sqrt, [[0.0, 4.0]], [[INF, 0.25]])],
    "`norm`, `hypot` at 0; `std` of equal values": [
        (np.linalg.norm, [[0.0, 0.0]], [[0, 0]]),
        (np.hypot, [[0.0], [0.0]], [[0], [0]]),
        (np.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
        (np.std, [[2.0]], [[0]]),
    ],
    "`var` of one element": [(np.var, [[2.0]], [[0]])],
    "`prod`, `cumprod` with zeros": [
        (np.prod, [[2.0, 0.0, 3.0]], [[0, 6, 0]]),
        (np.prod, [[2.0, 0.0, 0.0]], [[0, 0, 0]]),
        (np.cumprod, [[2.0, 0.0, 3.0]], [[1, 2 + 6, 0]]),
    ],
    "`arctan2` at (0, 0)": [(np.arctan2, [[0.0], [0.0]], [[0], [0]])],
    "`x**y` at `x = 0`, with respect to `y`": [(np.power, [[0.0, 2.0], [1.0, 3.0]], [[1, 12], [0, 8 * np.log(2)]])],
    "`index_update` with an index given twice": [
        (lambda x, v: mg.index_update(x, [1, 1], v), [[1.0, 2.0, 3.0], [5.0, 6.0]], [[1, 0, 1], [0, 1]]),
    ],
    "`cholesky`, `eigh`": [
        (lambda a: np.linalg.eigh(a)[0][1], [[[2.0, 0.0], [0.0, 1.0]]], [[[1, 0], [0, 0]]]),
    ],
    "`eigh`, `svd` with equal values": [
        (lambda a: np.linalg.eigh(a)[1].sum() * 0 + np.linalg.eigh(a)[0].sum(), [np.eye(2)], [np.eye(2)]),
    ],
}


def table() -> list[str]:
    section = README.partition("### Where there is no derivative")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [row.strip("|").rsplit("|", 1)[0].strip() for row in rows]


def test_every_row_of_the_table_is_tested() -> None:
    assert set(table()) == set(CASES)


@pytest.mark.parametrize("row", CASES)
def test_row(device: str, row: str) -> None:
    for f, values, due in CASES[row]:
        leaves = [mg.tensor(np.asarray(v, np.float64), device=device, requires_grad=True) for v in values]
        with np.errstate(divide="ignore", invalid="ignore"):  # sqrt at 0, inf * 0
            out = f(*leaves)
            out.sum().backward()
        for leaf, expected in zip(leaves, due, strict=True):
            np.testing.assert_allclose(host(leaf.grad), expected, rtol=1e-12)


def test_where_keeps_nan_out() -> None:
    x = mg.tensor(np.array([-1.0, 4.0]), requires_grad=True)
    with np.errstate(invalid="ignore"):
        np.where(x > 0, np.sqrt(x), 0.0).sum().backward()
    assert x.grad.numpy()[1] == 0.25  # type: ignore[union-attr]
