"""A failed check as a few lines of Python that fail in the same way."""

from __future__ import annotations

import base64
import inspect
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import device_of, provider_of
from ..core.op import Op
from .oracles import ORACLES, Oracle
from .tape import raw_of

_WRITTEN_OUT = 64
"""Larger arrays are compressed."""


def snippet(f: Callable[..., Any], xs: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Python text that calls gradcheck as it was called.

    Args:
        f: the function; where it cannot be imported (a lambda, a closure), the text expects the name `f`.
        xs: its arguments.
        options: keyword arguments of gradcheck, without those left at their default.

    Returns:
        A program; where a comment says so, with names that the reader must define first.
    """
    arguments = [f"x{i} = {_argument(f'x{i}', raw_of(x))}" for i, x in enumerate(xs)]
    body = "\n".join(arguments)
    imports = [f"import {name}" for name in ("base64", "zlib") if f"{name}." in body]
    imports += [*([""] if imports else []), "import numpy as np", ""]
    imports += ["import minigrad as mg"] if "mg." in body else []
    names = ", ".join(["f", *(f"x{i}" for i in range(len(xs)))])
    chosen = "".join(f", {name}={_option(name, value)}" for name, value in options.items())
    lines = [*imports, "from minigrad.testing import gradcheck", *_function(f), "", *arguments]
    return "\n".join([*lines, f"print(gradcheck({names}{chosen}))", ""])


def _function(f: Callable[..., Any]) -> list[str]:
    module, name = _home(f)
    if module:
        return [f"from {module} import {name} as f"]
    code = getattr(f, "__code__", None)
    where = f" ({code.co_filename}, line {code.co_firstlineno})" if code is not None else ""
    return [f"# define f here: {getattr(f, '__qualname__', repr(f))}{where}"]


def _home(f: Callable[..., Any]) -> tuple[str, str]:
    """The module and the name that f can be imported by, or two empty strings."""
    if isinstance(f, Op):
        ours = [name for name in sys.modules if name.startswith("minigrad.ops.")]
        for name in ["minigrad", *sorted(ours), str(getattr(f.forward, "__module__", ""))]:
            module = sys.modules.get(name)
            for attribute, value in vars(module).items() if _importable(module) else ():
                if value is f and attribute.isidentifier():
                    return name, attribute
        return "", ""
    name, attribute = str(getattr(f, "__module__", "")), str(getattr(f, "__qualname__", ""))
    module = sys.modules.get(name)
    known = inspect.isroutine(f) and attribute.isidentifier() and _importable(module)
    return (name, attribute) if known and getattr(module, attribute, None) is f else ("", "")


def _importable(module: ModuleType | None) -> bool:
    return module is not None and module.__name__ != "__main__"


def _argument(name: str, raw: Any) -> str:
    if provider_of(raw) is not None:
        text = _array(np.ascontiguousarray(to_host(raw)).reshape(raw.shape))
        return text if device_of(raw) == "cpu" else f'mg.tensor({text}, device="{device_of(raw)}")'
    if isinstance(raw, np.generic):
        return f"np.{raw.dtype.name}({raw.item()!r})"
    if isinstance(raw, (bool, int, float, str, type(None), tuple, list)):
        return repr(raw)
    return f"{name}  # define it before: {raw!r}"


def _array(host: np.ndarray) -> str:
    dtype = "bool" if host.dtype == bool else f"np.{host.dtype.name}"
    if not host.size:
        return f"np.zeros({host.shape}, {dtype})"
    if host.size <= _WRITTEN_OUT and np.isfinite(host).all():
        return f"np.array({host.tolist()!r}, {dtype})"
    packed = base64.b64encode(zlib.compress(host.tobytes())).decode()
    buffer = f'zlib.decompress(base64.b64decode("{packed}"))'
    return f"np.frombuffer({buffer}, {dtype}).reshape({host.shape}).copy()"


def _option(name: str, value: Any) -> str:
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, Oracle):
        return repr(value.name) if ORACLES.get(value.name) is type(value) else name
    return repr(value) if isinstance(value, (bool, int, float, tuple, type(None))) else name
