"""What NumPy's functions about shapes, dtypes and memory answer for Tensors: plain Python values and NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import HOST, provider_of
from ..backend.recording import lift
from ..core.variable import Variable
from .arguments import Axis, normalize_axis
from .index import raw


def _shape(a: Any) -> tuple[int, ...]:
    return a.shape


def _ndim(a: Any) -> int:
    return len(a.shape)


def _size(a: Any, axis: Axis = None) -> int:
    axes = normalize_axis("size", axis, len(a.shape))
    count = 1
    for i, n in enumerate(a.shape):
        count *= n if axes is None or i in axes else 1
    return count


def _kind(x: Any) -> Any:
    """What stands for an operand where only its dtype matters."""
    return x._data.dtype if isinstance(x, Variable) else x


def _result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*map(_kind, arrays_and_dtypes))


def _can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(_kind(from_), to, casting)


def _common_type(*arrays: Any) -> Any:
    alike: list[Any] = [np.empty(0, _kind(x)) if isinstance(x, Variable) else x for x in arrays]
    return np.common_type(*alike)


def _min_scalar_type(a: Any, /) -> Any:
    return np.min_scalar_type(a.item()) if a.ndim == 0 else a.dtype


def _is_complex(x: Any) -> bool:
    return False  # Tensors hold real numbers


def _is_real(x: Any) -> bool:
    return True


def _overlap(name: str) -> Callable[..., bool]:
    def answer(a: Any, b: Any, /, max_work: Any = None) -> bool:
        x, y = raw(a), raw(b)
        provider = provider_of(x) or HOST
        if (provider_of(y) or HOST) is not provider:
            return False
        return bool(
            getattr(provider.xp, name)(x, y) if max_work is None else getattr(provider.xp, name)(x, y, max_work)
        )

    return answer


def _of_shape(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that looks at no more of its array than the shape."""

    def answer(arr: Any, *args: Any, **kwargs: Any) -> Any:
        return function(np.broadcast_to(np.int8(0), arr.shape), *args, **kwargs)

    return answer


def _ix(*args: Any) -> tuple[Any, ...]:
    return np.ix_(*(to_host(lift(a._data)) if isinstance(a, Variable) else a for a in args))


NUMPY_OTHER: dict[Callable[..., Any], Callable[..., Any]] = {
    np.shape: _shape,
    np.ndim: _ndim,
    np.size: _size,
    np.result_type: _result_type,
    np.can_cast: _can_cast,
    np.common_type: _common_type,
    np.min_scalar_type: _min_scalar_type,
    np.iscomplexobj: _is_complex,
    np.isrealobj: _is_real,
    np.may_share_memory: _overlap("may_share_memory"),
    np.shares_memory: _overlap("shares_memory"),
    np.ix_: _ix,
    np.tril_indices_from: _of_shape(np.tril_indices_from),
    np.triu_indices_from: _of_shape(np.triu_indices_from),
    np.diag_indices_from: _of_shape(np.diag_indices_from),
}
"""NumPy's function -> the one that answers for Tensors. None of them gives a Tensor."""
