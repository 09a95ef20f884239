"""Predict with a trained network, and write one CSV line per row of the data.

Columns of a .csv are found by their names, whatever their order; columns that the network does not know are left aside.
For classes, the line holds the name of the most likely one and the probability of each. Where the target is in the
file too, the score is printed.
"""

from __future__ import annotations

import argparse
import csv
import io as text_io
import sys
from pathlib import Path

import numpy as np

from .. import io
from ..backend.device import resolve_device
from ..data import NAMES, read_inputs
from . import model_file
from .experiment import predictions, scale_inputs
from .model_file import TrainedModel
from .options import Parser, UsageError, path
from .output import Printer

OUT = "predictions.csv"


def add_arguments(parser: Parser) -> None:
    """The options of predict."""
    parser.add_argument(
        "--model", type=path, required=True, metavar="DIR|FILE", help="a run's folder, or its model.safetensors"
    )
    parser.add_argument("--data", required=True, metavar="NAME|PATH", help=f".csv, .npz, or {', '.join(NAMES)}")
    parser.add_argument(
        "--out", type=path, metavar="FILE", help=f"file to write, - for stdout ({OUT} beside the model)"
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:<index> or auto (auto)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Predict."""
    file = model_file.find(arguments.model)
    trained = model_file.decode(file)
    trained.model.to(resolve_device(arguments.device))
    x, y = read_inputs(arguments.data, trained.feature_names, target=trained.target, target_names=trained.target_names)
    found = predictions(trained.model, scale_inputs(arguments.data, trained.scaler, x, "given"), trained.target_scaler)
    if not np.isfinite(found).all():
        raise UsageError(f"{file}: its predictions are not finite; that training diverged")
    text = _table(trained, found)
    to_stdout = str(arguments.out) == "-"
    out = arguments.out or file.with_name(OUT)
    if to_stdout:
        sys.stdout.write(text)
    else:
        if out.resolve() == Path(arguments.data).resolve():
            raise UsageError(f"--out {out} is the data itself; write elsewhere")
        io.write_atomic(out, text)
    say = Printer(arguments.quiet or to_stdout)
    say(f"{len(found)} predictions written to {out}")
    if y is not None:
        say(_score(trained, found, y))
    return 0


def _table(trained: TrainedModel, found: np.ndarray) -> str:
    """The predictions as CSV text."""
    text = text_io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = trained.target_names
    if names:
        writer.writerow(["prediction", *(f"p_{name}" for name in names)])
        best = found.argmax(axis=1)
        writer.writerows([names[i], *(f"{p:.6g}" for p in row)] for i, row in zip(best, found, strict=True))
    else:
        writer.writerow(["prediction"])
        writer.writerows([f"{row[0]:.9g}"] for row in found)
    return text.getvalue()


def _score(trained: TrainedModel, found: np.ndarray, y: np.ndarray) -> str:
    """How well the predictions fit the targets that the file holds."""
    if trained.target_names:
        return f"accuracy {(found.argmax(axis=1) == y).mean():.4f} against column {trained.target!r}"
    error = found[:, 0] - y
    total = ((y - y.mean()) ** 2).sum()
    r2 = f", R² {1 - (error**2).sum() / total:.4f}" if total else ""
    return (
        f"rmse {np.sqrt((error**2).mean()):.6g}, mae {np.abs(error).mean():.6g}{r2} against column {trained.target!r}"
    )
