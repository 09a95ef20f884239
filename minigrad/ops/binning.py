"""Counting into bins: differentiable in the weights and the edges, not in which bin an element falls into."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from ..errors import DTypeError, ShapeError
from .comparison import equal
from .joining import as_arrays
from .reduce import max as _max
from .reduce import min as _min
from .shape import reshape
from .where import where as select

NUMPY = ("bincount", "histogram", "histogram_bin_edges", "digitize")


def _bincount(xp: Any, x: Any, weights: Any, *, minlength: int) -> Any:
    return xp.bincount(x, weights=weights, minlength=minlength)


bincount_ = Op("bincount", _bincount, saves=(0,))
bincount_.defvjp(None, lambda g, out, x, weights, *, minlength: g[x])


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer occurs, or the sum of its weights: out[k] = sum(weights[x == k]).

    Args:
        x: (n,) integers that are not negative.
        weights: (n,); a gradient flows to them.
        minlength: least length of the result.

    Returns:
        (max(x) + 1,) integers, or float64 of weights: an array, or a Tensor where an argument is one.

    Raises:
        DTypeError: x is not integers.
    """
    x, *rest = as_arrays("bincount", [x] if weights is None else [x, weights])
    if x.dtype.kind not in "iub" and x.size:
        raise DTypeError(f"bincount: x must be integers, got dtype {x.dtype}")
    return bincount_(x if x.size else x.astype(np.intp), rest[0] if rest else None, minlength=minlength)


digitize_ = Op(
    "digitize", lambda xp, x, bins, *, right: xp.digitize(x, bins, right=right), saves=(), differentiable=False
)


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """The number of the bin that each element falls into; carries no gradient.

    Args:
        x: array or Tensor.
        bins: (n,) edges, ascending or descending.
        right: whether bins include their right edge instead of the left one.

    Returns:
        Integers of the shape of x, from 0 to n: an array, or a Tensor where an argument is one.
    """
    return digitize_(*as_arrays("digitize", (x, bins)), right=right)


# --- histograms -----------------------------------------------------------------------------------------------------


def _histogram(xp: Any, a: Any, weights: Any, edges: Any, *, bins: Any, range: Any, density: bool) -> Any:
    return xp.histogram(a, bins if edges is None else edges, range=range, density=density, weights=weights)


histogram_ = Op("histogram", _histogram, saves=(), differentiable=False)


def _found_edges(xp: Any, a: Any, weights: Any, edges: Any, *, bins: Any, range: Any) -> Any:
    if xp is np:
        return np.histogram_bin_edges(a, bins if edges is None else edges, range, weights)
    return xp.histogram(a, bins if edges is None else edges, range=range)[1]


found_edges_ = Op("histogram_bin_edges", _found_edges, saves=(), differentiable=False)

ramp_ = Op(
    "ramp",
    lambda xp, like: xp.linspace(0.0, 1.0, like.shape[0], dtype=like.dtype),
    saves=(),
    differentiable=False,
    doc="Numbers from 0 to 1 in equal steps, as many as there are elements in a vector.",
)
spaced_ = Op(
    "spaced",
    lambda xp, low, high, *, n: xp.linspace(low, high, n, dtype=low.dtype),
    saves=(),
    doc="n numbers from low to high in equal steps.",
)
spaced_.defvjp(
    lambda g, out, low, high, *, n: (g * (1 - ramp_(g))).sum(), lambda g, out, low, high, *, n: (g * ramp_(g)).sum()
)

# NumPy decides by the edges, not by the arithmetic that finds a bin quickly: so does a search among them.
bin_of_ = Op(
    "bin_of",
    lambda xp, a, edges: xp.where(
        (a >= edges[0]) & (a <= edges[-1]),
        xp.minimum(xp.searchsorted(edges, a, side="right") - 1, edges.shape[0] - 2),
        edges.shape[0] - 1,
    ),
    saves=(),
    differentiable=False,
    doc="The bin of a histogram that each element falls into; one past the last for those outside.",
)


def _tracked(*xs: Any) -> bool:
    return any(isinstance(x, Variable) and x._node is not None for x in xs)


def _arguments(name: str, a: Any, bins: Any, weights: Any) -> tuple[Any, Any, Any, Any]:
    """The data, their weights and edges on one device; or in place of edges how to find them."""
    many = (hasattr(bins, "shape") and bins.shape != ()) or isinstance(bins, (list, tuple))
    if isinstance(bins, Variable) and not many:
        bins = lift(bins._data)
    arrays = {"a": a, **({} if weights is None else {"weights": weights}), **({"edges": bins} if many else {})}
    found = dict(zip(arrays, as_arrays(name, list(arrays.values())), strict=True))
    if weights is not None and found["weights"].shape != found["a"].shape:
        raise ShapeError(f"{name}: weights of shape {found['weights'].shape} for data of shape {found['a'].shape}")
    return found["a"], found.get("weights"), found.get("edges"), None if many else bins


def _edges(a: Any, weights: Any, edges: Any, bins: Any, range: Any) -> Any:
    """The edges of a histogram; those between the least and the largest element follow these two."""
    if _tracked(edges):
        return edges
    if edges is not None or range is not None or isinstance(bins, str) or not a.size or not _tracked(a):
        return found_edges_(a, weights, edges, bins=bins, range=range)
    low, high = _min(a), _max(a)
    same = equal(low, high)
    return spaced_(select(same, low - 0.5, low), select(same, high + 0.5, high), n=int(bins) + 1)


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Any, Any]:
    """How many elements, or what sum of weights, fall into each bin.

    The counts are a step function of the elements; gradients flow to the weights, and through the edges, by which a
    density is divided, to the least and the largest element.

    Args:
        a: array or Tensor, taken flat.
        bins: number of bins of one width, their edges, or a name of one of NumPy's rules (on the CPU).
        range: (least, largest) edge; None takes those of the elements.
        density: divide by the total and the widths of the bins.
        weights: of the shape of a.

    Returns:
        Counts (n,) and edges (n + 1,): arrays, or Tensors where an argument is one.
    """
    a, weights, edges, bins = _arguments("histogram", a, bins, weights)
    if not _tracked(a, weights, edges):
        return histogram_(a, weights, edges, bins=bins, range=range, density=bool(density))
    edges = _edges(a, weights, edges, bins, range)
    n = edges.shape[0] - 1
    places = reshape(bin_of_(a, edges), -1)
    counts = bincount_(places, None if weights is None else reshape(weights, -1), minlength=n + 1)[:n]
    if weights is not None and counts.dtype != weights.dtype:
        counts = counts.astype(weights.dtype)
    if density:
        widths = edges[1:] - edges[:-1]
        counts = counts / (widths if widths.dtype == np.float64 else widths.astype(np.float64)) / counts.sum()
    return counts, edges


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges that `histogram` would use; they carry the gradient of the least and the largest element.

    Args:
        a: array or Tensor, taken flat.
        bins: as for `histogram`.
        range: as for `histogram`.
        weights: of the shape of a; no edges depend on them today.

    Returns:
        (n + 1,): an array, or a Tensor where an argument is one.
    """
    return _edges(*(_arguments("histogram_bin_edges", a, bins, weights)), range)
