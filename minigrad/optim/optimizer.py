"""The base of every optimizer: groups, flat buffers, state, step. A subclass writes down its formula and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..backend import array as arrays
from ..backend.device import on_device, provider_for
from ..backend.versions import mark_written
from ..errors import ShapeError
from ..tensor import Tensor, as_raw
from .control import ControlTable
from .fused_update import MOST_CLASSES, FusedUpdate, UpdateKernel
from .parameters import Store, pack

CHUNK = 1 << 16
"""Elements an update works on at a time: a chunk of each buffer together stays in the second-level cache."""


class _Class:
    """Parameters of a partition that are updated with the same coefficients: those at the same step count."""

    def __init__(self, step: int, positions: list[int], chunks: list[tuple[Any, ...]], cells: list[Any]) -> None:
        self.step = step
        self.positions = positions
        self.chunks = chunks
        self.cells = cells


class _Partition:
    """The parameters of one group in one store, with the optimizer's state in the same flat layout."""

    def __init__(self, store: Store, parameters: list[Tensor], scratch: int) -> None:
        self.store = store
        self.epoch = store.epoch
        self.parameters = parameters
        self.steps = [0] * len(parameters)
        self.state: dict[str, Any] = {}
        self.names: tuple[str, ...] = ()
        self.xp = provider_for(store.device).xp
        self.live: list[bool] = []
        self.classes: list[_Class] = []
        self.table: ControlTable
        self.fused: FusedUpdate | None = None
        length = min(CHUNK, store.size)
        self._scratch = [arrays.zeros((length,), store.dtype, store.device) for _ in range(scratch)]

    def buffer(self, name: str) -> Any:
        """The flat state buffer of a name, zeros when first asked for."""
        if name not in self.state:
            self.state[name] = arrays.aligned_zeros(self.store.size, self.store.dtype, self.store.device)
            self.live = []  # the chunks lack it
        return self.state[name]

    def settle(self) -> None:
        """Write the classes' step counts back to the parameters."""
        for c in self.classes:
            for i in c.positions:
                self.steps[i] = c.step

    def classify(
        self, live: list[bool], names: tuple[str, ...], columns: Sequence[str], kernel: UpdateKernel | None
    ) -> None:
        """Sort the live parameters into classes of equal step count and lay out the chunks of each."""
        self.settle()
        buffers = [self.store.p, self.store.g, *(self.buffer(name) for name in names)]
        by_step: dict[int, list[int]] = {}
        for i, alive in enumerate(live):
            if alive:
                by_step.setdefault(self.steps[i], []).append(i)
        self.classes = []
        if self.store.device == "cpu" or self.store.dtype != np.float32 or len(by_step) > MOST_CLASSES:
            kernel = None
        for step, positions in by_step.items():
            chunks = []
            for start, stop in self.store.runs(positions) if kernel is None else ():
                for a in range(start, stop, CHUNK):
                    b = min(a + CHUNK, stop)
                    chunks.append((*(x[a:b] for x in buffers), *(s[: b - a] for s in self._scratch)))
            self.classes.append(_Class(step, positions, chunks, [self.parameters[i]._cell for i in positions]))
        self.fused = None
        if kernel is not None and self.classes:
            states = [self.state.get(name) if name in names else None for name in kernel.states]
            members = [c.positions for c in self.classes]
            self.fused = FusedUpdate(kernel, self.store, states, members, len(columns))
        else:
            self.table = ControlTable(columns, len(self.classes), self.store.dtype, self.store.device)
        self.live, self.names = live, names


