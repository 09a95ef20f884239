"""Snapshot of CuPy's callable surface, from which the strict device knows what CuPy has and takes.

    pip install cupy-cuda13x                     # the wheel is enough: no GPU, no driver, no toolkit
    python tests/strict/generate_surface.py      # writes cupy_surface.json beside this file

Run it again when CuPy is upgraded, and look at the difference. Where CuPy is importable, a test does.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

TARGET = Path(__file__).resolve().with_name("cupy_surface.json")
UFUNC_KEYWORDS = ["out", "dtype", "casting"]
"""No where=: CuPy refuses it, and compiled calls do not say what they take."""


def signature(function: Any, ufunc: type) -> dict[str, Any]:
    """What may be passed to a callable; no "params" where nothing readable says so."""
    if isinstance(function, ufunc):
        return {"kind": "ufunc", "nin": function.nin, "nout": function.nout, "types": list(function.types)}  # type: ignore[attr-defined]
    try:
        found = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        return _from_docstring(function)
    plain = [p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"]
    entry: dict[str, Any] = {"kind": "function", "params": plain}
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        entry["any_number"] = True
    if any(p.kind is p.VAR_KEYWORD for p in found):
        entry["any_keyword"] = True
    keyword_only = [p.name for p in found if p.kind is p.KEYWORD_ONLY]
    if keyword_only:
        entry["keyword_only"] = keyword_only
    return entry


def _from_docstring(function: Any) -> dict[str, Any]:
    """Compiled methods carry their signature on the first line of the docstring."""
    first = ((getattr(function, "__doc__", "") or "").strip().splitlines() or [""])[0]
    match = re.match(r"[\w.]+\((.*)\)", first)
    if not match:
        return {"kind": "function"}
    parts = [p.strip() for p in match.group(1).split(",")]
    names = [p.split("=")[0].split()[-1] for p in parts if p and p not in "*/"]
    entry: dict[str, Any] = {
        "kind": "function",
        "params": [n for n in names if n != "self" and not n.startswith("*")],
    }
    if any(re.match(r"\*\w", n) for n in names):
        entry["any_number"] = True
    if any(n.startswith("**") for n in names):
        entry["any_keyword"] = True
    return entry


def _functions(module: ModuleType, prefix: str, ufunc: type) -> dict[str, Any]:
    found = {}
    for name in dir(module):
        value = getattr(module, name)
        if not name.startswith("_") and not inspect.isclass(value) and callable(value):
            found[prefix + name] = signature(value, ufunc)
    return found


def _names(module: ModuleType) -> list[str]:
    """Constants and classes."""
    return [
        name
        for name in dir(module)
        if not name.startswith("_")
        and (inspect.isclass(value := getattr(module, name)) or not callable(value))
        and not inspect.ismodule(value)
    ]


def surface() -> dict[str, Any]:
    """The snapshot of the CuPy that is installed here."""
    import cupy

    ufunc = cupy.ufunc
    methods = {}
    for name in dir(cupy.ndarray):
        if not name.startswith("_") or name.startswith("__"):
            value = getattr(cupy.ndarray, name)
            methods[name] = signature(value, ufunc) if callable(value) else {"kind": "attribute"}
    functions = {
        **_functions(cupy, "", ufunc),
        **_functions(cupy.linalg, "linalg.", ufunc),
        **_functions(cupy.random, "random.", ufunc),
    }
    return {"version": cupy.__version__, "names": _names(cupy), "functions": functions, "methods": methods}


def text(found: dict[str, Any]) -> str:
    """The file's text: one entry a line, so that a difference is read as one."""
    lines = ["{"]
    for part in ("functions", "methods"):
        lines.append(f'"{part}": {{')
        entries = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(found[part].items())]
        lines += [e + "," for e in entries[:-1]] + [entries[-1], "},"]
    lines += [f'"names": {json.dumps(sorted(found["names"]))},', f'"version": {json.dumps(found["version"])}', "}"]
    return "\n".join(lines) + "\n"


def load() -> dict[str, Any]:
    """The committed snapshot."""
    found: dict[str, Any] = json.loads(TARGET.read_text("utf-8"))
    return found


if __name__ == "__main__":
    found = surface()
    TARGET.write_text(text(found), "utf-8")
    unreadable = [
        name
        for part in ("functions", "methods")
        for name, entry in found[part].items()
        if entry["kind"] == "function" and "params" not in entry
    ]
    print(
        f"CuPy {found['version']}: {len(found['functions'])} functions, {len(found['methods'])} array attributes, "
        f"{len(found['names'])} other names; no readable signature for {len(unreadable)}: {' '.join(unreadable)}"
    )
