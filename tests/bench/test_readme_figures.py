"""The figures of README.md are what the command makes of the result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripts import ROOT, script

figures = script("readme_figures")
RESULTS = ROOT / "benchmarks" / "results"


def test_the_readme_is_what_the_command_writes() -> None:
    """The rule: README.md has both marks and the command's block between them, or neither mark."""
    text = (ROOT / "README.md").read_text("utf-8")
    marks = [line for line in text.split("\n") if line in (figures.BEGIN, figures.END)]
    if not marks:
        assert figures.BEGIN not in text
        assert figures.END not in text
        return
    documents = figures.load(RESULTS)
    drawn = documents.get(figures.DRAWN, {}).get("advice") is not None
    assert text == figures.replaced(text, figures.block(documents, drawn)), "run python benchmarks/readme_figures.py"
    if drawn:
        assert (RESULTS / figures.PICTURE).read_bytes()[:4] == b"\x89PNG"


def bench(net: str, **us: float) -> dict[str, Any]:
    modes, peers = [n for n in us if "minigrad" in figures.PROGRAMS[n]], [n for n in us if n in ("torch", "jax")]
    rows = [{"batch": b, "program": n, "status": "ok", "us": t * b} for b in (1, 32) for n, t in us.items()]
    rows.append({"batch": 1 << 20, "program": "eager", "status": "out of memory", "us": None})
    told = {"processor": "a chip", "blas_threads": 2, "versions": {"numpy": "2.4"}, "date": "d", "commit": "c"}
    return {
        "rows": rows,
        "programs": {n: {"version": f"1.{i}"} for i, n in enumerate(us)},
        "settings": {"net": net, "modes": modes, "peers": peers, "rounds": 9},
        "environment": told,
        "advice": {"knee": 32},
    }


def documents() -> dict[str, Any]:
    cells = [
        {"row": "ours / theirs", "column": c, "reached": r} for c, r in (("a", 0.25), ("b", None), ("never", None))
    ] + [{"row": "others", "column": c, "reached": r} for c, r in (("a", 1.5), ("b", 2.0), ("never", None))]
    replays = {
        f"tiny, batch {b}, {e}": {"by hand": {"ours_over_this": r}, "replay": {"capture_cold_s": r / 100}}
        for b, e, r in ((1, "numpy", 1.25), (32, "numpy", 1.05), (512, "numpy", 1.0), (1, "fast", 0.5))
    }
    return {
        "bench-tiny-cpu.json": bench("64-32-10", eager=3.14159, torch=31.4159),
        "bench-big-cpu.json": bench("784-256-128-10", eager=100.0, jax=1234.5),
        "ratios-cpu.json": {"cells": cells},
        "replay-cpu.json": {"results": replays},
        "soak-cpu.json": {"steps": 1000000, "growth_bytes_a_step": 0.40528},
        "kill-resume.json": {"kills": 200, "wrong": 0},
        "unknown.json": {},
    }


def test_the_block() -> None:
    text = figures.block(documents(), True)
    assert text.startswith("![Batch size against throughput](benchmarks/results/throughput-cpu.png)\n\n")
    for line in (
        "| network, batch | 64-32-10, 1 | 64-32-10, 32 | 784-256-128-10, 1 | 784-256-128-10, 32 |",
        "| minigrad, eager | 3.14 | 101 | 100 | 3200 |",
        "| PyTorch, eager | 31.4 | 1005 | - | - |",
        "| JAX, jit | - | - | 1234 | 39504 |",
        "a chip, 2 threads, NumPy 2.4, PyTorch 1.1, JAX 1.1; d, commit c; medians of 9 rounds, in each of which "
        "everything runs once.",
        "|  | a | b |",
        "| ours / theirs | 0.25 | - |",
        "| others | 1.50 | 2.00 |",
    ):
        assert line in text.split("\n"), line
    assert "captured step, replayed by NumPy / the same step written by hand | 1.00 to 1.25, median 1.05 |" in text
    assert "recording it, replayed by NumPy, milliseconds | 10 to 12.5 |" in text
    assert "| 0 of 200 | [kill-resume.json](benchmarks/results/kill-resume.json) |" in text
    assert "over 1,000,000 steps | 0.405 |" in text


@pytest.mark.parametrize("gone", sorted(documents()))
def test_a_missing_file_leaves_out_its_part(gone: str) -> None:
    rest = {name: value for name, value in documents().items() if name != gone}
    before, after = figures.block(documents(), False), figures.block(rest, False)
    assert (len(after) < len(before)) is (gone != "unknown.json")
    assert gone not in after
    assert figures.block({}, False) == ""


def test_every_result_file_of_the_repository_can_be_told() -> None:
    """The functions know the files as they are, not only as this test makes them up."""
    found = figures.load(RESULTS)
    told = figures.block(found, False)
    known = [name for name in figures.SINGLE if name in found]
    assert known
    assert all(f"[{name}]" in told for name in known)


def test_the_marks() -> None:
    text = f"a\n{figures.BEGIN}\nold\n{figures.END}\nb\n"
    assert figures.replaced(text, "new") == f"a\n{figures.BEGIN}\n\nnew\n\n{figures.END}\nb\n"
    assert figures.replaced(figures.replaced(text, "new"), "new") == figures.replaced(text, "new")
    assert figures.replaced(text, "") == f"a\n{figures.BEGIN}\n{figures.END}\nb\n"
    for wrong in ("", figures.BEGIN, f"{figures.END}\n{figures.BEGIN}", f"{text}{text}"):
        with pytest.raises(ValueError, match="needs one line"):
            figures.replaced(wrong, "new")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("soak-cpu.json", "kill-resume.json"):
        (tmp_path / name).write_text(json.dumps(documents()[name]))
    readme = tmp_path / "README.md"
    readme.write_text("no marks")
    command = ["--readme", str(readme), "--results", str(tmp_path)]
    assert figures.main(command) == 2
    assert "needs one line" in capsys.readouterr().err
    readme.write_text(f"{figures.BEGIN}\n{figures.END}\n")
    assert figures.main([*command, "--check"]) == 1
    assert figures.main(command) == 0
    assert "0 of 200" in readme.read_text()
    assert figures.main([*command, "--check"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "kill-resume.json", "soak-cpu.json"]


def test_the_picture(tmp_path: Path) -> None:
    """Of a real run of bench; programs beyond those that can be told apart are left out."""
    from minigrad.cli import main

    command = "bench --model 6-5-3 --batch-sizes 1,4 --rounds 1 --seconds 0.002 --device cpu --quiet --no-plot"
    modes = "eager,capture-numpy"
    assert main([*command.split(), "--mode", modes, "--out", str(tmp_path / "b")]) == 0
    document = json.loads((tmp_path / "b" / "results.json").read_text())
    drawn = figures.drawing(document)
    assert drawn[:4] == b"\x89PNG"
    alone = document | {"settings": document["settings"] | {"modes": ["eager"]}}
    assert drawn == figures.drawing(alone)
    (tmp_path / figures.DRAWN).write_text(json.dumps(document))
    readme = tmp_path / "README.md"
    readme.write_text(f"{figures.BEGIN}\n{figures.END}\n")
    assert figures.main(["--readme", str(readme), "--results", str(tmp_path)]) == 0
    assert (tmp_path / figures.PICTURE).read_bytes() == drawn
    assert f"](benchmarks/results/{figures.PICTURE})" in readme.read_text()
