"""The base of every optimizer: groups, flat buffers, state, step. A subclass writes down its formula and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Unpack

from ..backend import array as arrays
from ..backend.device import on_device
from ..backend.recording import seam
from ..errors import GraphError
from ..tensor import Tensor
from . import gradient_sum, options, saved_state, update_pass
from .averaging import swapped
from .fast import Loop
from .fused_update import BACK, UpdateKernel
from .options import SHARED_COLUMNS, NonFinite, Options, shared_coefficients
from .parameters import pack
from .partition import EMA, Means, Partition
from .repeated import Repeated, variant


class Optimizer(Repeated):
    """Base class. A subclass gives the names of its state and coefficients, the coefficients of a step, the update.

    With `accumulate=k` the loop stays as it is: `step` updates at every k-th call, by the mean of the k gradients, and
    `zero_grad` does nothing in between. `max_norm` then limits the norm of that mean; `p.grad` itself is not scaled.

    `nonfinite="skip"` leaves parameters, state, averages and step counts alone where any gradient is not a number, as
    if the step had not been asked for, and waits for no device as long as parameters are float32; "raise" reads the
    verdict, so it waits for the device at every step. `ema` moves an average of the parameters after each update:
    average = ema average + (1 - ema) p, beginning with p; a parameter that is not updated keeps its average.

    Args:
        params: leaf tensors, or dicts with "params" and own hyper-parameters (parameter groups).
        defaults: hyper-parameters of groups that do not set their own.
        **options: accumulate (calls of `step` an update takes, 1), max_norm (limit of the norm of all gradients
            together, None), ema (decay of the average of the parameters in [0, 1), None), nonfinite (what to do about
            nan and infinite gradients: "raise", "skip" or None, nothing, the default). They may be changed later.

    Raises:
        ValueError: no parameters, a parameter given twice, or a hyper-parameter out of range.
        TypeError: something that is no leaf Tensor, or an unknown option.
    """

    columns: ClassVar[tuple[str, ...]]
    """Names of the coefficients that change from step to step."""
    scratch: ClassVar[int] = 2
    """How many temporary chunks `update` takes."""
    kernel: ClassVar[UpdateKernel | None] = None
    """The kernel that does the whole update of float32 parameters on a GPU; without one `update` runs there too."""
    loop: ClassVar[Loop | None] = None
    """`update` as a loop over the elements, to be compiled where numba is installed: a static method.

    loop(p, g, *states, average, c, decay, decoupled, *flags): all buffers of `kernel.states` (None where not in use),
    the average of the parameters (or None), the coefficients with SHARED_COLUMNS behind them, and True or None for each
    option: there is weight decay, it is decoupled, `kernel.flags`. The compiler drops the branches of what is None.
    """
    scalars: ClassVar[Mapping[str, float]] = {}
    """Numbers that the host keeps for each parameter beside its step count, and what they begin with."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any], **options_: Unpack[Options]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params must be an iterable of Tensors or dicts, got a single Tensor: put it in a list")
        options.check(type(self).__name__, dict(options_))
        self.accumulate: int = options_.get("accumulate", 1)
        self.max_norm: float | None = options_.get("max_norm")
        self.ema: float | None = options_.get("ema")
        self.nonfinite: NonFinite = options_.get("nonfinite")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._partitions: list[list[Partition]] = []
        self._validated: list[list[Any]] = []
        self._names: list[tuple[str, ...]] = []
        self._shared: list[tuple[float, ...]] = []
        self._means = Means(self.columns + SHARED_COLUMNS, self.kernel, self.loop)
        self._checked = self._options()
        self._calls = self._skipped = 0
        self.revision = 0
        self._averaged = False
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

    def initial(self, group: Mapping[str, Any], name: str) -> float:
        """What a state buffer holds before the first step of a parameter."""
        return 0.0

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The values of `columns` at a step (1 for the first), in double precision."""
        raise NotImplementedError

    def advance(self, group: Mapping[str, Any], step: int, scalars: tuple[float, ...]) -> tuple[float, ...]:
        """The values of `scalars` after a step, from those before it."""
        return scalars

    def row(self, group: Mapping[str, Any], step: int, scalars: tuple[float, ...]) -> tuple[float, ...]:
        """`coefficients`, where they depend on the values of `scalars` after the step too."""
        return self.coefficients(group, step)

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

    def decouples(self, group: Mapping[str, Any]) -> bool:
        """Whether the weight decay shrinks the parameters instead of going into the gradient."""
        return bool(group.get("decoupled_weight_decay"))

    def kernel_flags(self, group: Mapping[str, Any]) -> int:
        """The bits that tell `kernel` which variant these hyper-parameters ask for."""
        return 0 if self.kernel is None else self.kernel.bits(group, self.decouples(group))

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
        self._shared.append(self._shared_of(group))
        self._partitions.append(self._partition(group))

    def zero_grad(self) -> None:
        """Let no parameter have a gradient. The buffers stay as they are; the next backward overwrites them.

        While gradients accumulate this does nothing.
        """
        if self._calls:
            return
        if seam.watcher is not None:
            seam.watcher.clearing(p._leaf for part in self._parts() for p in part.parameters)
        for part in self._parts():
            for p in part.parameters:
                p._leaf.clear()

    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen, in one pass over the flat buffers.

        Raises:
            GradientError: nonfinite="raise", and a gradient is not finite; nothing is updated.
            GraphError: inside `averaged`.
        """
        if self._averaged:
            raise GraphError("step inside averaged() would update the averages: leave the block first")
        watcher = seam.watcher
        if watcher is not None:
            watcher.stepping(self)
        if self._calls + 1 < self.accumulate:
            self._calls += 1
            return
        self._make_all_ready()
        self._calls = 0
        total = None
        if self.max_norm is not None or self.nonfinite is not None:
            total, good = gradient_sum.verdict([part for part in self._parts() if part.classes], self.nonfinite)
            if not good:
                self._skipped += 1
                return
        if watcher is None or watcher.eager:
            self._prepare()
        for group, part, _ in self._updates():
            update_pass.run(self, group, part, total)
        self._count()

    @property
    def phase(self) -> int:
        """How many gradients have accumulated since the last update, 0 to accumulate - 1.

        What a step does depends on it: at 0 the backward overwrites the gradients, later it adds to them, and `step`
        updates at the last one only. It is Python state that no recorder sees, so steps are recorded one for each
        phase, or `accumulate` of them together.
        """
        return self._calls

    @property
    def skipped(self) -> int:
        """How many updates nonfinite="skip" has left out. To read it waits for the device."""
        self._settle()
        return self._skipped

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block in which the parameters hold their averages, to evaluate or save a model with.

            with optimizer.averaged():
                accuracy = mg.evaluate(model, ...)

        Raises:
            ValueError: no `ema` was asked for.
        """
        if self.ema is None:
            raise ValueError("there are no averages: make the optimizer with ema=0.999, say")
        self._settle()
        before, self._averaged = self._averaged, True
        try:
            with swapped(self._parts()):
                yield
        finally:
            self._averaged = before

    # --- a step -----------------------------------------------------------------------------------------------------

    def _updates(self) -> Iterator[tuple[Mapping[str, Any], Partition, int]]:
        """The partitions that the coming step updates, with their groups and the groups' numbers."""
        for i, group in enumerate(self.param_groups):
            for part in self._partitions[i]:
                if part.classes:
                    yield group, part, i

    def _make_all_ready(self) -> None:
        for i in range(len(self.param_groups)):
            self._make_ready(i)

    def _prepare(self) -> None:
        for group, part, i in self._updates():
            update_pass.prepare(self, group, self._validated[i], part, self._shared[i])

    def _count(self) -> None:
        self._calls = 0
        for group, part, _ in self._updates():
            update_pass.count(self, group, part)

    def _parts(self) -> list[Partition]:
        return [part for partitions in self._partitions for part in partitions]

    def _options(self) -> tuple[Any, ...]:
        return self.accumulate, self.max_norm, self.ema, self.nonfinite

    def _shared_of(self, group: Mapping[str, Any]) -> tuple[float, ...]:
        return shared_coefficients(bool(group.get("maximize")), self.accumulate, self.max_norm, self.ema)

    def _check_options(self) -> None:
        """After a change: the new values are checked, and everything is laid out for them."""
        chosen = self._options()
        if self._calls and self.accumulate != self._checked[0]:
            raise ValueError(f"accumulate was changed to {self.accumulate} while gradients accumulate: step first")
        options.check(type(self).__name__, dict(zip(options.DEFAULTS, chosen, strict=True)))
        self._checked = chosen
        self.revision += 1
        self._shared = [self._shared_of(group) for group in self.param_groups]
        for part in self._parts():
            part.live = []

    def _follow(self, i: int) -> None:
        """Follow what has changed in a group since its last update: storage and hyper-parameters."""
        group = self.param_groups[i]
        if self._options() != self._checked:
            self._check_options()
        for part in self._partitions[i]:
            if part.store.epoch != part.epoch:
                self._repack(i)
                break
        hyper = [group[name] for name in self.defaults]
        if hyper != self._validated[i]:
            self.validate(group)
            if variant(hyper) != variant(self._validated[i]):
                self.revision += 1
            self._validated[i] = hyper
            self._names[i], self._shared[i] = self.state_names(group), self._shared_of(group)

    def _make_ready(self, i: int) -> None:
        """The same, and who has a gradient."""
        self._follow(i)
        group, names = self.param_groups[i], self._names[i]
        for part in self._partitions[i]:
            live = [p._leaf.live and p._node is not None for p in part.parameters]
            if live != part.live or names != part.names:
                self._settle()
                initial = {name: self.initial(group, name) for name in names}
                if self.ema is not None:
                    initial[EMA] = 0.0  # in truth the parameter
                self.revision += 1
                part.classify(live, names, initial, self._means, BACK if self.nonfinite == "skip" else 0)

    def _settle(self) -> None:
        """Have every partition know the steps of its parameters."""
        self._skipped += max((part.settle() for part in self._parts()), default=0)

    # --- packing --------------------------------------------------------------------------------------------------

    def _partition(self, group: Mapping[str, Any]) -> list[Partition]:
        members, scalars = group["params"], tuple(self.scalars.values())
        return [
            Partition(store, [members[i] for i in indices], self.scratch, scalars) for store, indices in pack(members)
        ]

    def _repack(self, index: int) -> None:
        """Follow parameters that moved (Module.to, another optimizer): state goes along by parameter identity."""
        self._settle()
        old = {id(p): (part, i) for part in self._partitions[index] for i, p in enumerate(part.parameters)}
        self._partitions[index] = self._partition(self.param_groups[index])
        for part in self._partitions[index]:
            for i, p in enumerate(part.parameters):
                saved_state.carry_over(*old[id(p)], part, i)

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything a resumed run needs.

        Returns:
            {"state": {number: {"step", name: array}}, "param_groups": [...]}: parameters are numbered through the
            groups in order, as in PyTorch, and arrays are NumPy arrays. Where there are any, also "accumulated", the
            gradients so far, and "skipped".
        """
        self._settle()
        found = saved_state.collect(self.param_groups, self._partitions, tuple(self.scalars))
        if self._calls:
            found["accumulated"] = {"calls": self._calls, "gradients": saved_state.gradients(self._members())}
        if self._skipped:
            found["skipped"] = self._skipped
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned; nothing is changed when anything does not fit.

        Args:
            state_dict: from an optimizer of the same class over parameters of the same shapes.

        Raises:
            ValueError: other groups, keys or hyper-parameters.
            ShapeError: state of another shape than its parameter.
        """
        entries, groups = saved_state.entries_by_parameter(state_dict, self.param_groups, tuple(self.scalars))
        for group, saved in zip(self.param_groups, groups, strict=True):
            missing = sorted(set(self.defaults) - set(saved))
            if missing:
                raise ValueError(f"the state lacks the hyper-parameter {missing[0]!r}")
            self.validate({**group, **{k: v for k, v in saved.items() if k != "params"}})
        members = self._members()
        calls, sums = saved_state.checked_gradients(state_dict.get("accumulated"), members, self.accumulate)
        self._settle()
        for i, saved in enumerate(groups):
            self.param_groups[i].update({k: v for k, v in saved.items() if k != "params"})
            if any(p.store.epoch != p.epoch for p in self._partitions[i]):
                self._repack(i)
            for part in self._partitions[i]:
                with on_device(part.store.device):
                    saved_state.restore(part, entries, self.scalars)
        self._calls, self._skipped = calls, int(state_dict.get("skipped", 0))
        if calls:
            for i, p in enumerate(members):
                p.grad = None if i not in sums else arrays.asarray(sums[i], p.dtype, p.device)

    def _members(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        groups = [
            f"  group {i}: {len(g['params'])} parameters, " + ", ".join(f"{k}={g[k]}" for k in self.defaults)
            for i, g in enumerate(self.param_groups)
        ]
        chosen = [
            f"{k}={v!r}" for k, v in zip(options.DEFAULTS, self._options(), strict=True) if v != options.DEFAULTS[k]
        ]
        return "\n".join([f"{type(self).__name__}(", *groups, *([f"  {', '.join(chosen)}"] if chosen else []), ")"])
