"""Arrays and tensors by dtype, shape, device and memory layout, with every number at a distance from trouble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...backend.device import resolve_device
from ...core.variable import wrap
from ...tensor import Tensor
from ..memory_layouts import LAYOUTS, fits, lay_out
from .grid import chosen, grid_points
from .shapes import Shape, shapes

ANY = "any"


def arrays(
    dtype: Any = "float64",
    shape: Any = None,
    *,
    device: str = "cpu",
    layout: str | Sequence[str] = "contiguous",
    low: float = -4.0,
    high: float = 4.0,
    away_from: Sequence[float] = (),
    distance: float = 1 / 8,
    min_gap: float = 0.0,
    unique: bool = True,
    nonzero: bool = True,
    offset: float = 0.0,
) -> st.SearchStrategy[Any]:
    """Raw arrays on a device.

    Args:
        dtype: a dtype or a strategy of dtypes; floating-point numbers lie on a dyadic grid.
        shape: a shape, a length, or a strategy of them; None is `shapes()`, of those that the layout allows.
        device: label; "auto" is the GPU where there is one.
        layout: one of LAYOUTS, a sequence of them, or "any".
        low, high: bounds, exclusive for floating-point numbers.
        away_from: kinks: no number is closer to one of them than `distance`.
        distance: how far from the kinks.
        min_gap: the least difference between two elements; the layout "broadcast", which makes ties, is then left
            out of "any".
        unique: no two elements are equal, but for the layout "broadcast" and for dtypes without fractions.
        nonzero: no element is 0.
        offset: of the grid, in steps; see `grid_points`.

    Returns:
        A strategy.

    Raises:
        ValueError: an unknown layout, or, when drawing, bounds too narrow for so many numbers.
    """
    names = _names(layout, min_gap)
    label = resolve_device(device)
    away = tuple(float(a) for a in away_from)
    if min_gap and not unique:
        raise ValueError("arrays: min_gap asks for distinct elements, unique=False allows equal ones")
    if not low < high:
        raise ValueError(f"arrays: low={low!r} must be below high={high!r}")

    def of_size(size: int) -> np.ndarray:
        return grid_points(
            float(low), float(high), size if unique else 1, away_from=away, distance=distance, min_gap=min_gap,
            nonzero=nonzero, offset=offset,
        )  # fmt: skip

    @st.composite
    def build(draw: Any) -> Any:
        layout, sides = _layout_and_shape(draw, names, shape)
        chosen_dtype = np.dtype(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
        size = int(np.prod(sides, dtype=int))
        if chosen_dtype.kind == "b":
            values = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
        elif chosen_dtype.kind in "iu":
            values = _integers(draw, chosen_dtype, size, low, high, away, distance, nonzero)
        else:
            values = chosen(draw, of_size(size), size, unique)
        return lay_out(values.reshape(sides).astype(chosen_dtype), layout, label)

    return build()


def tensors(
    dtype: Any = "float64", shape: Any = None, *, requires_grad: bool = True, **options: Any
) -> st.SearchStrategy[Tensor]:
    """Tensors around such arrays, in their memory layout.

    Args:
        dtype: a dtype or a strategy of dtypes.
        shape: a shape, a length, or a strategy of them.
        requires_grad: whether they collect a gradient, where the dtype allows it.
        **options: further arguments of `arrays`.

    Returns:
        A strategy.
    """

    def tensor(array: Any) -> Any:
        made = wrap(array)
        if requires_grad and array.dtype.kind == "f":
            made.requires_grad = True
        return made

    return arrays(dtype, shape, **options).map(tensor)


def _names(layout: str | Sequence[str], min_gap: float) -> tuple[str, ...]:
    if layout == ANY:
        return tuple(name for name in LAYOUTS if not (min_gap and name == "broadcast"))
    names = (layout,) if isinstance(layout, str) else tuple(layout)
    unknown = [name for name in names if name not in LAYOUTS]
    if unknown or not names:
        raise ValueError(f"arrays: layout must be {ANY!r} or among {', '.join(LAYOUTS)}; got {layout!r}")
    return names


def _layout_and_shape(draw: Any, names: tuple[str, ...], shape: Any) -> tuple[str, Shape]:
    if shape is None:
        layout = draw(st.sampled_from(names)) if len(names) > 1 else names[0]
        return layout, draw(_SHAPES[layout])
    sides = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    sides = (int(sides),) if isinstance(sides, (int, np.integer)) else tuple(int(n) for n in sides)
    able = [name for name in names if fits(name, sides)]
    if not able:
        raise ValueError(f"arrays: an array of shape {sides} cannot be laid out as {' or '.join(names)}")
    return (draw(st.sampled_from(able)) if len(able) > 1 else able[0]), sides


_SHAPES: dict[str, Any] = {
    "contiguous": shapes(),
    "transposed": shapes(min_dims=2, min_side=1).filter(lambda s: fits("transposed", s)),
    "sliced": shapes(min_dims=1, min_side=1).filter(lambda s: fits("sliced", s)),
    "reversed": shapes(min_dims=1, min_side=1).filter(lambda s: fits("reversed", s)),
    "broadcast": shapes(min_dims=1, min_side=1).filter(lambda s: fits("broadcast", s)),
    "size-0": st.tuples(shapes(max_dims=1), shapes(max_dims=1)).map(lambda two: (*two[0], 0, *two[1])),
    "0-d": st.just(()),
}


def _integers(
    draw: Any,
    dtype: np.dtype,
    size: int,
    low: float,
    high: float,
    away: tuple[float, ...],
    distance: float,
    nonzero: bool,
) -> np.ndarray:
    start = max(int(np.ceil(low)), int(np.iinfo(dtype).min))
    stop = min(int(np.floor(high)), int(np.iinfo(dtype).max))
    numbers = [n for n in range(start, stop + 1) if (n or not nonzero) and all(abs(n - a) >= distance for a in away)]
    if size and not numbers:
        raise ValueError(f"arrays: no integer lies between {low} and {high}, away from {away}")
    points = np.array(sorted(numbers, key=lambda n: (abs(n), n < 0)) or [0])
    return chosen(draw, points, size, unique=False)
