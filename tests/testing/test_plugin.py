"""The pytest plugin, in sessions of its own: report, GPU gate, leak fixture, profiles; and that it is light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from minigrad.testing.plugin import target_of
from minigrad.testing.record import Recorder, Row, markdown

SUITE = """
import gc
import numpy as np, pytest
import minigrad as mg
from minigrad.testing import OpSpec, gradcheck
from minigrad.testing import given_op

@given_op(OpSpec("the sine", mg.sin, np.sin), checks=["gradients"], max_examples=3)
def test_row(case): ...

def test_direct():
    gradcheck(mg.tanh, np.array([0.5, 1.0]))

def test_wrong():
    op = mg.Op("cube", lambda xp, x: x**3).defvjp(lambda g, out, x: g * 2.0 * x * x)
    gradcheck(op, np.array([0.5, 1.0]))
"""
LEAKS = """
import numpy as np, pytest
import minigrad as mg

kept = []

def work():
    x = mg.tensor(np.ones(3), requires_grad=True)
    return (x * x).sum()

def test_clean(no_leaks):
    y = work()
    y.backward()

def test_cycle_is_no_leak(no_leaks):
    y = [work()]
    y.append(y)

def test_leaky(no_leaks):
    kept.append(work())

def test_fails_by_itself(no_leaks):
    y = work()
    assert False
"""


def session(folder: Path, suite: str, *options: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(suite)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["here", "xdist"])
def test_the_report_has_a_row_per_row_and_test(tmp_path: Path, workers: tuple[str, ...]) -> None:
    status, out = session(tmp_path, SUITE, "--gradcheck-report=out/all.json", *workers)
    assert status == 1, out
    rows = {r["name"]: r for r in json.loads((tmp_path / "out/all.json").read_text())}
    assert set(rows) == {"the sine", "test_it.py::test_direct", "test_it.py::test_wrong"}
    assert rows["the sine"]["checks"] >= 1
    assert rows["the sine"]["comparisons"] > 0
    direct = rows["test_it.py::test_direct"]
    assert direct["verdicts"] == {"ok": 1}
    assert 0 <= direct["worst"] < 1
    assert rows["test_it.py::test_wrong"]["wrong"] == 1
    assert "3 rows, 1 proved a fault" in out


def test_the_report_as_markdown(tmp_path: Path) -> None:
    _, out = session(tmp_path, SUITE, "--gradcheck-report=md", "-k", "not wrong")
    text = (tmp_path / "gradcheck-report.md").read_text()
    assert text.startswith("| name | checks | verdicts | comparisons |"), out
    assert "| the sine | " in text
    status, out = session(tmp_path, SUITE, "--gradcheck-report=xml")
    assert status == 4
    assert "--gradcheck-report=xml: md, json, or a path" in out


def test_without_a_gpu_a_session_that_requires_one_fails(tmp_path: Path) -> None:
    from minigrad.backend.device import accelerator

    status, out = session(tmp_path, "def test_it(): ...", "--require-gpu")
    if accelerator() is None:
        assert status == 4
        assert "--require-gpu: no GPU is usable: " in out
    else:
        assert status == 0


def test_the_leak_fixture(tmp_path: Path) -> None:
    status, out = session(tmp_path, LEAKS)
    assert status == 1
    assert "1 failed, 3 passed, 1 error" in out, out
    assert "the test left behind: 1 tensor(s)" in out
    assert "ERROR test_it.py::test_leaky" in out
    assert "ERROR test_it.py::test_fails_by_itself" not in out


def test_profiles_can_be_chosen(tmp_path: Path) -> None:
    suite = (
        "from hypothesis import settings\n"
        "def test_it():\n"
        "    assert (settings().max_examples, settings().deadline) == (1000, None)\n"
    )
    status, out = session(tmp_path, suite, "--hypothesis-profile=minigrad-intense")
    assert status == 0, out


def test_paths_of_the_report() -> None:
    assert target_of("json") == Path("gradcheck-report.json")
    assert target_of("a/b.md") == Path("a/b.md")
    with pytest.raises(pytest.UsageError):
        target_of("a/b.txt")


def test_rows_merge() -> None:
    one, two = Recorder(), Recorder()
    one.rows["a"] = Row("a", {"ok": 2}, 10, 0.25)
    two.rows["a"] = Row("a", {"ok": 1, "wrong": 1}, 3, float("inf"), 1)
    one.merge(two.as_list())
    (row,) = one.as_list()
    assert row == {"name": "a", "checks": 4, "verdicts": {"ok": 3, "wrong": 1}, "wrong": 1, "worst": None,
                   "comparisons": 13}  # fmt: skip
    assert markdown([row]).splitlines()[-1] == "| a | 4 | 3 ok, 1 wrong (**1 faults**) | 13 | inf |"
