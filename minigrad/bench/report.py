"""The result of a sweep as text: a table for the terminal, CSV and JSON for the rest."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

from .rows import KEYS, OK
from .sweep import Result, Settings

_CSV_KEYS = tuple(k for k in KEYS if k != "us_rounds")
_INTEGERS = ("batch", "memory_bytes", "flops", "passed_bytes", "operations", "launches")
_TEXTS = ("program", "status", "binds")


def table(rows: Sequence[Mapping[str, Any]], ours: str) -> list[str]:
    """Lines for a terminal, one for each batch.

    Args:
        rows: of a sweep.
        ours: the program whose times are shown; the others get a column with our time / theirs.
    """
    others = list(dict.fromkeys(r["program"] for r in rows if r["program"] != ours))
    by_batch: dict[int, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_batch.setdefault(row["batch"], {})[row["program"]] = row
    head = f"{'batch':>6} {'us/step':>9} {'(min..max)':>19} {'samples/s':>10} {'epoch':>8} {'memory':>8}  "
    head += f"{'bound by':<15}" + "".join(f" {f'/{name}':>14} {'products':>8}" for name in others)
    lines = [head.rstrip()]
    for batch, programs in by_batch.items():
        row = programs[ours]
        if row["status"] != OK:
            lines.append(f"{batch:>6} {row['status']}")
            continue
        spread = f"({row['us_min']:.5g}..{row['us_max']:.5g})"
        share = row[f"{row['binds']}_us"] / row["us"]
        bound = f"{row['binds']} {min(share, 1):.0%}"
        line = f"{batch:>6} {row['us']:>9.5g} {spread:>19} {compact(row['samples_per_second']):>10} "
        line += f"{row['epoch_seconds']:>6.3g} s {data_size(row['memory_bytes']):>8}  {bound:<15}"
        for name in others:
            other = programs.get(name)
            line += f" {'-':>14} {'-':>8}" if other is None else _ratios(other)
        lines.append(line.rstrip())
    return lines


def capture_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """What it took to record the steps, in words; "" where none was."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["capture_seconds"] is not None:
            found.setdefault(row["program"], []).append(row["capture_seconds"])
    told = [f"{name} {min(seconds):.2g}..{max(seconds):.2g} s" for name, seconds in found.items()]
    return f"recorded and compiled before the first round, a batch size: {', '.join(told)}" if told else ""


def _ratios(row: Mapping[str, Any]) -> str:
    return f" {row['ours_over_this']:>14.2f} {row['products_ours_over_this']:>8.2f}"


def compact(value: float) -> str:
    """A large number with three digits and a letter: 1.23M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def data_size(value: int | None) -> str:
    """Bytes with three digits and a unit."""
    if value is None:
        return "-"
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value}B"


def advice_lines(advice: Mapping[str, Any] | None, largest_estimate: int) -> list[str]:
    """What to do, in words."""
    if advice is None:
        return ["no batch size fits into memory: use a smaller network"]
    knee, batch = advice["knee"], advice["batch"]
    why = "the knee" if batch == knee else f"the knee is at {knee}, but an epoch needs more steps than that leaves"
    end = "; the range ends before the curve is flat" if knee == advice["largest_measured"] else ""
    scaled = f"{advice['base_lr']:g} at batch {advice['base_batch']}, scaled by the {advice['rule']} rule"
    return [
        f"knee: batch {knee}, the smallest with 90 % of the best throughput (best at {advice['best_batch']}){end}",
        f"recommended: batch {batch} ({why}), learning rate {advice['lr']:.3g} ({scaled}; then tune it)",
        f"largest batch that fits: about {largest_estimate} by estimate, {advice['largest_measured']} measured",
    ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All rows but the single rounds, an empty cell for None."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_KEYS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def from_csv(text: str) -> list[dict[str, Any]]:
    """The rows that `to_csv` wrote, without the single rounds."""

    def value(key: str, cell: str) -> Any:
        if cell == "":
            return None
        return cell if key in _TEXTS else int(cell) if key in _INTEGERS else float(cell)

    return [{k: value(k, cell) for k, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def to_json(
    settings: Settings, result: Result, environment: Mapping[str, Any], advice: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The whole result, ready for JSON."""
    asked = dataclasses.asdict(settings) | {"net": str(settings.net)}
    found = result.ceilings
    measured = None
    if found is not None:
        measured = {
            "call_us": found.call_us,
            "hollow_us": dict(found.hollow_us),
            "bytes_per_second": {str(size): rate for size, rate in found.bandwidth.items()},
        }
    return {
        "environment": dict(environment),
        "settings": asked,
        "programs": result.configurations,
        "missing": result.missing,
        "ceilings": measured,
        "advice": advice,
        "largest_batch_estimate": result.largest_estimate,
        "rows": result.rows,
    }
