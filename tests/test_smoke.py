"""Run first: what a newcomer does in the first minutes works, and importing minigrad pulls in nothing but NumPy."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import minigrad as mg
from minigrad.errors import OptionalDependencyError, require

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run(*arguments: str) -> str:
    """Run this Python in a process of its own; its output, or a failure that shows what it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_gradient() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_the_readme_has_snippets_and_opens_with_two_commands() -> None:
    assert len(SNIPPETS) >= 3
    commands = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[:2]
    assert [c.count("\n") for c in commands] == [1, 1]
    assert "-m minigrad train" in commands[0]
    assert "pytest" in commands[1]


@pytest.mark.parametrize("code", SNIPPETS, ids=lambda code: code.splitlines()[-1][:30])
def test_the_readme_snippets_run(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_the_examples_run(path: Path) -> None:
    assert run(str(path), "--smoke").strip()


def test_importing_minigrad_imports_numpy_alone() -> None:
    code = (
        "import sys, numpy.random; before = set(sys.modules); import minigrad; "
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    assert run("-c", code).split() == ["minigrad"]


def test_a_missing_package_names_the_extra_that_brings_it() -> None:
    with pytest.raises(OptionalDependencyError, match=r"Plotting needs .*'no_such_package'.*minigrad-cupy\[train\]"):
        require("no_such_package.part", "train", "Plotting")
    declared = metadata.metadata("minigrad-cupy").get_all("Provides-Extra") or []
    assert {"cuda12", "cuda13", "train", "data", "fast", "torch", "test", "dev"} <= set(declared)
