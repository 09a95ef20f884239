"""What is alive: tensors, graph nodes, bytes of a GPU's memory pool. The fixture no_leaks compares two counts."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..backend.device import accelerator
from ..backend.spec import Spec
from ..core.variable import Variable


@dataclass(frozen=True)
class Baseline:
    """How much was alive at a time.

    Args:
        tensors: Tensors.
        nodes: entries of the tape, those of leaves among them.
        pool_bytes: bytes in use of the memory pool of the current GPU; 0 where there is none.
    """

    tensors: int
    nodes: int
    pool_bytes: int

    @classmethod
    def now(cls) -> Baseline:
        """Count, after a collection: cycles are no leak."""
        gc.collect()
        # by type(): isinstance would ask every object for its __class__, which the proxies of other libraries act on
        kinds = Counter(type(o) for o in gc.get_objects())
        tensors = sum(n for kind, n in kinds.items() if issubclass(kind, Variable))
        nodes = sum(n for kind, n in kinds.items() if issubclass(kind, Spec))
        return cls(tensors, nodes, _pool_bytes())

    def left(self) -> str:
        """What there is more now, in words; "" where nothing is."""
        now = Baseline.now()
        names = (("tensors", "tensor(s)"), ("nodes", "graph node(s)"), ("pool_bytes", "byte(s) of the GPU's pool"))
        more = [(getattr(now, name) - getattr(self, name), text) for name, text in names]
        return ", ".join(f"{n} {text}" for n, text in more if n > 0)


def _pool_bytes() -> int:
    provider = accelerator()
    pool: Any = None if provider is None else getattr(provider.xp, "get_default_memory_pool", None)
    return 0 if pool is None else int(pool().used_bytes())
