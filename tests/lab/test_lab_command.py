"""python -m minigrad lab."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from minigrad import lab
from minigrad.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_smoke_run_keeps_nothing_unless_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "errata", "--smoke"]) == 0
    assert "-1.46625" in capsys.readouterr().out
    assert list(folder.iterdir()) == []
    assert main(["lab", "errata", "--smoke", "--out", "kept", "--seed", "3"]) == 0
    assert {p.name for p in (folder / "kept").iterdir()} == {"errata.md", "errata.png", "report.txt"}


def test_a_run_goes_into_a_folder_of_its_topic(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, Path]] = []
    monkeypatch.setattr("minigrad.cli.lab.run_topic", lambda topic, out, **options: ran.append((topic, out)))
    assert main(["lab", "chance"]) == 0
    assert main(["lab", "all"]) == 0
    assert main(["lab", "all", "--out", "there"]) == 0
    assert main(["lab", "chance", "--out", "there"]) == 0
    everywhere = [(topic, Path("lab", topic)) for topic in lab.TOPICS]
    there = [(topic, Path("there", topic)) for topic in lab.TOPICS]
    assert ran == [("chance", Path("lab", "chance")), *everywhere, *there, ("chance", Path("there"))]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["ascent"], "invalid choice: 'ascent'"),
        ([], "TOPIC"),
        (["chance", "--seed", "-1"], "an integer >= 0 is due, got '-1'"),
        (["chance", "--device", "cuda:7"], "cuda:7"),
        (["chance", "--out", "taken"], "taken"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    (folder / "taken").write_text("a file")
    assert main(["lab", *arguments]) == 2
    captured = capsys.readouterr()
    assert error in captured.err
    assert captured.err.count("\n") == 1
    assert [p.name for p in folder.iterdir()] == ["taken"]


def test_without_matplotlib_the_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what an import of a missing package meets
    assert main(["lab", "errata"]) == 2
    error = capsys.readouterr().err
    assert "The lab needs the package 'matplotlib', which is not installed" in error
    assert "minigrad-cupy[train]" in error
    assert list(folder.iterdir()) == []


def test_the_help_lists_every_topic(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--help"]) == 0
    text = capsys.readouterr().out
    for name, module in lab.TOPICS.items():
        assert f"  {name}" in text
        assert (module.__doc__ or "").partition("\n")[0] in text
    assert max(map(len, text.splitlines())) <= 120
