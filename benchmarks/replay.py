"""A captured step beside the same step written by hand: forward, cross-entropy, backward, Adam, float32, with its loss.

    python benchmarks/replay.py

Replay by NumPy against straight-line NumPy, and compiled replay against one numba function (`handwritten_step.py`), in
paired rounds on the same fresh batches; what recording and compiling took, on an empty cache of compiled code and on a
full one; and how many calls the recorded program makes. Compiled replay needs the extra `fast`.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import tempfile
import time
from collections.abc import Callable
from typing import Any

from paired import arguments, paired, report, summary

NETS = {"tiny": (64, 32, 10), "big": (784, 256, 128, 10)}
CASES = [("tiny", 1), ("tiny", 32), ("tiny", 512), *(("big", b) for b in (1, 8, 32, 128, 512, 2048))]
EXECUTORS = ("numpy", "fast")
RATE = 1e-5
"""Small, so that weights stay near where they begin and no moment decays into slow denormals."""
OURS = "replay"
MUST = 1.15
"""What replay / by hand may be at most."""
BUDGET = {"numpy": 0.05, "fast": 3.0}
"""Seconds that a capture may take, with nothing compiled before."""


def captured(sizes: tuple[int, ...], executor: str) -> Any:
    """A captured step of a new network: a function of a batch that returns its loss."""
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn import functional as F

    mg.manual_seed(0)
    model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1])
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return mg.capture(step, executor=executor)


def seconds(call: Callable[[], Any]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def calls_of(step: Any) -> int | None:
    """Calls that the recorded program makes a step, counted in its source; None where it shows none."""
    source = getattr(getattr(step.replays[0], "compiled", None), "source", None)
    if not source:
        return None
    body = source.rpartition("def run(")[2].partition("\n")[2]
    found: list[str] = re.findall(r"\b([A-Za-z_]\w*)\(", body)
    return sum(name not in ("ndarray", "in_rows") for name in found)


def measure(net: str, batch: int, executor: str, rounds: int, per_round: float) -> dict[str, Any]:
    """The row of one case: see the head of this file."""
    import numpy as np
    from handwritten_step import KINDS, difference

    import minigrad as mg

    sizes = NETS[net]
    rng = np.random.default_rng(0)
    count = max(8, min(256, 8192 // batch))
    batches = [(rng.random((batch, sizes[0]), np.float32), rng.integers(0, sizes[-1], batch)) for _ in range(count)]
    tensors = [(mg.tensor(x), mg.tensor(y)) for x, y in batches]
    off = difference(executor, sizes, batch, 3)
    by_hand = KINDS[executor](sizes, batch, RATE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINIGRAD_CACHE"] = folder
        cold, step = captured(sizes, executor), captured(sizes, executor)
        took = {when: seconds(lambda s=s: s(*tensors[0])) for when, s in (("cold", cold), ("warm", step))}
    feed, raw = itertools.cycle(tensors), itertools.cycle(batches)
    programs = {OURS: lambda: step(*next(feed)), "by hand": lambda: by_hand.run(*next(raw))}
    row = summary(paired(programs, rounds, per_round), OURS)
    if step.refusals or len(step.replays) != 1:
        raise RuntimeError(f"{net} {batch}, {executor}: not replayed: {list(step.refusals.values()) or step.replays}")
    row[OURS] |= {"capture_cold_s": round(took["cold"], 4), "capture_warm_s": round(took["warm"], 4)}
    row[OURS] |= {"calls": calls_of(step)}
    row["by hand"] |= {"calls": by_hand.calls, "differs_from_eager_by": round(off, 5)}
    return row


def misses(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Every figure beyond what it may be, in words."""
    found = []
    for title, row in rows.items():
        ratio, took = row["by hand"]["ours_over_this"], row[OURS]["capture_cold_s"]
        budget = BUDGET[title.rpartition(", ")[2]]
        if ratio > MUST:
            found.append(f"{title}: {ratio:.2f} of by hand, at most {MUST} is due")
        if took > budget:
            found.append(f"{title}: capture took {took:.3f} s, at most {budget} is due")
    return found


def main() -> None:
    args = arguments(__doc__ or "", "replay-cpu")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy and SciPy are imported
    import numpy as np

    executors = [e for e in EXECUTORS if e == "numpy" or importlib.util.find_spec("numba")]
    cases = [("tiny", 32), ("big", 8)] if args.smoke else CASES
    first = {}
    x, y = np.ones((2, 3), np.float32), np.array([0, 1])
    for executor in executors:  # what is imported at the first capture of a process is no part of the others
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MINIGRAD_CACHE"] = folder
            step = captured((3, 4, 2), executor)
            first[executor] = seconds(lambda s=step: s(x, y))
    rows = {}
    for executor in executors:
        for net, batch in cases:
            title = f"{net} {'-'.join(map(str, NETS[net]))}, batch {batch}, {executor}"
            rows[title] = measure(net, batch, executor, args.rounds, args.seconds)
            mine, hand = rows[title][OURS], rows[title]["by hand"]
            told = f"replay / by hand {hand['ours_over_this']:5.2f}, calls {mine['calls']} and {hand['calls']}"
            took = f"captured in {mine['capture_cold_s']:.3f} s, again in {mine['capture_warm_s']:.3f}"
            print(f"{title:44s} {told}; {took}", flush=True)
    print("first capture of the process: " + ", ".join(f"{name} {took:.2f} s" for name, took in first.items()))
    for miss in misses(rows):
        print(f"MISSED  {miss}")
    report(rows, args)


if __name__ == "__main__":
    main()
