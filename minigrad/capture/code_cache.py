"""Compiled code on disk: a second process that captures the same step does not compile it again.

The source of each step is a module in the user's cache folder, or in MINIGRAD_CACHE, named by what it says and by the
versions of all that compiles it; numba keeps the machine code beside it, by processor. Where nothing can be written
(or MINIGRAD_CACHE is empty) the code is compiled for this process alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import GraphWarning, require
from ..version import __version__

KEPT = 200
"""Modules kept on disk; when there are more, the oldest go."""
OPTIONS: dict[str, Any] = {
    # nan and infinity stay what they are, and sums keep their order but for those that say otherwise
    "fastmath": {"contract", "nsz", "arcp"},
    "error_model": "numpy",
    "nogil": True,
}
_OWN = ("native.py", "compiled_math.py", "flushing.py", "small_products.py", "transposition.py")
"""Files of this package whose content goes into compiled code."""

Compiled = Callable[[Any], int]


def folder() -> Path | None:
    """Where code is kept: MINIGRAD_CACHE, else the user's cache folder; None where nothing is to be kept."""
    named = os.environ.get("MINIGRAD_CACHE")
    if named is not None:
        return Path(named) if named else None
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "minigrad" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "minigrad"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "minigrad"


def compiled(source: str, names: Sequence[str]) -> list[Compiled]:
    """The functions of a module of source, compiled.

    Args:
        source: defines them; each takes the table of addresses and returns an integer.
        names: of the functions.

    Returns:
        The functions, in order.
    """
    numba: Any = require("numba", "fast", "A compiled step")
    types: Any = require("numba.core.types", "fast", "A compiled step")
    signature = types.int64(types.Array(types.int64, 1, "C"))
    path = _written(source, numba.__version__)
    if path is not None:
        try:
            module = _imported(path)
            return [numba.njit(signature, cache=True, **OPTIONS)(module[name]) for name in names]
        except Exception as error:  # whatever is wrong with a file there
            warnings.warn(f"compiled code is not kept in {path.parent}: {error}", GraphWarning, stacklevel=2)
        finally:
            sys.modules.pop(path.stem, None)
    env: dict[str, Any] = {"__name__": "minigrad_step"}
    exec(compile(source, "<captured step>", "exec"), env)
    return [numba.njit(signature, **OPTIONS)(env[name]) for name in names]


def _written(source: str, numba_version: str) -> Path | None:
    """The file of a source, written if it is not there; None where that cannot be."""
    place = folder()
    if place is None:
        return None
    own = [(Path(__file__).parent / name).read_bytes() for name in _OWN]
    key = hashlib.sha256(b"\0".join([source.encode(), __version__.encode(), numba_version.encode(), *own]))
    path = place / f"minigrad_step_{key.hexdigest()[:32]}.py"
    try:
        if not path.exists() or path.read_text("utf-8") != source:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_room(place)
            with tempfile.NamedTemporaryFile("w", dir=place, suffix=".tmp", delete=False, encoding="utf-8") as file:
                file.write(source)
            os.replace(file.name, path)  # whole or not at all, whoever else writes it now
    except OSError:
        return None
    return path


def _make_room(place: Path) -> None:
    """Delete the oldest modules beyond KEPT, with their machine code."""
    modules = sorted(place.glob("minigrad_step_*.py"), key=lambda p: p.stat().st_mtime)
    for old in modules[: max(len(modules) - KEPT + 1, 0)]:
        for file in (old, *(place / "__pycache__").glob(f"{old.stem}.*")):
            file.unlink(missing_ok=True)


def _imported(path: Path) -> dict[str, Any]:
    spec: Any = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where numba looks for it
    spec.loader.exec_module(module)
    return vars(module)
