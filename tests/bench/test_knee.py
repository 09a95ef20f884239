"""The knee of curves whose knee is known, and the recommended batch size."""

from __future__ import annotations

import pytest

from minigrad.bench.advice import advise, rule_of
from minigrad.bench.knee import knee, recommended
from minigrad.bench.rows import failed_row
from minigrad.optim.by_name import BY_NAME

BATCHES = [1 << k for k in range(17)]


@pytest.mark.parametrize(("fixed", "expected"), [(0.0, 1), (1.0, 16), (7.1, 64), (56.0, 512), (1e9, 65536)])
def test_fixed_cost_and_cost_a_row(fixed: float, expected: int) -> None:
    """b / (fixed + b) reaches 90 % of its end, nearly 1, at b = 9 fixed."""
    assert knee(BATCHES, [b / (fixed + b) for b in BATCHES]) == expected


def test_a_curve_that_falls_off_again() -> None:
    assert knee([1, 2, 4, 8, 16], [10, 50, 95, 100, 60]) == 4


def test_one_point_and_none() -> None:
    assert knee([8], [3.0]) == 8
    with pytest.raises(ValueError, match="without points"):
        knee([], [])


def test_scale_does_not_matter() -> None:
    curve = [b / (30 + b) for b in BATCHES]
    assert knee(BATCHES, curve) == knee(BATCHES, [1e6 * t for t in curve])


def test_an_epoch_keeps_some_steps() -> None:
    assert recommended(BATCHES, 512, 60_000) == 512
    assert recommended(BATCHES, 512, 1797) == 128
    assert recommended([64, 256], 256, 100) == 64


def row(batch: int, throughput: float) -> dict[str, object]:
    return failed_row(batch, "eager", "ok") | {"samples_per_second": throughput}


def test_advice() -> None:
    rows = [row(1, 10.0), row(8, 60.0), row(128, 95.0), row(512, 100.0), failed_row(1024, "eager", "out of memory")]
    found = advise(rows, "eager", "adam", "synthetic", None, 32)
    assert found is not None
    assert (found["knee"], found["batch"], found["best_batch"], found["largest_measured"]) == (128, 128, 512, 512)
    assert found["lr"] == pytest.approx(1e-3 * 2)
    linear = advise(rows, "eager", "sgd", "synthetic", 0.1, 64)
    assert linear is not None
    assert linear["lr"] == pytest.approx(0.2)
    assert advise(rows[-1:], "eager", "sgd", "synthetic", 0.1, 64) is None


@pytest.mark.parametrize("optimizer", BY_NAME)
def test_every_optimizer_has_a_rate(optimizer: str) -> None:
    found = advise([row(64, 1.0)], "eager", optimizer, "synthetic", None, 64)
    assert found is not None
    assert found["lr"] == found["base_lr"] > 0
    assert found["rule"] == rule_of(optimizer) == ("linear" if optimizer == "sgd" else "sqrt")
