"""Surfaces of two weights: every optimizer's path, on contours and in three dimensions.

<surface>.gif       the race on Rosenbrock's, Beale's and Himmelblau's surface, an ill-conditioned bowl, a saddle, and
                    a saddle in a plateau
<surface>.png       its last frame
steps.png           steps that each optimizer needs on each surface
escape.png          steps to leave the saddles, and what the start's distance from the ridge does to them
contours.png        the steps of the full batch stand at right angles to the contours; those of one sample do not
momentum.png        momentum leaves a shallow minimum and overshoots the deep one; Nesterov's beside it
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.surfaces import SURFACES, Surface
from . import style
from .contours import draw_contours
from .escape import PLATEAU_SADDLE, RATES_OF_ESCAPE, draw_escapes, escape_steps
from .momentum import draw_momentum
from .notebook import Notebook
from .racers import RACERS, fastest, race, settled_after

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Each optimizer races at the best of these."""
NEAR = 0.01
"""A race is over at a height so little above the least."""
STEPS = {"": 400, "rosenbrock": 1000}


def run(lab: Notebook) -> None:
    """The whole topic."""
    draw_momentum(lab)
    draw_contours(lab)
    races_on = ("rosenbrock", "beale", "himmelblau", "ellipse")[: lab.pick(4, 1)]
    saddles = (SURFACES["saddle"], PLATEAU_SADDLE)[lab.pick(0, 1) :]
    table = {name: races(lab, SURFACES[name]) for name in races_on}
    table |= {surface.name: escapes(lab, surface) for surface in saddles}
    draw_table(lab, table)
    draw_escapes(lab)


def races(lab: Notebook, surface: Surface) -> dict[str, float]:
    """Race and film on a surface with a minimum; the steps that each optimizer needed."""
    rates = RATES if not lab.smoke else RATES[2:4]
    length = lab.pick(STEPS.get(surface.name, STEPS[""]), 20)
    found = {name: fastest(lab, surface, make, rates, length, NEAR) for name, make in RACERS.items()}
    heights = {name: np.nan_to_num(surface(path), nan=np.inf) for name, (_, path) in found.items()}
    steps = {name: settled_after(h - (surface.value or 0.0) < NEAR) for name, h in heights.items()}
    lab.say(f"{surface.name}: steps until {NEAR} above the least value, at the best of the rates {list(rates)}")
    for name, (rate, _) in found.items():
        lab.number(f"{surface.name}_{key(name)}", steps[name], f"  {name:9s} rate {rate:<6g} {{:4.0f}} steps")
    film(lab, surface, {f"{name} {rate:g}": path for name, (rate, path) in found.items()})
    return steps


def escapes(lab: Notebook, surface: Surface) -> dict[str, float]:
    """Film the escape from a saddle; the steps that each optimizer needed."""
    lab.say(f"{surface.name}: steps until |y| > 1 from ({surface.start[0]:g}, {surface.start[1]:g})")
    paths, steps = {}, {}
    for name, make in RACERS.items():
        rate = RATES_OF_ESCAPE.get(name, RATES_OF_ESCAPE[""])
        steps[name] = escape_steps(lab, surface, name, surface.start[1])
        lab.number(f"{surface.name}_{key(name)}", steps[name], f"  {name:9s} rate {rate:<6g} {{:4.0f}} steps")
        paths[f"{name} {rate:g}"] = race(lab, surface, make, [rate], lab.pick(STEPS[""], 20), surface.start)[0]
    film(lab, surface, paths)
    return steps


def key(name: str) -> str:
    """An optimizer's name as part of a number's."""
    return name.lower()


# --- pictures ---------------------------------------------------------------------------------------------------------


