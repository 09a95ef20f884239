"""Every topic runs, writes pictures that open, prints what it keeps, and does the same again from the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from strict_provider import StrictProvider

from minigrad import lab
from minigrad.lab import Notebook

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Smoke = Callable[[str], Notebook]
every_topic = pytest.mark.parametrize("topic", lab.TOPICS)


def steady(notebook: Notebook) -> dict[str, float]:
    """The numbers that do not come from a clock."""
    return {name: value for name, value in notebook.numbers.items() if not name.startswith("seconds")}


@every_topic
def test_pictures_open_and_are_no_blank_sheets(smoke: Smoke, topic: str) -> None:
    notebook = smoke(topic)
    pictures = [path for path in notebook.files if path.suffix in (".png", ".gif")]
    assert pictures
    for path in pictures:
        with Image.open(path) as image:
            assert min(image.size) > 80
            assert len(image.convert("L").getcolors(256) or []) > 8
            assert (getattr(image, "n_frames", 1) > 1) == (path.suffix == ".gif")


@every_topic
def test_the_docstring_lists_what_is_written(smoke: Smoke, topic: str) -> None:
    written = {path.name for path in smoke(topic).files} - {"report.txt"}
    text = lab.TOPICS[topic].__doc__ or ""
    if topic == "surfaces":  # one film for each surface
        written = {name for name in written if name in ("steps.png", "escape.png", "contours.png", "momentum.png")}
        assert "<surface>.gif" in text
    assert written
    assert {name for name in written if name not in text} == set()


@every_topic
def test_one_seed_gives_the_same_numbers_and_the_report_holds_what_was_printed(
    smoke: Smoke, tmp_path: Path, topic: str
) -> None:
    printed: list[str] = []
    again = lab.run(topic, tmp_path, smoke=True, say=printed.append)
    np.testing.assert_equal(steady(again), steady(smoke(topic)))
    assert len(again.numbers) > 5
    assert (tmp_path / "report.txt").read_text("utf-8").splitlines() == printed[:-1]
    assert printed[-1].startswith(f"written to {tmp_path}: ")
    assert all(line.isascii() for line in printed), "a terminal may know no more"
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in again.files}


@pytest.mark.parametrize("topic", ["batches", "regression", "chance"])
def test_another_seed_gives_other_numbers(smoke: Smoke, tmp_path: Path, topic: str) -> None:
    first, other = smoke(topic), lab.run(topic, tmp_path, seed=1, smoke=True, say=lambda line: None)
    assert other.numbers.keys() == first.numbers.keys()
    assert any(steady(other)[name] != value for name, value in steady(first).items())


@every_topic
def test_on_a_device(smoke: Smoke, strict: StrictProvider, tmp_path: Path, topic: str) -> None:
    there = steady(lab.run(topic, tmp_path, smoke=True, device="cuda", say=lambda line: None))
    here = steady(smoke(topic))
    assert there.keys() == here.keys()
    assert sum(strict.machine.tally.launches.values()) > 0
    # made of rounding errors; or chaotic, so that these decide after three steps
    rounding = ("drift", "gap_", "best_", "network_", "line_fit_gap", "tanh_normal_1_loss")
    for name, value in here.items():
        if not name.startswith(rounding):
            np.testing.assert_allclose(there[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_every_topic_has_an_example_that_names_it() -> None:
    for topic in set(lab.TOPICS) - {"errata"}:
        text = (EXAMPLES / f"{topic}.py").read_text("utf-8")
        assert f'main(["lab", "{topic}", *sys.argv[1:]])' in text
        assert f"minigrad/lab/{topic}.py" in text
