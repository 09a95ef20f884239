"""What there is in minigrad.ops, and which operations a call runs."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import minigrad.ops
from minigrad.core.op import Op


@functools.cache
def modules() -> list[ModuleType]:
    return [importlib.import_module(f"minigrad.ops.{m.name}") for m in pkgutil.iter_modules(minigrad.ops.__path__)]


def public_functions() -> dict[str, Any]:
    """module.name -> function, where the module defines it."""
    found = {}
    for module in modules():
        short = module.__name__.rpartition(".")[2]
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                found[f"{short}.{name}"] = value
    return found


@functools.cache
def all_ops() -> dict[str, Op]:
    """Name of the op and of a module that has it -> the op, each once."""
    found: dict[int, tuple[str, Op]] = {}
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, Op):
                found.setdefault(id(value), (f"{value.name} in {module.__name__.rpartition('.')[2]}", value))
    assert len(dict(found.values())) == len(found), "two ops of one name"
    return dict(found.values())


@contextlib.contextmanager
def noting() -> Iterator[set[str]]:
    """The names (keys of `all_ops`) of the operations whose forward runs inside."""
    seen: set[str] = set()

    def noted(name: str, forward: Any) -> Any:
        def wrapper(*args: Any, **params: Any) -> Any:
            seen.add(name)
            return forward(*args, **params)

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for name, op in all_ops().items():
            patch.setattr(op, "forward", noted(name, op.forward))
        yield seen
