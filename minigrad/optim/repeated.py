"""What a captured step asks of its optimizer: the host's part of an update, before and after the recorded part."""

from __future__ import annotations

from typing import Any

from .partition import Partition


class Repeated:
    """The part of `Optimizer` for steps that are replayed.

    Attributes:
        revision: counts changes of what an update consists of, other than numbers that it reads from memory.
    """

    revision: int
    accumulate: int
    param_groups: list[dict[str, Any]]
    _calls: int
    _skipped: int

    def _parts(self) -> list[Partition]:
        raise NotImplementedError

    def _follow(self, i: int) -> None:
        raise NotImplementedError

    def _prepare(self) -> None:
        raise NotImplementedError

    def _count(self) -> None:
        raise NotImplementedError

    def prepare_replay(self) -> None:
        """Do the host's part of the coming update before the recorded part of it runs.

        After a change of `revision` what was recorded is not what would run: it has to be recorded again.
        """
        if self._calls + 1 >= self.accumulate:
            for i in range(len(self.param_groups)):
                self._follow(i)  # who has a gradient is what it was when the step was recorded
            self._prepare()

    def count_replay(self) -> None:
        """Note that a step was repeated."""
        if self._calls + 1 < self.accumulate:
            self._calls += 1
        else:
            self._count()

    def go_to_phase(self, phase: int) -> None:
        """Have so many gradients accumulated, for a trial that is undone."""
        self._calls = phase

    def host_state(self) -> Any:
        """What a step changes on the host; `restore_host_state` takes it back, with the memory restored elsewhere."""
        classes = [c for part in self._parts() for c in part.classes]
        return self._calls, self._skipped, [(c, c.step, c.scalars, list(c.earlier)) for c in classes]

    def restore_host_state(self, state: Any) -> None:
        """Go back to what `host_state` returned."""
        self._calls, self._skipped, classes = state
        for c, step, scalars, earlier in classes:
            c.step, c.scalars = step, scalars
            c.earlier.clear()
            c.earlier.extend(earlier)
        known = {id(c) for c, *_ in classes}
        for part in self._parts():
            for c in part.classes:
                if id(c) not in known:  # made since: of parameters that nothing had been counted of
                    c.step, c.scalars = part.steps[c.positions[0]], part.scalars[c.positions[0]]
                    c.earlier.clear()
            if part.fused is not None:
                part.fused.invalidate()

    def memory(self) -> list[Any]:
        """The raw arrays that an update writes to, gradients among them."""
        found = []
        for part in self._parts():
            found += [part.store.p, part.store.g, *part.state.values()]
            if part.fused is not None:
                found.append(part.fused.control)
            elif part.classes:
                found.append(part.table.rounded)
        return found

    def parameters(self) -> list[Any]:
        """The parameters of all groups."""
        return [p for part in self._parts() for p in part.parameters]


def variant(hyper: list[Any]) -> list[Any]:
    """What of hyper-parameters decides between variants of an update."""
    return [bool(v) if isinstance(v, (int, float)) else None for v in hyper]
