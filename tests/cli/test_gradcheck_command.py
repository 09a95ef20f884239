"""python -m minigrad gradcheck: verdicts, exit statuses, and one line for whatever cannot be checked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Run

MODULE = """
import numpy as np
import minigrad as mg

def loss(x, w):
    return np.sum(np.tanh(x @ w))

cube = mg.Op("cube", lambda xp, x: x**3).defvjp(lambda g, out, x: g * 2.0 * x * x)

class rules:
    half = staticmethod(lambda x: x * 0.5)

def root(x):
    return mg.sqrt(x)

number = 3

def fails(x):
    raise ZeroDivisionError("of its own")
"""


@pytest.fixture
def mine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module `mine` of functions to check."""
    (folder / "mine.py").write_text(MODULE)
    (folder / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(folder))
    for name in ("mine", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_a_right_function(run: Run, mine: Path) -> None:
    done = run("gradcheck", "mine:loss", "--shape", "3,4", "--shape", "4")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("mine:loss(float64[3, 4], float64[4]) on cpu: ok\n\n| argument | order |")
    assert re.search(r"\d+ comparisons; the worst used \d", done.out)


@pytest.mark.parametrize(
    "options",
    [("--order", 1), ("--dtype", "float32"), ("--oracle", "taylor"), ("--seed", 7), ("--device", "auto"),
     ("--low", 0.5, "--high", 1), ("--away-from", 0.5, -0.5, "--distance", 0.25), ("--shape", "()")],
    ids=str,
)  # fmt: skip
def test_options(run: Run, mine: Path, options: tuple[object, ...]) -> None:
    f = "minigrad:add" if "--shape" in options else "minigrad:tanh"
    done = run("gradcheck", f, "--shape", 3, *options)
    assert (done.status, done.err) == (0, "")


def test_a_wrong_function(run: Run, mine: Path) -> None:
    done = run("gradcheck", "mine:cube", "--shape", 2)
    assert done.status == 1
    assert done.err == ""
    assert "wrong gradient of argument 0, entry (0,), order 1" in done.out
    program = done.out.partition("To see it again:\n\n")[2]
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=mine)
    assert again.returncode == 1
    assert "WrongGradientError" in again.stderr, again.stderr


def test_a_dotted_name(run: Run, mine: Path) -> None:
    assert run("gradcheck", "mine:rules.half", "--shape", "2,2").status == 0


def test_outside_the_domain(run: Run, mine: Path) -> None:
    call = ("gradcheck", "mine:root", "--shape", 3)
    done = run(*call)
    assert done.status == 1
    assert "not finite" in done.out
    assert run(*call, "--allow", "domain").status == 0
    assert run(*call, "--low", 0).status == 0


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ("mine:loss", "required: --shape"),
        ("mine --shape 2", "mine: MODULE:FUNCTION is due, as in mymodule:loss"),
        ("mine: --shape 2", "MODULE:FUNCTION is due"),
        ("nowhere:f --shape 2", "nowhere: cannot be imported: No module named 'nowhere'"),
        ("broken:f --shape 2", "broken: cannot be imported: ZeroDivisionError: division by zero"),
        ("mine:los --shape 2", r"mine has no function 'los'; is it loss\?"),
        ("mine:number --shape 2", "mine:number is a int, not a function"),
        ("mine:fails --shape 2", "mine:fails failed: ZeroDivisionError: of its own"),
        ("mine:loss --shape 2", r"mine:loss failed: TypeError: loss\(\) missing 1"),
        ("mine:loss --shape 2,x", "--shape: lengths with commas between are due, as in 3,4; got '2,x'"),
        ("mine:loss --shape 1000,1000", "65536 elements at most"),
        ("mine:loss --shape 2,-1", "lengths from 0"),
        ("mine:root --shape 2 --low 2 --high 1", "--low 2 must be below --high 1"),
        ("mine:root --shape 9 --low 0 --high 0.001", "too narrow for 9 distinct elements; move --low"),
        ("mine:root --shape 2 --order 0", "--order: an integer >= 1 is due, got '0'"),
        ("mine:root --shape 2 --oracle luck", "invalid choice: 'luck'"),
        ("mine:root --shape 2 --device tpu", "unknown device 'tpu'"),
        ("mine:rules --shape 2 --dtype int8", "invalid choice: 'int8'"),
    ],
)
def test_bad_input(run: Run, mine: Path, arguments: str, pattern: str) -> None:
    done = run("gradcheck", *arguments.split())
    assert done.status == 2
    assert re.fullmatch(r"minigrad: error: [^\n]+\n", done.err), done.err
    assert re.search(pattern, done.err), done.err
    assert done.out == ""


def test_oracles_are_those_of_the_kit() -> None:
    from minigrad.cli.gradcheck import ORACLES
    from minigrad.testing.oracles import oracle_named

    assert [oracle_named(name).name for name in ORACLES] == list(ORACLES)
