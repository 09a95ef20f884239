"""How an array lies in memory: the values are the same, the strides are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend.array import to_device
from ..backend.device import provider_for

Shape = tuple[int, ...]

LAYOUTS = ("contiguous", "transposed", "sliced", "reversed", "broadcast", "size-0", "0-d")
"""C order; axes reversed; every second element; a negative stride; a stride of 0; no elements; no axes."""

_FITS: dict[str, Callable[[Shape], bool]] = {
    "contiguous": lambda shape: True,
    "transposed": lambda shape: 0 not in shape and sum(n > 1 for n in shape) >= 2,
    "sliced": lambda shape: 0 not in shape and len(shape) > 0 and shape[-1] > 1,
    "reversed": lambda shape: 0 not in shape and len(shape) > 0 and shape[0] > 1,
    "broadcast": lambda shape: 0 not in shape and len(shape) > 0 and shape[0] > 1,
    "size-0": lambda shape: 0 in shape,
    "0-d": lambda shape: shape == (),
}


def fits(layout: str, shape: Shape) -> bool:
    """Whether arrays of a shape can be laid out so, and would differ from a contiguous one."""
    return _FITS[layout](shape)


def lay_out(array: np.ndarray, layout: str, device: str) -> Any:
    """The values on a device in another memory layout, by one copy; "broadcast" repeats the first row.

    Args:
        array: on the host.
        layout: one of LAYOUTS that fits its shape.
        device: full label.

    Returns:
        A raw array, of the same values but for "broadcast".
    """
    if layout == "transposed":
        return to_device(array.T.copy(), device).T
    if layout == "sliced":
        return to_device(np.repeat(array, 2, axis=-1), device)[..., ::2]
    if layout == "reversed":
        return to_device(array[::-1].copy(), device)[::-1]
    if layout == "broadcast":
        return provider_for(device).xp.broadcast_to(to_device(array[:1].copy(), device), array.shape)
    return to_device(np.array(array), device)
