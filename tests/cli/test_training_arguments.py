"""Options of a training that do not go together or are out of range: one line that says so, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run, refused


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ("train --optimizer adam --nesterov", "--nesterov belongs to --optimizer sgd, not to adam"),
        ("train --optimizer sgd --nesterov", "--nesterov looks ahead along the momentum: give a --momentum above 0"),
        ("train --optimizer sgd --centered", "--centered belongs to --optimizer rmsprop, not to sgd"),
        ("train --optimizer lion --amsgrad", "--amsgrad belongs to --optimizer adam or adamw, not to lion"),
        ("train --accumulate 0", "--accumulate: an integer >= 1 is due, got '0'"),
        ("train --epochs 2 --accumulate 3", "--accumulate 3 is more than the 2 steps of the run"),
        ("train --max-norm 0", "--max-norm: a finite number > 0"),
        ("train --ema 1", "--ema: a finite number > 0 and < 1 is due, got '1'"),
        ("train --ema 0.9 --patience 3", "--patience keeps the weights of one epoch, --ema an average"),
        ("train --nonfinite ignore", "--nonfinite: invalid choice: 'ignore' .*'skip'"),
        ("train --label-smoothing 1", "--label-smoothing: a finite number >= 0 and < 1"),
        ("train --label-smoothing 0.1 --data line.csv", "--label-smoothing blurs classes; this target is a number"),
        ("train --grad-norm 0", "--grad-norm: a finite number > 0"),
        ("train --schedule one-cycle --decay 0.5", "--decay has no meaning for --schedule one-cycle"),
        ("train --schedule step --milestones 3", "--milestones has no meaning for --schedule step"),
        ("train --schedule multistep --milestones 0", "--milestones: an integer >= 1 is due, got '0'"),
        (
            "train --schedule plateau --schedule-by step",
            "--schedule plateau goes by epoch: leave out --schedule-by step",
        ),
        ("train --schedule one-cycle --schedule-by epoch", "goes by step: leave out --schedule-by epoch"),
        ("train --schedule plateau --warmup 2", "--warmup cannot stand before --schedule plateau, which follows the"),
        ("train --schedule one-cycle --warmup 2", "--schedule one-cycle, which begins with a rise of its own"),
        ("train --epochs 3 --schedule cosine --warmup 3", "--warmup 3 leaves nothing of the 3 epochs of the run"),
        ("train --warmup -1", "--warmup: an integer >= 0"),
        ("sweep --nonfinite raise", "--nonfinite raise would end the sweep"),
    ],
)
def test_arguments(run: Run, folder: Path, arguments: str, pattern: str) -> None:
    words = arguments.split()
    if "--data" not in words:
        words += ["--data", "two.npz"]
    before = sorted(folder.rglob("*"))
    refused(run(*words), pattern)
    assert sorted(folder.rglob("*")) == before
