"""What the replay of a step is on every device: the host's part of it around the recorded part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..backend.recording import Watcher
from ..backend.versions import mark_written
from .arguments import Results


class StaleCapture(Exception):
    """What was recorded no longer fits: parameters moved, froze, or changed their optimizer's options."""


class Replay:
    """A recorded step. A subclass says how it runs.

    Args:
        optimizers: those of the step, with the state of their hosts before it in the first place.
        leaves: gradient cells that it touches, with whether they had a gradient before it.
        tensors: leaf tensors that it reads, with their nodes: None for what is frozen.
        cleared: those that lose theirs before anything is done with it.
        cells: version cells of other tensors that it writes to.
        results: what the step returned.
        copies: whether results get memory of their own.
        eager: the step itself on raw arrays, to its raw results.

    Attributes:
        revisions: those of the optimizers, when it was recorded.
        memory: arrays that the step writes to and that outlive it.
        own: those of them that only replays write to, where the step itself makes new ones.
    """

    memory: Sequence[Any]
    own: Sequence[Any] = ()

    def __init__(
        self,
        optimizers: Mapping[Any, Sequence[Any]],
        leaves: Mapping[Any, bool],
        tensors: Iterable[tuple[Any, Any]],
        cleared: Iterable[Any],
        cells: Sequence[Any],
        results: Results,
        copies: bool,
        eager: Callable[[list[Any]], list[Any]],
    ) -> None:
        self._results = results
        self._copies = copies
        self.eager = eager
        self._cells = cells
        self._tensors = list(tensors)
        self.optimizers = list(optimizers)
        self.leaves = list(leaves)
        first = set(cleared)
        self._entry = [(leaf, live) for leaf, live in leaves.items() if leaf not in first]
        self._exit = [(leaf, leaf.live, leaf.array) for leaf in leaves]
        self._phases = [(o, state[0][0]) for o, state in optimizers.items()]
        self.revisions = [(o, o.revision) for o in self.optimizers]
        self._modes: list[tuple[Any, bool]] = []
        self._modes_set: list[tuple[Any, bool]] = []

    @property
    def phases(self) -> list[int]:
        """Those of the optimizers, when it was recorded."""
        return [phase for _, phase in self._phases]

    def depend_on_modes(self, watcher: Watcher) -> None:
        """Fit only while the modules that asked whether they are in training are in the same mode, and set it alike."""
        self._modes, self._modes_set = list(watcher.modes.values()), list(watcher.modes_set.values())

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The recorded part: raw results, in memory that the next run writes to."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what it holds."""

    def fits(self) -> bool:
        """Whether things stand as when it was recorded: who collects a gradient, who has one, modes, the phase."""
        for optimizer, phase in self._phases:
            if optimizer.phase != phase:
                return False
        for tensor, node in self._tensors:
            if tensor._node is not node:
                return False
        for module, mode in self._modes:
            if module.training is not mode:
                return False
        for leaf, live in self._entry:  # noqa: SIM110  all() over a generator costs three times as much
            if leaf.live is not live:
                return False
        return True

    def enter(self) -> None:
        """Have things stand so."""
        for optimizer, phase in self._phases:
            optimizer.go_to_phase(phase)
        for leaf, live in self._entry:
            leaf.live = live

    def prepare(self) -> None:
        """The host's part of the coming updates, which look at who has a gradient: so those are there by then.

        Raises:
            StaleCapture: the step has to be recorded again.
        """
        for leaf, live, array in self._exit:
            if leaf.live is not live or leaf.array is not array:
                leaf.live, leaf.array, leaf.grad_node = live, array, None
        for optimizer, revision in self.revisions:
            optimizer.prepare_replay()
            if optimizer.revision != revision:
                self.enter()
                raise StaleCapture

    def step(self, arrays: Sequence[Any]) -> list[Any]:
        """One step on raw arrays: raw results, in memory that the next step writes to."""
        self.prepare()
        found = self.run(arrays)
        for optimizer in self.optimizers:
            optimizer.count_replay()
        if self._cells:
            mark_written(*self._cells)
        for module, mode in self._modes_set:
            module.training = mode
        return found

    def __call__(self, arrays: Sequence[Any]) -> Any:
        """One step: what the step returns."""
        found = self.step(arrays)
        return self._results.rebuilt([a.copy() for a in found] if self._copies else found)
