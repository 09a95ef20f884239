"""The table of ratios that the training step is held to: ours / the best form of PyTorch and JAX, beside what is due.

    python benchmarks/ratios.py                   measures both networks and writes benchmarks/results/ratios-cpu.json
    python benchmarks/ratios.py --nets tiny       measures one of them, and takes the other from its last document
    python benchmarks/ratios.py --nets none       makes the table from the documents that are there

A measurement is one run of `python -m minigrad bench` for each network, on the CPU, Adam, float32; its document is kept
as benchmarks/results/bench-<net>-cpu.json. Every figure is the median over the rounds of our time / theirs, each within
its round; where a column spans several batch sizes, the worst of them. PyTorch needs the extra `torch`, compiled replay
the extra `fast`; jax and optax belong to no extra (pip install jax optax, or PYTHONPATH). What is missing leaves a gap.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
NETS = {"tiny": ("64-32-10", "32,512"), "big": ("784-256-128-10", "1,8,32,128,512,2048")}
"""Name -> sizes and batch sizes."""
MODES = ("eager", "capture-numpy", "capture")
PEERS = ("torch", "torch-fused", "torch-compile", "jax")
REPORT = None
"""In the place of a number: it is reported, nothing is due."""


@dataclass(frozen=True)
class Column:
    """A column: batch sizes of a network."""

    title: str
    net: str
    low: int
    high: int


COLUMNS = (
    Column("tiny 32", "tiny", 32, 32),
    Column("tiny 512", "tiny", 512, 512),
    Column("big 1", "big", 1, 1),
    Column("big 8-32", "big", 8, 32),
    Column("big 128", "big", 128, 128),
    Column("big 512", "big", 512, 512),
    Column("big 2048+", "big", 2048, 1 << 30),
)


@dataclass(frozen=True)
class Line:
    """A row: our program, those that it is held against (the fastest of them counts), and by column what is due.

    Attributes:
        must: at most, or None.
        aim: what we are really after, or None.
    """

    title: str
    ours: str
    theirs: tuple[str, ...]
    must: tuple[float | None, ...]
    aim: tuple[float | None, ...]


LINES = (
    Line("eager / torch eager default", "eager", ("torch",),
         (0.20, 0.40, 0.90, 0.75, 0.90, 0.90, 1.35), (0.12, 0.30, None, 0.50, 0.75, None, 1.1)),
    Line("captured NumPy / JAX jit", "capture-numpy", ("jax",),
         (0.60, 0.70, REPORT, 1.15, 1.15, 1.15, REPORT), (0.45, 0.55, None, 0.95, 0.9, 0.85, None)),
    Line("captured fast / best per-step peer", "capture", PEERS,
         (0.30, 0.65, 0.75, 0.90, 1.0, 1.0, 1.2), (0.15, 0.50, 0.55, 0.65, 0.8, 0.85, 1.0)),
)  # fmt: skip


def ratio(rows: Sequence[Mapping[str, Any]], batch: int, ours: str, theirs: Sequence[str]) -> tuple[float, str] | None:
    """The median paired ratio at a batch size.

    Args:
        rows: of a document of bench.
        batch: rows of a step.
        ours: a program.
        theirs: programs; the one with the smallest median time counts.

    Returns:
        Ours / theirs, and the name of the one that counts; None where either was not measured.
    """
    there = {r["program"]: r for r in rows if r["batch"] == batch and r["status"] == "ok"}
    found = [there[name] for name in theirs if name in there]
    if ours not in there or not found:
        return None
    best = min(found, key=lambda r: r["us"])
    pairs = zip(there[ours]["us_rounds"], best["us_rounds"], strict=True)
    return statistics.median(a / b for a, b in pairs), best["program"]


def compiled(document: Mapping[str, Any]) -> bool:
    """Whether captured steps of a run were compiled: its mode "capture" takes numba where it is installed."""
    return document["programs"].get("capture", {}).get("executor") == "numba"


def table(documents: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cells of the table.

    Args:
        documents: of bench, by the name of the network.

    Returns:
        For each line and column: row, column, must, aim, reached (None where it was not measured), good (None where
        nothing is due or known), and batches: for each batch size the ratio and who it is against.
    """
    cells = []
    for line in LINES:
        for column, must, aim in zip(COLUMNS, line.must, line.aim, strict=True):
            document = documents.get(column.net, {"rows": [], "programs": {}})
            known = line.ours != "capture" or compiled(document)
            batches = sorted({r["batch"] for r in document["rows"] if column.low <= r["batch"] <= column.high})
            found = {b: ratio(document["rows"], b, line.ours, line.theirs) for b in batches if known}
            measured = {str(b): {"ratio": round(f[0], 3), "against": f[1]} for b, f in found.items() if f}
            reached = max((m["ratio"] for m in measured.values()), default=None)
            good = None if must is None or reached is None else reached <= must
            cells.append({"row": line.title, "column": column.title, "must": must, "aim": aim, "reached": reached,
                          "good": good, "batches": measured})  # fmt: skip
    return cells


