"""The sweep: who takes part, which batches fit, every program once a round, a row for each batch and program."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..backend.device import on_device
from . import ceilings, counts, memory
from .contestant import Contestant
from .modes import MODES, Eager, states_of
from .peers import make_peers, reason
from .rows import RowMaker, failed_row
from .sizes import Net
from .timing import Program, Reading, read_rounds
from .workload import FEWEST_BATCHES, FEWEST_ROWS, Workload, rows_for

WARM_UP = 0.2
"""Seconds at most that each program runs before it is timed, once compiled."""
PRODUCTS = "products"


@dataclass(frozen=True)
class Settings:
    """What a sweep was asked for.

    Attributes:
        net, optimizer, source: the training.
        batches: in rising order.
        device: its full label.
        modes: names in MODES; the first is "ours" in ratios.
        peers: names in PEERS.
        rounds, seconds: how often every program runs, and how long each time.
        threads: for everybody; None leaves them alone.
    """

    net: Net
    optimizer: str
    batches: tuple[int, ...]
    device: str
    modes: tuple[str, ...] = ("eager",)
    peers: tuple[str, ...] = ()
    source: str = "synthetic"
    rounds: int = 7
    seconds: float = 0.1
    threads: int | None = None


@dataclass
class Result:
    """What a sweep found.

    Attributes:
        rows: one for each batch and program, all with the same keys.
        ceilings: what the machine can do; None where nothing fitted.
        configurations: of everybody who took part, by name.
        missing: by name, why a peer took no part.
        largest_estimate: the largest batch that should fit, by the formula.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    ceilings: ceilings.Ceilings | None = None
    configurations: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    largest_estimate: int = 0


@dataclass
class _Cast:
    """Who takes part."""

    workload: Workload
    ours: list[Eager]
    peers: list[Contestant]

    @property
    def everybody(self) -> list[Contestant]:
        return [*self.ours, *self.peers]

    def first_of_library(self) -> dict[str, Contestant]:
        """By library the contestant that does its products."""
        return {c.library: c for c in reversed(self.everybody)}


def needed_bytes(settings: Settings, batch: int, states: int) -> int:
    """An estimate of what a sweep up to a batch holds: the rows, and for everybody a step and operands of products."""
    net, parties = settings.net, 1 + len(settings.modes) + len(settings.peers)
    rows = max(FEWEST_ROWS, FEWEST_BATCHES * batch)
    return parties * (
        rows * (counts.ITEM * net.sizes[0] + counts.LABEL) + 2 * counts.estimated_bytes(net, batch, states)
    )


def sweep(settings: Settings, begin: Callable[[int], Callable[[], Any]] = lambda total: lambda: None) -> Result:
    """Time every batch size.

    Args:
        settings: what is asked for.
        begin: is told how many readings there will be, and returns what is called after each.

    Returns:
        The rows and what they are compared with. Where a batch does not fit into memory, the last row says so.
    """
    with on_device(settings.device):
        return _sweep(settings, begin)


def _sweep(settings: Settings, begin: Callable[[int], Callable[[], Any]]) -> Result:
    result = Result()
    states = states_of(settings.optimizer)
    free = memory.free_bytes(settings.device)
    result.largest_estimate = counts.largest_batch(settings.net, states, free)
    batches, failed = _that_should_fit(settings, states, int(free * memory.USABLE))
    cast: _Cast | None = None
    while batches and cast is None:
        try:
            cast = _cast(settings, batches[-1], result.missing)
        except Exception as error:
            if not memory.out_of_memory(error):
                raise
            failed = (batches[-1], f"out of memory: {reason(error)}")
            batches = batches[:-1]
        if cast is None:
            gc.collect()  # what the failed attempt held
    if cast is not None:
        _time(settings, batches, cast, states, begin, result)
    if failed is not None:
        result.rows.append(failed_row(failed[0], settings.modes[0], failed[1]))
    return result


def _that_should_fit(settings: Settings, states: int, free: int) -> tuple[tuple[int, ...], tuple[int, str] | None]:
    """The batches whose estimate fits, and the first that does not with the reason."""
    for i, batch in enumerate(settings.batches):
        needed = needed_bytes(settings, batch, states)
        if needed > free:
            return settings.batches[:i], (
                batch,
                f"out of memory: would take about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are to be had",
            )
    return settings.batches, None


def _cast(settings: Settings, largest: int, missing: dict[str, str]) -> _Cast:
    """Everybody, after a step with the largest batch: if memory runs out, then here. Peers that fail are left out."""
    x, y = rows_for(settings.source, settings.net, largest)
    workload = Workload(settings.net, settings.optimizer, x, y, settings.device)
    ours = [MODES[name](workload) for name in settings.modes]
    for mode in ours:
        _try(mode, largest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        names = [name for name in settings.peers if name not in missing]
        found, absent = make_peers(names, workload, settings.threads)
        missing.update(absent)
        peers: list[Contestant] = []
        for contestant in found:
            try:
                _try(contestant, largest)
            except Exception as error:  # whatever another library raises
                if memory.out_of_memory(error):
                    raise
                missing[contestant.name] = reason(error)
            else:
                peers.append(contestant)
    return _Cast(workload, ours, peers)


def _try(contestant: Contestant, batch: int) -> None:
    contestant.products(batch)()
    contestant.step(batch)()
    contestant.wait()


def _time(
    settings: Settings,
    batches: Sequence[int],
    cast: _Cast,
    states: int,
    begin: Callable[[int], Callable[[], Any]],
    result: Result,
) -> None:
    """Fill in the rows of all batches that fit."""
    asynchronous = settings.device != "cpu"
    chosen = {name: MODES[name] for name in settings.modes}
    programs = ceilings.programs(cast.ours[0], cast.workload, chosen)
    doers = cast.first_of_library()
    held: dict[tuple[str, int], int] = {}
    for batch in batches:
        for c in cast.everybody:
            programs.append(Program((c.name, batch), c, c.step(batch), asynchronous))
            if doers[c.library] is c:
                pool = Eager.pool if isinstance(c, Eager) else c.pool
                key = f"{c.library} {PRODUCTS}", batch
                programs.append(Program(key, c, c.products(batch), asynchronous, pool))
    done = begin(len(programs) * (settings.rounds + 1))
    with warnings.catch_warnings():
        if cast.peers:
            warnings.simplefilter("ignore")
        for program in programs:
            program.warm_up(min(settings.seconds, WARM_UP))
            done()
        for batch in batches:
            own = batch * (counts.ITEM * settings.net.sizes[0] + counts.LABEL)
            for mode in cast.ours:
                held[mode.name, batch] = counts.held_bytes(settings.net, states) + own + mode.step_bytes(batch)
        readings: dict[tuple[str, int], list[Reading]] = read_rounds(programs, settings.rounds, settings.seconds, done)
    for owner in {id(p.owner): p.owner for p in programs}.values():
        if isinstance(owner, Eager):
            owner.verify()
    found = ceilings.ceilings_of(readings, settings.modes)
    result.ceilings = found
    result.configurations = {c.name: c.configuration() for c in cast.everybody}
    make = RowMaker(settings.net, settings.source, states, asynchronous, found, readings, settings.modes[0])
    for batch in batches:
        for c in cast.everybody:
            seconds = c.capture_seconds.get(batch) if isinstance(c, Eager) else None
            result.rows.append(make(batch, c.name, f"{c.library} {PRODUCTS}", held.get((c.name, batch)), seconds))
