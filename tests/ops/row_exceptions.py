"""Rows that are not like the others on a device: name -> why. A module of rows may have such tables of its own."""

from __future__ import annotations

from types import ModuleType

import rows


def _beside_the_rows(table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for module in vars(rows).values():
        if isinstance(module, ModuleType):
            found |= vars(module).get(table, {})
    return found


CPU_BOUND = _beside_the_rows("CPU_BOUND") | {
    "clip by arrays": "its bounds are NumPy arrays of the row's own, which no device takes",
}
"""They cannot run on a device."""
MOVING = _beside_the_rows("MOVING") | {"to_device": "it moves its result to the CPU by itself"}
"""Their results are on the CPU."""
WAITING = _beside_the_rows("WAITING") | dict.fromkeys(("lstsq", "lstsq, x", "lstsq's rank"), "CuPy looks at the rank")
"""They may wait for the device."""