class Optimizer:
    """Base class. A subclass gives the names of its state and coefficients, the coefficients of a step, the update.

    Args:
        params: leaf tensors, or dicts with "params" and own hyper-parameters (parameter groups).
        defaults: hyper-parameters of groups that do not set their own.

    Raises:
        ValueError: no parameters, a parameter given twice, or a hyper-parameter out of range.
        TypeError: something that is no leaf Tensor.
    """

    columns: ClassVar[tuple[str, ...]]
    """Names of the coefficients that change from step to step."""
    scratch: ClassVar[int] = 2
    """How many temporary chunks `update` takes."""
    kernel: ClassVar[UpdateKernel | None] = None
    """The kernel that does the whole update of float32 parameters on a GPU; without one `update` runs there too."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors or dicts, got a single Tensor: put it in a list")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._partitions: list[list[_Partition]] = []
        self._validated: list[list[Any]] = []
        self._names: list[tuple[str, ...]] = []
        given = list(params)
        for group in given if given and isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    # --- what a subclass writes ---------------------------------------------------------------------------------

    def validate(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError for a hyper-parameter out of range."""
        raise NotImplementedError

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the state buffers that `update` takes under these hyper-parameters."""
        raise NotImplementedError

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The values of `columns` at a step (1 for the first), in double precision."""
        raise NotImplementedError

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        """Update one chunk in place.

        Args:
            xp: the array module.
            group: hyper-parameters, to choose among variants; numbers come from `c`.
            c: coefficients by column name, 0-d arrays.
            p: parameters, flat.
            g: gradients, flat; not to be written.
            *buffers: the state buffers in the order of `state_names`, then `scratch` temporaries.
        """
        raise NotImplementedError

    def kernel_flags(self, group: Mapping[str, Any]) -> int:
        """The bits that tell `kernel` which variant these hyper-parameters ask for."""
        return 0

    # --- what a user calls ----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with their own hyper-parameters.

        Args:
            param_group: "params" and any hyper-parameters; the defaults fill in the rest.
        """
        if "params" not in param_group:
            raise ValueError(f"a parameter group needs the key 'params', got {sorted(param_group)}")
        unknown = sorted(set(param_group) - set(self.defaults) - {"params"})
        if unknown:
            raise ValueError(f"unknown hyper-parameter {unknown[0]!r}; this optimizer has {sorted(self.defaults)}")
        given = param_group["params"]
        members: list[Tensor] = [given] if isinstance(given, Tensor) else list(given)
        if not members:
            raise ValueError("the optimizer got no parameters: is the model empty, or its generator used up?")
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(members):
            if not isinstance(p, Tensor):
                raise TypeError(f"parameter {i} is a {type(p).__name__}: Tensors (or dicts of groups) are due")
            if not p.is_leaf:
                raise ValueError(f"parameter {i} is the result of an operation; optimize the leaf it came from")
            if id(p) in seen:
                raise ValueError(f"parameter {i} (shape {p.shape}) is given twice; a tied parameter counts once")
            seen.add(id(p))
        group = {**self.defaults, **param_group, "params": members}
        self.validate(group)
        self.param_groups.append(group)
        self._validated.append([group[name] for name in self.defaults])
        self._names.append(self.state_names(group))
        self._partitions.append(self._partition(group))

    def zero_grad(self) -> None:
        """Let no parameter have a gradient. The buffers stay as they are; the next backward overwrites them."""
        for partitions in self._partitions:
            for partition in partitions:
                for p in partition.parameters:
                    p._leaf.clear()

    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen, in one pass over the flat buffers."""
        for i, group in enumerate(self.param_groups):
            for part in self._partitions[i]:
                if part.store.epoch != part.epoch:
                    self._repack(i)
                    break
            hyper = [group[name] for name in self.defaults]
            if hyper != self._validated[i]:
                self.validate(group)
                self._validated[i] = hyper
                self._names[i] = self.state_names(group)
            names = self._names[i]
            for part in self._partitions[i]:
                live = [p._leaf.live and p._node is not None for p in part.parameters]
                if live != part.live or names != part.names:
                    part.classify(live, names, self.columns, self.kernel)
                if part.classes:
                    self._update_partition(group, hyper, part)

    def _update_partition(self, group: Mapping[str, Any], hyper: list[Any], part: _Partition) -> None:
        xp = part.xp
        for c in part.classes:
            c.step += 1
        if part.fused is not None:
            steps = [c.step for c in part.classes]
            part.fused.step(hyper, self.kernel_flags(group), steps, lambda t: self.coefficients(group, t))
            for c in part.classes:
                mark_written(*c.cells)
            return
        for row, c in enumerate(part.classes):
            part.table.fill(row, self.coefficients(group, c.step))
        part.table.upload()
        with on_device(part.store.device):
            for row, c in enumerate(part.classes):
                coefficients = part.table.rows[row]
                for chunk in c.chunks:
                    self.update(xp, group, coefficients, *chunk)
                mark_written(*c.cells)

    # --- packing --------------------------------------------------------------------------------------------------

    def _partition(self, group: Mapping[str, Any]) -> list[_Partition]:
        members = group["params"]
        return [_Partition(store, [members[i] for i in indices], self.scratch) for store, indices in pack(members)]

    def _repack(self, index: int) -> None:
        """Follow parameters that moved (Module.to, another optimizer): state goes along by parameter identity."""
        old = {}
        for part in self._partitions[index]:
            part.settle()
            for i, p in enumerate(part.parameters):
                old[id(p)] = part, i
        self._partitions[index] = self._partition(self.param_groups[index])
        for part in self._partitions[index]:
            for i, p in enumerate(part.parameters):
                source, j = old[id(p)]
                part.steps[i] = source.steps[j]
                for name, buffer in source.state.items():
                    with on_device(source.store.device):
                        values = source.store.view(buffer, j).astype(part.store.dtype)
                    with on_device(part.store.device):
                        part.store.view(part.buffer(name), i)[...] = arrays.to_device(values, part.store.device)

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything a resumed run needs: {"state": {index: {"step", name: array}}, "param_groups": [...]}.

        Parameters are numbered through the groups in order, as in PyTorch; arrays are NumPy arrays.
        """
        state: dict[int, dict[str, Any]] = {}
        groups = []
        number = 0
        for group, partitions in zip(self.param_groups, self._partitions, strict=True):
            indices = {id(p): number + i for i, p in enumerate(group["params"])}
            number += len(indices)
            hyper = {k: v for k, v in group.items() if k != "params"}
            groups.append({**hyper, "params": list(indices.values())})
            for part in partitions:
                part.settle()
                for i, p in enumerate(part.parameters):
                    if part.steps[i]:
                        entry: dict[str, Any] = {"step": part.steps[i]}
                        for name, buffer in part.state.items():
                            entry[name] = np.array(arrays.to_host(part.store.view(buffer, i)))
                        state[indices[id(p)]] = entry
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; nothing is changed when anything does not fit.

        Args:
            state_dict: from an optimizer of the same class over parameters of the same shapes.

        Raises:
            ValueError: other groups, keys or hyper-parameters.
            ShapeError: state of another shape than its parameter.
        """
        try:
            groups, state = state_dict["param_groups"], {int(k): v for k, v in state_dict["state"].items()}
            sizes = [len(g["params"]) for g in groups]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an optimizer state: 'state' and 'param_groups' are due ({error!r})") from error
        own = [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ValueError(f"the state is for parameter groups of sizes {sizes}, this optimizer has {own}")
        members = [p for g in self.param_groups for p in g["params"]]
        numbers = [n for g in groups for n in g["params"]]
        entries: dict[int, Mapping[str, Any]] = {}
        for n, p in zip(numbers, members, strict=True):
            for name, value in state.get(n, {}).items():
                if name != "step" and np.shape(as_raw(value)) != p.shape:
                    raise ShapeError(
                        f"state {name!r} of parameter {n} has shape {np.shape(as_raw(value))}, the parameter {p.shape}"
                    )
            entries[id(p)] = state.get(n, {})
        for group, saved in zip(self.param_groups, groups, strict=True):
            missing = sorted(set(self.defaults) - set(saved))
            if missing:
                raise ValueError(f"the state lacks the hyper-parameter {missing[0]!r}")
            self.validate({**group, **{k: v for k, v in saved.items() if k != "params"}})
        for i, saved in enumerate(groups):
            self.param_groups[i].update({k: v for k, v in saved.items() if k != "params"})
            if any(p.store.epoch != p.epoch for p in self._partitions[i]):
                self._repack(i)
            for part in self._partitions[i]:
                with on_device(part.store.device):
                    self._restore(part, entries)

    def _restore(self, part: _Partition, entries: Mapping[int, Mapping[str, Any]]) -> None:
        part.classes, part.live = [], []
        for buffer in part.state.values():
            buffer[...] = 0
        for i, p in enumerate(part.parameters):
            entry = entries[id(p)]
            part.steps[i] = int(entry.get("step", 0))
            for name, value in entry.items():
                if name != "step":
                    values = np.asarray(arrays.to_host(as_raw(value)), part.store.dtype)
                    part.store.view(part.buffer(name), i)[...] = arrays.to_device(values, part.store.device)

    def __repr__(self) -> str:
        groups = [
            f"  group {i}: {len(g['params'])} parameters, " + ", ".join(f"{k}={g[k]}" for k in self.defaults)
            for i, g in enumerate(self.param_groups)
        ]
        return "\n".join([f"{type(self).__name__}(", *groups, ")"])