class Scene:
    """A surface as contours and in three dimensions, with a path and a numbered head for every optimizer."""

    def __init__(self, surface: Surface, paths: dict[str, np.ndarray]) -> None:
        self.surface, self.paths = surface, list(paths.values())
        (self.x0, self.x1), (self.y0, self.y1) = surface.domain
        self.figure = style.figure(10.5, 5.4)
        self.flat = self.figure.add_subplot(1, 2, 1)
        self.deep = self.figure.add_subplot(1, 2, 2, projection="3d", computed_zorder=False)
        self._background()
        self.trails: list[Any] = []
        self.heads: list[Any] = []
        names: list[Any] = []
        for i, name in enumerate(paths):
            look = {**style.line(i), "linewidth": 1.3}
            colour = look["color"]
            flat, deep = self.flat.plot([], [], **look)[0], self.deep.plot([], [], [], **look, zorder=5)[0]
            ball = {"ha": "center", "va": "center", "fontsize": 6.5, "fontweight": "bold", "clip_on": True}
            box = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": colour, "linewidth": 1.4}
            number = str(i + 1)
            self.trails.append((flat, deep))
            self.heads.append(
                (
                    self.flat.text(0, 0, number, **ball, bbox=box, zorder=6),
                    self.deep.text(0, 0, 0, number, **ball, bbox=box, zorder=7),
                )
            )
            names.append(style.part("lines").Line2D([], [], **look, label=f"{number:>2} {name}"))
        self.figure.legend(handles=names, loc="outside lower center", ncols=6, handlelength=3, fontsize=8)
        self.title = self.figure.suptitle("step 0", x=0.01, ha="left")

    def height(self, x: Any, y: Any) -> Any:
        """What is drawn upwards: steep walls are flattened by a logarithm."""
        z = self.surface(x, y)
        return z if self.surface.value is None else np.log1p(z - self.surface.value)

    def _background(self) -> None:
        x, y = np.meshgrid(np.linspace(self.x0, self.x1, 121), np.linspace(self.y0, self.y1, 121))
        z = self.height(x, y)
        shades = style.part("colors").LinearSegmentedColormap.from_list("paper", ["#a8a8a8", "#f8f8f8"])
        self.flat.contourf(x, y, z, 14, cmap=shades)
        self.flat.contour(x, y, z, 14, colors="#8a8a8a", linewidths=0.5)
        for at in self.surface.minima:
            self.flat.plot(*at, "*", color="white", markeredgecolor="black", markersize=11)
        self.flat.plot(*self.surface.start, "o", color="white", markeredgecolor="black", markersize=7)
        self.flat.set(xlim=(self.x0, self.x1), ylim=(self.y0, self.y1), xlabel="x", ylabel="y")
        self.flat.grid(False)
        self.deep.plot_surface(x, y, z, rcount=40, ccount=40, cmap=shades, alpha=0.85, linewidth=0, zorder=1)
        self.deep.set(xlim=(self.x0, self.x1), ylim=(self.y0, self.y1), xlabel="x", ylabel="y")
        self.deep.set_zlabel("L" if self.surface.value is None else style.typeset("log(1 + L - min L)"))
        self.deep.set_box_aspect(None, zoom=0.95)
        self.deep.view_init(elev=48, azim=-62)
        self.deep.tick_params(labelsize=7, pad=0)

    def moving(self) -> list[Any]:
        """The artists that `draw` changes."""
        return [self.title, *(a for pair in (*self.trails, *self.heads) for a in pair)]

    def draw(self, step: int) -> None:
        """All paths up to a step."""
        for path, (flat, deep), (on_flat, on_deep) in zip(self.paths, self.trails, self.heads, strict=True):
            x, y = path[: step + 1].T
            inside = (x >= self.x0) & (x <= self.x1) & (y >= self.y0) & (y <= self.y1)
            x, y = np.where(inside, x, np.nan), np.where(inside, y, np.nan)
            flat.set_data(x, y)
            deep.set_data_3d(x, y, self.height(x, y))
            shown = bool(inside[-1])
            for head in (on_flat, on_deep):
                head.set_visible(shown)
            if shown:
                on_flat.set_position((x[-1], y[-1]))
                on_deep.set_position_3d((x[-1], y[-1], self.height(x[-1], y[-1])))
        self.title.set_text(f"{self.surface.name.replace('_', ' ').capitalize()}: {self.surface.shows} (step {step})")


def film(lab: Notebook, surface: Surface, paths: dict[str, np.ndarray]) -> None:
    """<surface>.gif and its last frame as <surface>.png."""
    last = len(next(iter(paths.values()))) - 1
    frames = np.unique((last * np.linspace(0, 1, lab.pick(30, 3)) ** 2).astype(int))  # slow at first, when most happens
    scene = Scene(surface, paths)
    scene.draw(last)
    lab.picture(surface.name, scene.figure)
    lab.film(surface.name, scene.figure, lambda i: scene.draw(int(frames[i])), len(frames), scene.moving())


def draw_table(lab: Notebook, table: dict[str, dict[str, float]]) -> None:
    """Steps of each optimizer (down) on each surface (across); dark is slow."""
    steps = np.array([[table[surface][name] for surface in table] for name in RACERS])
    known = np.where(np.isfinite(steps), steps, np.nan)
    figure = style.figure(
        8.6,
        1.5 + 0.3 * len(RACERS),
        "Steps until the minimum is reached for good (at the best of seven rates), or a saddle is left (rate 0.01)",
    )
    axis = figure.subplots()
    shown = np.log10(np.where(np.isfinite(known), np.maximum(known, 1), 4000))
    axis.imshow(shown, cmap="Greys", vmin=0.5, vmax=3.8, aspect="auto")
    axis.set_xticks(range(len(table)), [name.replace("_in_", " in\n").replace("_", " ") for name in table])
    axis.set_yticks(range(len(RACERS)), list(RACERS))
    axis.grid(False)
    for i, j in np.ndindex(*steps.shape):
        text = f"{steps[i, j]:.0f}" if np.isfinite(steps[i, j]) else "not yet"
        axis.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if shown[i, j] > 2.4 else "black")
    lab.picture("steps", figure)
