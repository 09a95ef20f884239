"""Paired timing: programs run in turn, round by round, and are compared within each round.

A shared machine drifts, so no absolute time is to be trusted. In every round each program runs once (order reversed
each round, with a pause between two of them, since BLAS threads spin on for a while after a call); the figure that
counts is the median over the rounds of the ratio between two programs of one round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAUSE = 0.12
"""Seconds between two programs: OpenBLAS helper threads spin for about 0.025 s after a call."""


def time_program(program: Callable[[], Any], seconds: float) -> float:
    """Median microseconds of one call, over at least five calls and about `seconds`."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        program()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def paired(programs: dict[str, Callable[[], Any]], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds a call of each program in each round.

    Args:
        programs: name -> a call to time. Each is warmed up first.
        rounds: how often every program runs.
        seconds: time for each program in each round.
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        time_program(program, min(seconds, 0.2))
    for round_ in range(rounds):
        names = list(programs)[:: 1 if round_ % 2 == 0 else -1]
        for name in names:
            time.sleep(PAUSE)
            times[name].append(time_program(programs[name], seconds))
    return times


def summary(times: dict[str, list[float]], ours: str) -> dict[str, Any]:
    """Median microseconds and spread of each program, and the median paired ratio ours / other."""
    rows: dict[str, Any] = {}
    for name, values in times.items():
        ratios = [a / b for a, b in zip(times[ours], values, strict=True)]
        rows[name] = {
            "us": round(statistics.median(values), 2),
            "us_min": round(min(values), 2),
            "us_max": round(max(values), 2),
            "ours_over_this": round(statistics.median(ratios), 3),
            "ours_over_this_min": round(min(ratios), 3),
            "ours_over_this_max": round(max(ratios), 3),
        }
    return rows


def environment(threads: int) -> dict[str, Any]:
    """What a reader needs to know of the machine and the versions."""
    import numpy as np  # here, since the callers set the number of BLAS threads before NumPy is imported

    from minigrad.bench.blas import blas_kernels

    versions = {"python": platform.python_version(), "numpy": np.__version__}
    try:
        import torch

        versions["torch"] = torch.__version__
    except ImportError:
        pass
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "blas_kernels": blas_kernels(),
        "versions": versions,
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
    }


def arguments(description: str, name: str) -> argparse.Namespace:
    """The command line that every paired benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=15, help="paired rounds (default 15)")
    parser.add_argument("--seconds", type=float, default=0.4, help="seconds per program and round (default 0.4)")
    parser.add_argument("--threads", type=int, default=2, help="BLAS threads for everybody (default 2)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"{name}.json")
    parser.add_argument("--smoke", action="store_true", help="a few calls only, no result file: does it run?")
    args = parser.parse_args()
    if args.smoke:
        args.rounds, args.seconds = 1, 0.01
    return args


def report(rows: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    """Print a table and write the result file."""
    for title, programs in rows.items():
        print(title)
        for name, r in programs.items():
            spread = f"{r['ours_over_this_min']:.2f}..{r['ours_over_this_max']:.2f}"
            print(f"  {name:24s} {r['us']:10.1f} us   ours / this {r['ours_over_this']:6.3f}  ({spread})")
    if not args.smoke:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"environment": environment(args.threads), "rounds": args.rounds, "results": rows}
        args.out.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {args.out}")