def cell(found: Mapping[str, Any]) -> str:
    """A cell in words: reached / must (aim), with ! where it is missed."""
    reached = "-" if found["reached"] is None else f"{found['reached']:.2f}"
    must = "report" if found["must"] is None else f"{found['must']:.2f}"
    aim = "" if found["aim"] is None else f" ({found['aim']:.2f})"
    return f"{reached}{'!' if found['good'] is False else ''} / {must}{aim}"


def lines(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table as text for a terminal."""
    by_row: dict[str, list[str]] = {}
    for found in cells:
        by_row.setdefault(found["row"], []).append(cell(found))
    rows = [["", *(c.title for c in COLUMNS)], *([name, *texts] for name, texts in by_row.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    drawn = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*drawn, "reached / must (aim); ! is missed, - was not measured"]


def measure(net: str, rounds: int, seconds: float, threads: int, place: Path) -> None:
    """One run of bench, its document written to `place`."""
    sizes, batches = NETS[net]
    counts = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "minigrad", "bench", "--model", sizes, "--batch-sizes", batches]
        command += ["--optimizer", "adam", "--mode", ",".join(MODES), "--peers", ",".join(PEERS), "--device", "cpu"]
        command += ["--rounds", str(rounds), "--seconds", str(seconds), "--threads", str(threads)]
        command += ["--no-plot", "--out", f"{folder}/bench"]
        subprocess.run(command, check=True, env={**os.environ, **counts})
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(Path(folder, "bench", "results.json").read_text("utf-8"), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", choices=("both", "none", *NETS), default="both", help="which to measure (both)")
    parser.add_argument("--rounds", type=int, default=9, help="paired rounds (9)")
    parser.add_argument("--seconds", type=float, default=0.1, help="seconds per program and round (0.1)")
    parser.add_argument("--threads", type=int, default=2, help="threads for everybody (2)")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of the documents and the result")
    parser.add_argument("--smoke", action="store_true", help="one short round into a folder that goes: does it run?")
    args = parser.parse_args()
    if args.smoke:
        with tempfile.TemporaryDirectory() as folder:
            args.folder, args.rounds, args.seconds = Path(folder), 1, 0.002
            make(args)
    else:
        make(args)


def make(args: argparse.Namespace) -> None:
    """Measure what is asked for, print and write the table."""
    places = {net: args.folder / f"bench-{net}-cpu.json" for net in NETS}
    for net, place in places.items():
        if args.nets in ("both", net):
            measure(net, args.rounds, args.seconds, args.threads, place)
    documents = {net: json.loads(place.read_text("utf-8")) for net, place in places.items() if place.exists()}
    if not documents:
        raise SystemExit(f"no document in {args.folder}: measure at least one network")
    cells = table(documents)
    for net, document in documents.items():
        for name, why in document["missing"].items():
            print(f"{net}: {name} took no part: {why}")
    print("\n".join(lines(cells)))
    environments = {net: d["environment"] | {"rounds": d["settings"]["rounds"]} for net, d in documents.items()}
    programs = {net: d["programs"] for net, d in documents.items()}
    result = {"environments": environments, "programs": programs, "cells": cells}
    target = args.folder / "ratios-cpu.json"
    target.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
