"""The table of ratios, from documents made up for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scripts import script

ratios = script("ratios")


def row(batch: int, program: str, *us: float) -> dict[str, Any]:
    return {"batch": batch, "program": program, "status": "ok", "us": sorted(us)[len(us) // 2], "us_rounds": list(us)}


def document(*rows: dict[str, Any], executor: str = "numba") -> dict[str, Any]:
    settings = {"rounds": 3, "modes": list(ratios.MODES), "peers": list(ratios.PEERS)}
    programs = {"capture": {"executor": executor}}
    return {"rows": list(rows), "programs": programs, "settings": settings, "environment": {}, "missing": {}}


def cells(**documents: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(c["row"].partition(" /")[0], c["column"]): c for c in ratios.table(documents)}


def test_ratios_are_paired_within_rounds() -> None:
    rows = [row(32, "eager", 10.0, 200.0, 30.0), row(32, "torch", 100.0, 1000.0, 100.0)]
    assert ratios.ratio(rows, 32, "eager", ("torch",)) == (0.2, "torch")
    assert ratios.ratio(rows, 32, "eager", ("jax",)) is None
    assert ratios.ratio(rows, 8, "eager", ("torch",)) is None


def test_the_fastest_peer_counts() -> None:
    rows = [row(32, "capture", 10.0), row(32, "torch", 80.0), row(32, "jax", 20.0), row(32, "torch-fused", 50.0)]
    assert ratios.ratio(rows, 32, "capture", ratios.PEERS) == (0.5, "jax")


def test_the_table() -> None:
    tiny = document(row(32, "eager", 19.0), row(32, "torch", 100.0), row(32, "capture", 10.0))
    big = document(
        *(row(8, name, us) for name, us in (("eager", 70.0), ("torch", 100.0))),
        *(row(32, name, us) for name, us in (("eager", 80.0), ("torch", 100.0))),
        *(row(b, name, us) for b in (1, 2048) for name, us in (("capture-numpy", 3.0), ("jax", 2.0), ("eager", 1.0))),
    )
    found = cells(tiny=tiny, big=big)
    assert len(found) == 21
    assert (found["eager", "tiny 32"]["reached"], found["eager", "tiny 32"]["good"]) == (0.19, True)
    assert found["captured fast", "tiny 32"]["batches"] == {"32": {"ratio": 0.1, "against": "torch"}}
    worst = found["eager", "big 8-32"]
    assert (worst["reached"], worst["good"]) == (0.8, False), "the worst batch size of a column counts"
    assert {b: m["ratio"] for b, m in worst["batches"].items()} == {"8": 0.7, "32": 0.8}
    assert found["eager", "tiny 512"] == found["eager", "tiny 512"] | {"reached": None, "good": None, "batches": {}}
    reported = found["captured NumPy", "big 2048+"]
    assert (reported["reached"], reported["must"], reported["good"]) == (1.5, None, None)
    text = ratios.lines(list(found.values()))
    assert text[0].split("  ")[-1] == "big 2048+"
    assert "0.80! / 0.75 (0.50)" in text[1]
    assert "0.19 / 0.20 (0.12)" in text[1]
    assert "1.50 / report" in text[2]
    assert "- / 0.65 (0.50)" in text[3]


def test_without_numba_nothing_is_compiled() -> None:
    found = cells(tiny=document(row(32, "torch", 100.0), row(32, "capture", 10.0), executor="numpy"))
    assert found["captured fast", "tiny 32"]["reached"] is None


def test_what_is_due_is_what_was_asked_for() -> None:
    """A number for each cell; aims are never above."""
    assert all(len(line.must) == len(line.aim) == len(ratios.COLUMNS) for line in ratios.LINES)
    for line in ratios.LINES:
        for must, aim in zip(line.must, line.aim, strict=True):
            assert aim is None or (must is not None and aim < must)


def test_the_command_reads_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["ratios.py", "--nets", "none", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="no document in"):
        ratios.main()
    (tmp_path / "bench-tiny-cpu.json").write_text(json.dumps(document(row(32, "eager", 1.0), row(32, "torch", 4.0))))
    ratios.main()
    assert "0.25! / 0.20" in capsys.readouterr().out
    written = json.loads((tmp_path / "ratios-cpu.json").read_text())
    assert written["cells"][0]["batches"] == {"32": {"ratio": 0.25, "against": "torch"}}
    assert written["environments"]["tiny"] == {"rounds": 3}


def test_sizes_cover_the_columns() -> None:
    batches = {net: [int(b) for b in text.split(",")] for net, (_, text) in ratios.NETS.items()}
    for column in ratios.COLUMNS:
        assert any(column.low <= b <= column.high for b in batches[column.net]), column
