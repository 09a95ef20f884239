"""The house rules that a parser can check: import directions, sizes, no assert. minigrad/README.md has the picture."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "minigrad"
MODULES = sorted(PACKAGE.rglob("*.py"))
every_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())

LOWER = {
    "errors": set(),
    "backend": {"errors"},
    "core": {"errors", "backend"},
    "ops": {"errors", "backend", "core"},
    "tensor": {"errors", "backend", "core", "ops"},
    "creation": {"errors", "backend", "core", "ops"},
    "linalg": {"ops"},
    "transforms": {"errors", "backend", "core", "ops", "tensor"},
    "anomaly": {"errors", "backend", "core"},
    "nn": {"errors", "backend", "core", "ops", "tensor"},
    "optim": {"errors", "backend", "core", "tensor"},
    "data": {"errors", "backend", "core", "ops", "tensor"},
    "capture": {"version", "errors", "backend", "core", "tensor", "transforms", "optim"},
    "testing": {"errors", "backend", "core", "ops", "tensor"},
    "io": {"errors", "backend", "tensor"},
    "plots": {"errors"},
    "training": {"errors", "backend", "core", "tensor", "nn", "optim", "data", "io", "capture"},
    "lab": {"errors", "backend", "core", "ops", "tensor", "transforms", "nn", "optim", "data", "io", "testing", "plots",
            "training"},
    "version": set(),
    "bench": {"version", "errors", "backend", "tensor", "nn", "optim", "data", "capture"},
    "cli": {
        "version", "errors", "backend", "tensor", "nn", "optim", "data", "io", "plots", "training", "bench", "testing",
        "lab",
    },
    "__main__": {"cli"},
}  # fmt: skip
"""What each part of the package may import besides itself."""
MORE = {
    "testing/strategies/models.py": {"nn", "optim"},
    "testing/training.py": {"io"},
}
"""What single modules may import besides: random networks and optimizers, and the resume of a training."""
LINES_A_FILE = 400
LINES_OF_CORE = 860


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), path.name)


def imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, node.module] if node.module else parts)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    return imports(tree_of(path), package)


def part_of(name: str) -> str:
    """minigrad.nn.linear.Linear -> nn; "" for the package itself."""
    return [*name.split("."), ""][1]


def wrong_way(part: str, found: Iterator[tuple[int, str]], more: Set[str] = frozenset()) -> list[str]:
    """The imports of a module of `part` that its row in LOWER does not allow."""
    inside = [(line, name) for line, name in found if name.split(".")[0] == "minigrad"]
    return [f"line {line}: {name}" for line, name in inside if part_of(name) not in LOWER[part] | more | {part}]


@every_module
def test_imports_go_one_way(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "__init__":
        return  # the facade sees everything, and nothing below may import it
    assert part in LOWER, f"give minigrad/{part} its row in LOWER, and its place in minigrad/README.md"
    assert wrong_way(part, imports_of(path), MORE.get(path.relative_to(PACKAGE).as_posix(), set())) == []


@pytest.mark.parametrize(
    ("part", "package", "code", "allowed"),
    [
        ("ops", "minigrad.ops", "from ..core.op import Op", True),
        ("ops", "minigrad.ops", "from .reduce import sum", True),
        ("ops", "minigrad.ops", "from . import reduce", True),
        ("ops", "minigrad.ops", "from ..tensor import Tensor", False),
        ("ops", "minigrad.ops", "from .. import tensor", False),
        ("ops", "minigrad.ops", "import minigrad.nn", False),
        ("ops", "minigrad.ops", "import minigrad as mg", False),
        ("ops", "minigrad.ops", "from minigrad import nn", False),
        ("optim", "minigrad.optim", "def f():\n    from ..nn.module import Module", False),
        ("backend", "minigrad.backend", "if TYPE_CHECKING:\n    from ..core.op import Op", False),
        ("data", "minigrad.data", "import numpy as np, os.path", True),
    ],
)
def test_the_rule_sees_what_it_should(part: str, package: str, code: str, allowed: bool) -> None:
    assert (wrong_way(part, imports(ast.parse(code), package)) == []) is allowed


@every_module
def test_numpy_is_the_only_dependency_and_cupy_has_one_door(path: Path) -> None:
    known = set(sys.stdlib_module_names) | {"minigrad"}
    outside = {name.split(".")[0] for _, name in imports_of(path)} - known
    allowed = {"numpy"}
    if path == PACKAGE / "backend" / "device.py":
        allowed |= {"cupy", "cupyx", "cuda"}
    if path.parent == PACKAGE / "testing" / "strategies":  # imported by who draws, and needs.py comes first
        allowed |= {"hypothesis"}
    if path.parent == PACKAGE / "testing" and "plugin" in path.name:  # what pytest itself imports
        allowed |= {"pytest"}
    assert outside <= allowed, "an optional package comes in by minigrad.errors.require"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda p: p.name)
def test_the_core_names_no_numpy(path: Path) -> None:
    names = {n.id for n in ast.walk(tree_of(path)) if isinstance(n, ast.Name)}
    names |= {name.split(".")[0] for _, name in imports_of(path)}
    assert not names & {"np", "numpy", "cupy", "cp"}


@every_module
def test_no_assert_on_what_users_pass(path: Path) -> None:
    assert [n.lineno for n in ast.walk(tree_of(path)) if isinstance(n, ast.Assert)] == []


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_no_file_is_too_long() -> None:
    folders = ("minigrad", "kernels", "tests", "benchmarks", "examples")
    paths = [p for f in folders for end in ("*.py", "*.cu", "*.cuh") for p in (ROOT / f).rglob(end)]
    assert len(paths) > len(MODULES)
    assert {str(p.relative_to(ROOT)): lines(p) for p in paths if lines(p) > LINES_A_FILE} == {}


def test_the_core_stays_small() -> None:
    assert sum(lines(p) for p in (PACKAGE / "core").rglob("*.py")) <= LINES_OF_CORE
