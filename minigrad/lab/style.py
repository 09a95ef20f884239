"""How every picture of the lab looks: colours that differ in lightness too, and a dash and a marker for each line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..errors import require
from ..plots import BLUE, GREY, ORANGE, STYLE

BLACK, GREEN, SKY, AMBER, PINK = "#000000", "#009E73", "#56B4E9", "#E69F00", "#CC79A7"  # Okabe and Ito's palette
SERIES = (
    (BLUE, "-", "o"),
    (ORANGE, "--", "s"),
    (BLACK, ":", "^"),
    (GREEN, "-.", "D"),
    (SKY, "-", "v"),
    (AMBER, "--", "P"),
    (PINK, ":", "X"),
    (GREY, "-.", "*"),
)
"""(colour, dash, marker) of the first line, the second, and so on: no two are told apart by colour alone."""
LOOK = {
    **STYLE,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "figure.titlesize": 10.0,
    "legend.fontsize": 8.0,
    "legend.handlelength": 2.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
}
DPI, COARSE = 110, 40
"""Dots per inch; the coarse pictures of a smoke run are drawn sooner."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


__all__ = [
    "AMBER", "BLACK", "BLUE", "DPI", "GREEN", "GREY", "ORANGE", "PINK", "SERIES", "SKY",
    "figure", "gif", "line", "look", "part", "plain_log", "png", "typeset",
]  # fmt: skip


def part(name: str) -> Any:
    """A module of matplotlib, "" for itself.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    return require(f"matplotlib.{name}".rstrip("."), "train", "The lab")


def look(coarse: bool = False) -> AbstractContextManager[Any]:
    """The style, for the length of a `with`.

    Args:
        coarse: with few dots.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    context: AbstractContextManager[Any] = part("").rc_context({**LOOK, "figure.dpi": COARSE if coarse else DPI})
    return context


def figure(width: float, height: float, title: str = "") -> Any:
    """An empty figure without pyplot: no window system is touched, and nothing is left behind.

    Args:
        width: in inches.
        height: in inches.
        title: over all panels.

    Returns:
        A matplotlib Figure that can be saved and animated.
    """
    made = part("figure").Figure(figsize=(width, height), layout="constrained")
    part("backends.backend_agg").FigureCanvasAgg(made)
    if title:
        made.suptitle(typeset(title), x=0.01, ha="left")
    return made


def line(i: int, markers: int = 0) -> dict[str, Any]:
    """What `plot` needs to draw the line of number i.

    Args:
        i: which of SERIES.
        markers: one marker every so many points; 0 is none.

    Returns:
        Keyword arguments.
    """
    colour, dash, marker = SERIES[i % len(SERIES)]
    if i >= len(SERIES):  # a second round: the colours come again with other dashes and markers
        _, dash, marker = SERIES[(i + 1) % len(SERIES)]
    style: dict[str, Any] = {"color": colour, "linestyle": dash}
    return {**style, "marker": marker, "markersize": 4, "markevery": markers} if markers else style


def plain_log(axis: Any, ticks: Sequence[float]) -> None:
    """A logarithmic y axis with these ticks, written out: between two powers of ten there would be none."""
    axis.set_yscale("log")
    axis.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axis.yaxis.set_minor_locator(part("ticker").NullLocator())


def typeset(text: str) -> str:
    """Text as pictures show it: exponents raised, hyphens that stand for minus as minus signs.

    What is printed stays plain, since a terminal may know no more than ASCII.
    """
    raised = re.sub(r"\^(\d+)", lambda m: m[1].translate(_RAISED), text)
    return re.sub(r"(?<![A-Za-z])-(?=[\d ]|sum)", "−", raised)


def png(made: Any) -> bytes:
    """A figure as a PNG; equal figures give equal bytes."""
    target = io.BytesIO()
    made.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def gif(made: Any, draw: Callable[[int], None], frames: int, rate: int, moving: Sequence[Any]) -> bytes:
    """An animation as a GIF.

    Args:
        made: the figure; it is of no other use afterwards.
        draw: draw(i) changes it to frame i.
        frames: how many.
        rate: frames a second; the last one stays for two seconds.
        moving: the artists that `draw` changes. All others are drawn once and become one image behind these.

    Returns:
        The file's content.
    """
    animation = part("animation")
    image: Any = require("PIL.Image", "train", "An animation")
    _freeze(made, moving)
    target = io.BytesIO()

    class Writer(animation.PillowWriter):  # type: ignore[name-defined]
        """Writes to memory, so that a file is there as a whole or not at all; one palette for all, or it flickers."""

        def finish(self) -> None:
            palette = image.new("P", (1, 1))
            palette.putpalette(_palette())
            shots = [f.convert("RGB").quantize(palette=palette, dither=image.Dither.NONE) for f in self._frames]
            wait = [round(1000 / self.fps)] * (len(shots) - 1) + [2000]
            shots[0].save(target, format="GIF", save_all=True, append_images=shots[1:], duration=wait, loop=0)

    shown = animation.FuncAnimation(made, draw, frames=frames, init_func=lambda: None, repeat=False)
    shown.save("memory.gif", writer=Writer(fps=rate))
    return target.getvalue()


def _palette() -> list[int]:
    """The colours of an animation: greys, and each colour of SERIES from full to pale. Red, green, blue, red, ..."""
    rgb = part("colors").to_rgb
    inks = np.array([rgb(colour) for colour, _, _ in SERIES])
    shares = np.linspace(1, 0.2, 12)[:, None, None]
    pale = (shares * inks + (1 - shares) * 0.95).reshape(-1, 3)
    greys = np.repeat(np.linspace(0, 1, 256 - len(pale))[:, None], 3, axis=1)
    return [int(v) for v in np.rint(255 * np.concatenate([greys, pale])).ravel()]


def _freeze(made: Any, moving: Sequence[Any]) -> None:
    """Turn all but the moving artists into one image behind them: a frame then costs a tenth."""
    made.canvas.draw()  # lays out the panels, the moving artists among them
    made.set_layout_engine("none")  # panels that move from frame to frame are hard to watch
    for artist in moving:
        artist.set_visible(False)
    made.canvas.draw()
    background = np.array(made.canvas.buffer_rgba())
    for artist in (*made.legends, *made.texts, *(a for axis in made.axes for a in axis.get_children())):
        artist.set_visible(False)
    for axis in made.axes:
        axis.set_axis_off()
    for artist in moving:
        artist.set_visible(True)
    made.figimage(background, zorder=-10)
