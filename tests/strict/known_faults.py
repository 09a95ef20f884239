"""What minigrad does wrong on a device, and where: strict expected failures, to be taken out with the fix."""

from __future__ import annotations

from typing import Any

import pytest

KNOWN = {
    "captured dropout": "backend/fused_kernels.py, keep_mask: the state of the generator is copied to the device",
}


def marks(name: str) -> list[Any]:
    """The marks of a test of this name."""
    return [pytest.mark.xfail(reason=KNOWN[name], strict=True)] if name in KNOWN else []
