"""Rows that may ask a device for a value: name -> why. A module of rows may have such a table of its own."""

from __future__ import annotations

from types import ModuleType

import rows


def _beside_the_rows(table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for module in vars(rows).values():
        if isinstance(module, ModuleType):
            found |= vars(module).get(table, {})
    return found


WAITING = _beside_the_rows("WAITING") | {
    **dict.fromkeys(("lstsq", "lstsq, x", "lstsq's rank"), "CuPy looks at the rank"),
    "to_device": "it copies to the CPU and back",
}
