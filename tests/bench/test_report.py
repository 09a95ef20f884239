"""Tables and words."""

from __future__ import annotations

from typing import Any

import pytest

from minigrad.bench import report
from minigrad.bench.rows import KEYS, OK, failed_row


def row(batch: int, program: str, **values: Any) -> dict[str, Any]:
    numbers = {"us": 100.0, "us_min": 90.0, "us_max": 110.0, "samples_per_second": batch * 1e4, "epoch_seconds": 0.5}
    ratios = {"ours_over_this": 0.5, "products_ours_over_this": 1.25}
    account = {"binds": "memory", "memory_us": 42.0, "memory_bytes": 3 << 20}
    return failed_row(batch, program, OK) | numbers | ratios | account | values


def test_table() -> None:
    rows = [row(8, "eager"), row(8, "torch"), row(64, "eager"), failed_row(128, "eager", "out of memory: no")]
    lines = report.table(rows, "eager")
    assert lines[0].split() == ["batch", "us/step", "(min..max)", "samples/s", "epoch", "memory", "bound", "by",
                                "/torch", "products"]  # fmt: skip
    assert lines[1].split() == ["8", "100", "(90..110)", "80k", "0.5", "s", "3MiB", "memory", "42%", "0.50", "1.25"]
    assert lines[2].split()[-2:] == ["-", "-"]
    assert lines[3] == "   128 out of memory: no"


def test_what_a_capture_took() -> None:
    rows = [row(8, "eager"), row(8, "capture", capture_seconds=0.5), row(64, "capture", capture_seconds=1.25)]
    assert report.capture_line(rows[:1]) == ""
    told = report.capture_line([*rows, row(8, "capture-numpy", capture_seconds=0.01)])
    assert told.endswith(", a batch size: capture 0.5..1.2 s, capture-numpy 0.01..0.01 s")


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (999.0, "999"), (1234.0, "1.23k"), (5e6, "5M"), (2.5e9, "2.5G")]
)
def test_large_numbers(value: float, text: str) -> None:
    assert report.compact(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (7, "7B"), (2048, "2KiB"), (3 << 29, "1.5GiB")])
def test_data_sizes(value: int | None, text: str) -> None:
    assert report.data_size(value) == text


def test_csv_keeps_gaps_and_types() -> None:
    rows = [row(8, "eager", flops=123, us=1 / 3), failed_row(16, "eager", 'out of memory: "a, b"')]
    again = report.from_csv(report.to_csv(rows))
    assert again == [{k: v for k, v in r.items() if k != "us_rounds"} for r in rows]
    assert [*again[0], "us_rounds"] == list(KEYS)


@pytest.mark.parametrize(
    ("knee", "batch", "last", "texts"),
    [
        (64, 64, 256, ["recommended: batch 64 (the knee), learning rate 0.00141"]),
        (64, 32, 256, ["recommended: batch 32 (the knee is at 64, but an epoch needs more steps"]),
        (256, 256, 256, ["the range ends before the curve is flat"]),
    ],
)
def test_advice_in_words(knee: int, batch: int, last: int, texts: list[str]) -> None:
    advice = {"knee": knee, "batch": batch, "best_batch": last, "largest_measured": last}
    advice |= {"lr": 1.41e-3, "rule": "sqrt", "base_lr": 1e-3, "base_batch": 32}
    told = "\n".join(report.advice_lines(advice, 10_000))
    for text in [*texts, f"{last} measured", "about 10000 by estimate"]:
        assert text in told


def test_no_advice() -> None:
    assert report.advice_lines(None, 0) == ["no batch size fits into memory: use a smaller network"]
