"""Kill a training run with SIGKILL at random moments, resume it, and compare its files with an uninterrupted run's.

    python benchmarks/kill_resume.py                 200 kills, a quarter of an hour
    python benchmarks/kill_resume.py --kills 4       a sample

A case starts `python -m minigrad train`, kills it at a moment drawn uniformly over a run's length, resumes it by
`--resume` (and kills that too, in a third of the cases), lets the last one end, and compares the bytes of the model and
every column of the history that is not a time. The data is a file, so that a process starts fast.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import data

OPTIONS = (
    *("--hidden", "24", "16", "--dropout", "0.3", "--normalization", "batch", "--schedule", "cosine"),
    *("--batch-size", "8", "--epochs", "30", "--patience", "25", "--checkpoint-steps", "7"),
    *("--device", "cpu", "--no-plot", "--quiet"),
)
TIMES = ("seconds", "samples_per_second")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "minigrad", "train", *arguments]


def result(folder: Path) -> tuple[bytes, list[dict[str, str]]]:
    """What must be equal: the model's bytes, and the history without its times."""
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
    return (folder / "model.safetensors").read_bytes(), rows


def run_for(arguments: list[str], seconds: float) -> bool:
    """Run a command, SIGKILL it after so many seconds; whether it was still running."""
    process = subprocess.Popen(command(*arguments))
    try:
        status = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    if status:
        sys.exit(f"{' '.join(command(*arguments))} ended with status {status}")
    return False


def reached(folder: Path) -> str:
    """How far a killed run had come."""
    if not (folder / "config.json").exists():
        return "before config.json"
    if (folder / "summary.json").exists():
        return "after summary.json"
    if not (folder / "checkpoint.safetensors").exists():
        return "before the first checkpoint"
    run = mg.load(folder / "checkpoint.safetensors")["run"]
    return "between two epochs" if run["partial"]["batch"] == 0 else "within an epoch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    parser.add_argument("--smoke", action="store_true", help="two kills")
    args = parser.parse_args()
    kills = 2 if args.smoke else args.kills
    rng = random.Random(args.seed)
    work = Path(tempfile.mkdtemp(prefix="minigrad-kill-"))
    try:
        x, y = data.moons(200, seed=0)
        np.savez(work / "moons.npz", x=x, y=y)

        def arguments(folder: Path) -> list[str]:
            """Go on where there is something to go on with, start where there is not."""
            if (folder / "config.json").exists():
                return ["--resume", str(folder), "--no-plot", "--quiet"]
            return ["--data", str(work / "moons.npz"), *OPTIONS, "--out", str(folder)]

        began = time.monotonic()
        run_for(arguments(work / "reference"), 600)
        length = time.monotonic() - began
        expected = result(work / "reference")
        moments: Counter[str] = Counter()
        killed, case, wrong = 0, 0, []
        while killed < kills:
            case += 1
            folder = work / f"case-{case}"
            again = True
            while again and killed < kills and run_for(arguments(folder), rng.uniform(0, length)):
                killed += 1
                moments[reached(folder)] += 1
                again = rng.random() < 1 / 3
            run_for(arguments(folder), 600)
            leftovers = [p.name for p in folder.iterdir() if p.name.endswith(".tmp")]
            if result(folder) != expected or leftovers:
                wrong.append(case)
                print(f"case {case} ends differently {leftovers}", flush=True)
            else:
                shutil.rmtree(folder)
            if case % 20 == 0:
                print(f"{killed} kills, {case} runs, {len(wrong)} wrong", flush=True)
        found = {
            "what": "runs killed with SIGKILL and resumed, compared with an uninterrupted run, byte by byte",
            "command": "python benchmarks/kill_resume.py",
            "kills": killed,
            "runs": case,
            "wrong": len(wrong),
            "seed": args.seed,
            "seconds_of_an_uninterrupted_run": round(length, 2),
            "where_it_was_killed": dict(sorted(moments.items())),
            "options": " ".join(OPTIONS),
        }
        print(json.dumps(found, indent=2))
        if args.out:
            args.out.write_text(json.dumps(found, indent=2) + "\n")
        sys.exit(bool(wrong))
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
