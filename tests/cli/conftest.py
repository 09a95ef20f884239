"""Running the command line inside the test's process: status, output and errors of one command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import Result, Run

from minigrad.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("train", "--epochs", 3)`."""

    def call(*argv: object) -> Result:
        capsys.readouterr()
        status = main([str(a) for a in argv])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with three small data files: two.csv and two.npz (classes), line.csv (regression)."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2)).round(3)
    names = np.where(x[:, 0] + x[:, 1] > 0, "yes", "no")
    (tmp_path / "two.csv").write_text(
        "a,b,kind\n" + "".join(f"{a},{b},{n}\n" for (a, b), n in zip(x, names, strict=True))
    )
    y = (3 * x[:, 0] - x[:, 1] + 100).round(3)
    (tmp_path / "line.csv").write_text("a,b,y\n" + "".join(f"{a},{b},{v}\n" for (a, b), v in zip(x, y, strict=True)))
    np.savez(tmp_path / "two.npz", x=x, y=(names == "yes").astype(int))
    return tmp_path
