"""Compiled code that is kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_steps import compiled

from minigrad.capture import code_cache
from minigrad.errors import GraphWarning

pytestmark = pytest.mark.numba

SCRIPT = """
import sys
import numpy as np
sys.path.insert(0, {tests!r})
from compiled_steps import compiled
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    run = compiled(lambda x: [(x * 2 + 1).sum(), x @ x], np.ones((4, 4)))
print(run([np.ones((4, 4))])[0], sum(e.is_start for _, e in recorder.buffer))
"""


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    found = []
    for _ in range(2):
        env = {**os.environ, "MINIGRAD_CACHE": str(tmp_path / "kept")}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        found.append(done.stdout.split())
    assert [value for value, _ in found] == ["48.0", "48.0"]
    assert int(found[0][1]) > 0
    assert int(found[1][1]) == 0
    assert len(list((tmp_path / "kept").glob("minigrad_step_*.py"))) == 1


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "in"))
    np.testing.assert_array_equal(compiled(lambda x: x + 1, np.zeros(2))([np.zeros(2)])[0], [1, 1])


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "file"))
    np.testing.assert_array_equal(compiled(lambda x: x + 1, np.zeros(2))([np.zeros(2)])[0], [1, 1])


def test_a_spoilt_file_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    for _ in range(2):
        assert compiled(lambda x: x + 1, np.zeros(2))([np.zeros(2)])[0].tolist() == [1, 1]
        (kept,) = tmp_path.glob("minigrad_step_*.py")
        kept.write_text("def step0(table):\n    return 5\n")


def test_spoilt_machine_code_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    compiled(lambda x: x + 1, np.zeros(2))
    (kept,) = (tmp_path / "__pycache__").glob("*.nbc")
    kept.write_bytes(b"nothing")
    with pytest.warns(GraphWarning, match="compiled code is not kept"):
        run = compiled(lambda x: x + 1, np.zeros(2))
    assert run([np.zeros(2)])[0].tolist() == [1, 1]


def test_old_code_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(code_cache, "KEPT", 2)
    for number in range(4):
        compiled(lambda x, number=number: x + number, np.zeros(2))
        for age, path in enumerate(sorted(tmp_path.glob("minigrad_step_*.py"), key=lambda p: p.stat().st_mtime)):
            os.utime(path, (1e9 + age, 1e9 + age))
    assert len(list(tmp_path.glob("minigrad_step_*.py"))) == 2
    kept = {path.stem for path in tmp_path.glob("minigrad_step_*.py")}
    assert {path.name.partition(".")[0] for path in (tmp_path / "__pycache__").glob("*.nb?")} <= kept


@pytest.mark.parametrize(
    ("platform", "variables", "due"),
    [
        ("linux", {}, ".cache/minigrad"),
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/minigrad"),
        ("darwin", {}, "Library/Caches/minigrad"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/minigrad/Cache"),
        ("linux", {"MINIGRAD_CACHE": "/mine"}, "/mine"),
        ("linux", {"MINIGRAD_CACHE": ""}, None),
    ],
)
def test_where_code_is_kept(platform: str, variables: Any, due: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIGRAD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~", "/home/me"))
    assert code_cache.folder() == (None if due is None else Path("/home/me") / due)
