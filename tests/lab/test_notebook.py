"""What a topic is given: numbers, pictures, seeds; and the style."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigrad import lab
from minigrad.errors import DeviceError
from minigrad.lab import Notebook, style


def test_a_number_is_printed_once_and_kept(tmp_path: Path) -> None:
    printed: list[str] = []
    notebook = Notebook(tmp_path, say=printed.append)
    assert notebook.number("half", np.float64(0.5), "it is {:.2f}") == 0.5
    notebook.number("silent", 1)
    assert printed == ["it is 0.50"]
    assert notebook.numbers == {"half": 0.5, "silent": 1.0}
    with pytest.raises(ValueError, match="'half' is there already"):
        notebook.number("half", 0.5)


def test_what_is_drawn_depends_on_seed_and_name(tmp_path: Path) -> None:
    def draw(seed: int, name: str) -> float:
        return float(Notebook(tmp_path, seed=seed).generator(name).random())

    assert draw(0, "a") == draw(0, "a")
    assert len({draw(0, "a"), draw(0, "b"), draw(1, "a")}) == 3


def test_sizes(notebook: Notebook, tiny: Notebook) -> None:
    assert (notebook.pick(10, 1), tiny.pick(10, 1)) == (10, 1)


def test_equal_figures_give_equal_bytes(notebook: Notebook) -> None:
    def drawn() -> bytes:
        figure = style.figure(3, 2, "L(w) = w^4")
        figure.subplots().plot([1, 2], **style.line(0, 1))
        return style.png(figure)

    assert drawn() == drawn()
    assert drawn().startswith(b"\x89PNG")


def test_an_animation_keeps_its_colours_and_what_stands_still(notebook: Notebook) -> None:
    figure = style.figure(3, 2, "a point moves")
    axis = figure.subplots()
    axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="x", ylabel="y")
    axis.axhline(0.5, color=style.BLUE, linewidth=6)
    (point,) = axis.plot([], [], "o", color=style.ORANGE, markersize=20)
    notebook.film("move", figure, lambda i: point.set_data([0.2 + 0.3 * i], [0.5]), 3, [point], rate=5)
    with Image.open(io.BytesIO((notebook.out / "move.gif").read_bytes())) as image:
        assert image.n_frames == 3
        frames = []
        for i in range(3):
            image.seek(i)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
    near = [np.abs(frame - np.array([213, 94, 0])).sum(axis=2) < 30 for frame in frames]
    assert all(spot.sum() > 10 for spot in near), "vermilion stays vermilion"
    middle = [np.argwhere(spot)[:, 1].mean() for spot in near]
    assert middle[0] < middle[1] < middle[2]
    still = ~(near[0] | near[2])
    assert (np.abs(frames[0] - frames[2]).sum(axis=2)[still] < 60).mean() > 0.97


def test_no_two_lines_are_told_apart_by_colour_alone() -> None:
    looks = [style.line(i, 1) for i in range(12)]
    assert len({(look["color"], look["linestyle"], look["marker"]) for look in looks}) == 12
    for other in range(8):
        assert len({(looks[i]["linestyle"], looks[i]["marker"]) for i in range(8)}) == 8, other


@pytest.mark.parametrize(
    ("plain", "typeset"),
    [
        ("w^4 - 3w^3", "w⁴ − 3w³"),
        ("-1.5", "−1.5"),
        ("one-sample", "one-sample"),
        ("-sum(x)", "−sum(x)"),
        ("x^10", "x¹⁰"),
    ],
)
def test_typesetting(plain: str, typeset: str) -> None:
    assert style.typeset(plain) == typeset


def test_an_unknown_topic_and_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown topic 'ascent'; there are descent, surfaces"):
        lab.run("ascent", tmp_path / "x")
    with pytest.raises(DeviceError):
        lab.run("errata", tmp_path / "x", device="cuda:7")
    assert not (tmp_path / "x").exists()
