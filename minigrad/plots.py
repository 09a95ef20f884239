"""Pictures of training, as PNG bytes: learning curves, tables of sweeps. Readable in grey and for the colour-blind."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import require

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # Okabe and Ito's palette; they differ in lightness too
STYLE = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
}
_NAMES = {"accuracy": "accuracy", "r2": "R²"}


def _figure(width: float, height: float, columns: int, rows: int = 1) -> tuple[Any, Any]:
    """A figure without pyplot: no window system is touched, and nothing is left behind."""
    matplotlib: Any = require("matplotlib", "train", "A picture")
    figures: Any = require("matplotlib.figure", "train", "A picture")
    with matplotlib.rc_context(STYLE):
        figure = figures.Figure(figsize=(width, height), dpi=120, layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False)


def _png(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})  # equal pictures give equal bytes
    return target.getvalue()


def _literal(text: str) -> str:
    """Text that is drawn as it stands: a file's name may hold dollars (formulas to matplotlib) or be no text at all."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("$", r"\$")


def _finite(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """A column; a gap where a value is missing or not finite."""
    return [v if isinstance(v := row.get(name), (int, float)) and math.isfinite(v) else math.nan for row in rows]


def curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], metric: str, title: str) -> bytes:
    """Loss, score, and learning rate with gradient norm over the epochs.

    Args:
        runs: rows of a history by the name of the run; one run, or several seeds drawn over one another.
        metric: the score's column.
        title: of the picture.

    Returns:
        A PNG.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    matplotlib: Any = require("matplotlib", "train", "A picture")
    figure, axes = _figure(11.0, 3.4, 3)
    with matplotlib.rc_context(STYLE):
        loss, score, rate = axes[0]
        many = len(runs) > 1
        for i, rows in enumerate(runs.values()):
            epochs = [row["epoch"] for row in rows]
            dots = {"marker": "o", "markersize": 3} if len(rows) < 3 else {}
            for axis, name in ((loss, "loss"), (score, metric)):
                for prefix, label, colour, line in (("", "training", BLUE, "-"), ("val_", "validation", ORANGE, "--")):
                    if rows and prefix + name in rows[0]:
                        axis.plot(
                            epochs,
                            _finite(rows, prefix + name),
                            line,
                            color=colour,
                            alpha=0.6 if many else 1.0,
                            label=label if i == 0 else None,
                            **dots,
                        )
            rate.plot(epochs, _finite(rows, "lr"), "-", color=BLUE, label=None if i else "learning rate", **dots)
            rate.plot(epochs, _finite(rows, "grad_norm"), ":", color=GREY, label=None if i else "gradient norm", **dots)
        for axis, label in (
            (loss, "loss"),
            (score, _NAMES.get(metric, metric)),
            (rate, "learning rate, gradient norm"),
        ):
            axis.set_xlabel("epoch")
            axis.set_ylabel(label)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.legend()
        _log_where_it_helps(loss)
        _log_where_it_helps(rate)
        figure.suptitle(_literal(title), fontsize=10)
        return _png(figure)


def _log_where_it_helps(axis: Any) -> None:
    """A logarithmic axis, where the values are above 0 and span more than a decade."""
    values = [v for line in axis.get_lines() for v in line.get_ydata() if math.isfinite(v)]
    if values and min(values) > 0 and max(values) > 10 * min(values):
        axis.set_yscale("log")


def sweep_table(
    panels: Mapping[str, Sequence[Sequence[float]]],
    rows: Sequence[str],
    columns: Sequence[str],
    row_label: str,
    column_label: str,
    score: str,
    title: str,
) -> bytes:
    """Scores as shaded tables with their numbers in the cells, one table a panel.

    Args:
        panels: by name, a matrix of scores (rows x columns); nan is drawn as a cross: that run diverged.
        rows: their names.
        columns: their names.
        row_label: what the rows are.
        column_label: what the columns are.
        score: what the numbers are.
        title: of the picture.

    Returns:
        A PNG.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    matplotlib: Any = require("matplotlib", "train", "A picture")
    finite = [v for table in panels.values() for line in table for v in line if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    width, height = 1.6 + 0.85 * len(columns), 1.4 + 0.5 * len(rows)
    figure, axes = _figure(max(4.5, width * len(panels)), max(2.4, height), len(panels))
    with matplotlib.rc_context(STYLE):
        for axis, (name, table) in zip(axes[0], panels.items(), strict=True):
            image = axis.imshow(table, cmap="cividis", vmin=low, vmax=high, aspect="auto")
            axis.grid(False)
            axis.set_xticks(range(len(columns)), columns)
            axis.set_yticks(range(len(rows)), rows)
            axis.set_xlabel(column_label)
            axis.set_ylabel(row_label)
            axis.set_title(name, fontsize=9)
            for i, line in enumerate(table):
                for j, value in enumerate(line):
                    dark = math.isfinite(value) and value < (low + high) / 2
                    text = f"{value:.3f}" if math.isfinite(value) else "×"
                    axis.text(j, i, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
        figure.colorbar(image, ax=list(axes[0]), label=score)
        figure.suptitle(_literal(title), fontsize=10)
        return _png(figure)


def throughput(
    programs: Mapping[str, Sequence[tuple[float, float, float, float]]],
    ceilings: Mapping[str, Sequence[tuple[float, float]]],
    knee: tuple[float, float] | None,
    title: str,
    note: str = "",
) -> bytes:
    """Samples a second over the batch size, both logarithmic, under the ceilings that the machine sets.

    Args:
        programs: by name, (batch, samples a second, low and high end of their band); the first is ours.
        ceilings: by name, (batch, samples a second) that cannot be exceeded.
        knee: batch and samples a second of the knee.
        title: of the picture.
        note: a line below it: machine and versions.

    Returns:
        A PNG.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    matplotlib: Any = require("matplotlib", "train", "A picture")
    figure, axes = _figure(9.0, 5.4, 1)
    looks = (
        ("o", "-", BLUE),
        ("s", "--", ORANGE),
        ("^", "-.", "#009E73"),
        ("D", ":", "#CC79A7"),
        ("v", "--", "#56B4E9"),
    )
    with matplotlib.rc_context({**STYLE, "font.size": 11.0}):
        axis = axes[0][0]
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        points = [p for points in programs.values() for p in points]
        for (name, line), dash in zip(ceilings.items(), ((1, 2), (5, 2), (8, 2, 1, 2)), strict=False):
            axis.plot(
                [x for x, _ in line],
                [y for _, y in line],
                color=GREY,
                linewidth=1.1,
                dashes=dash,
                label=f"ceiling: {name}",
                zorder=1,
            )
        if ceilings:
            xs = [x for x, _ in next(iter(ceilings.values()))]
            lowest = [min(ys) for ys in zip(*([y for _, y in line] for line in ceilings.values()), strict=True)]
            axis.fill_between(xs, lowest, 1e30, color="#e8e8e8", linewidth=0, zorder=0)
        for i, ((name, line4), look) in enumerate(zip(programs.items(), looks * len(programs), strict=False)):
            batch, median, low, high = zip(*line4, strict=True)
            marker, style, colour = look
            axis.fill_between(batch, low, high, color=colour, alpha=0.2, linewidth=0, zorder=2)
            axis.plot(
                batch, median, style, marker=marker, color=colour, markersize=6 if i == 0 else 4.5,
                linewidth=2.4 if i == 0 else 1.4, label=name, zorder=4 if i == 0 else 3,
            )  # fmt: skip
        seen = [y for p in points for y in p[1:]]
        axis.set_ylim(min(seen) / 2, max(seen) * 4)
        if knee is not None:
            x, y = knee
            axis.plot(x, y, "o", markersize=17, markerfacecolor="none", markeredgecolor="black", zorder=5)
            axis.vlines(x, y * 1.14, axis.get_ylim()[1], color="black", linewidth=0.8, zorder=2)
            box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": "black", "linewidth": 0.8}
            top = axis.get_xaxis_transform()  # above the curves, where only ceilings are
            axis.text(x, 0.965, f"knee: batch {x:g}", transform=top, ha="center", va="top", bbox=box, zorder=6)
        batches = sorted({p[0] for p in points})
        shown = batches[:: 1 if len(batches) < 10 else 2]
        axis.set_xticks(shown, [f"{b:g}" for b in shown])
        axis.minorticks_off()
        axis.set_xlabel("batch size")
        axis.set_ylabel("samples a second")
        handles, labels = axis.get_legend_handles_labels()
        first = len(ceilings)  # drawn first, told last
        axis.legend(handles[first:] + handles[:first], labels[first:] + labels[:first], loc="lower right", fontsize=10)
        figure.suptitle(_literal(title), fontsize=12)
        if note:
            figure.supxlabel(_literal(note), fontsize=8, color=GREY)
        return _png(figure)


def lr_finding(lrs: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], suggestion: float) -> bytes:
    """The loss over the learning rate, as `mg.lr_find` saw it: `plots.lr_finding(**vars(found))`.

    Args:
        lrs: learning rates.
        losses: the loss of the batch at each.
        smoothed: their running mean.
        suggestion: the rate to mark; nan marks none.

    Returns:
        A PNG.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    matplotlib: Any = require("matplotlib", "train", "A picture")
    figure, axes = _figure(5.5, 3.4, 1)
    with matplotlib.rc_context(STYLE):
        axis = axes[0][0]
        axis.plot(lrs, losses, ":", color=GREY, linewidth=1.0, label="loss of the batch")
        axis.plot(lrs, smoothed, color=BLUE, label="running mean")
        if math.isfinite(suggestion):
            axis.axvline(suggestion, color=ORANGE, linestyle="--", label=f"suggestion {suggestion:.2g}")
        axis.set_xscale("log")
        axis.set_xlabel("learning rate")
        axis.set_ylabel("loss")
        if smoothed:
            low, high = min(smoothed), max(smoothed)
            axis.set_ylim(low - 0.1 * (high - low or 1.0), high + 0.1 * (high - low or 1.0))
        axis.legend()
    return _png(figure)
