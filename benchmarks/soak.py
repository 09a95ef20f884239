"""A million training steps of a tiny network: does the memory stay flat?

    python benchmarks/soak.py                        1e6 steps, one to three minutes
    python benchmarks/soak.py --out benchmarks/results/soak-cpu.json

Runs `mg.fit` with dropout, batch normalisation, a schedule, validation and metrics. Counts the process' resident memory
and the objects that Python knows after every twentieth of the run; the first twentieth is warm-up.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F
from minigrad.optim import schedulers

SAMPLES = 20
ROWS, BATCH = 16_000, 8


def resident_bytes() -> int:
    """Memory of this process that is in RAM (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1_000_000, help="how many (default %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    parser.add_argument("--smoke", action="store_true", help="few steps: does it run at all?")
    args = parser.parse_args()
    rows = 400 if args.smoke else ROWS
    steps = 1000 if args.smoke else args.steps
    mg.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    train = data.DataLoader((x, y), BATCH, seed=0)
    epochs = max(SAMPLES, steps // len(train))
    model = nn.MLP(4, [8], 2, dropout=0.1, normalization="batch")
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    samples: list[dict[str, Any]] = []
    due = [round(epochs * (i + 1) / SAMPLES) for i in range(SAMPLES)]

    def sample(run: Any) -> None:
        if run.epoch in due:
            gc.collect()
            samples.append({"step": run.step, "rss_bytes": resident_bytes(), "objects": len(gc.get_objects())})
            print(f"step {run.step:>9,}: {samples[-1]['rss_bytes'] / 2**20:8.2f} MiB, {samples[-1]['objects']} objects")

    start = time.perf_counter()
    mg.fit(
        model,
        train,
        loss=F.cross_entropy,
        optimizer=optimizer,
        epochs=epochs,
        validation=(x[:200], y[:200]),
        metrics=("accuracy",),
        scheduler=schedulers.CosineAnnealingLR(optimizer, epochs),
        callbacks=sample,
    )
    seconds = time.perf_counter() - start
    first, last = samples[0], samples[-1]
    found = {
        "what": "memory of a long run; growth is from the end of the first twentieth to the end",
        "command": "python benchmarks/soak.py",
        "steps": last["step"],
        "epochs": epochs,
        "growth_bytes": last["rss_bytes"] - first["rss_bytes"],
        "growth_bytes_a_step": (last["rss_bytes"] - first["rss_bytes"]) / (last["step"] - first["step"]),
        "growth_objects": last["objects"] - first["objects"],
        "history_rows_added": epochs - due[0],
        "microseconds_a_step": round(seconds / last["step"] * 1e6, 1),
        "samples": samples,
    }
    print(json.dumps({k: v for k, v in found.items() if k != "samples"}, indent=2))
    if args.out:
        args.out.write_text(json.dumps(found, indent=2) + "\n")
    if not args.smoke and found["growth_bytes"] > 4 * 2**20:
        sys.exit("memory grew by more than 4 MiB")


if __name__ == "__main__":
    main()
