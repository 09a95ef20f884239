"""Other libraries beside which a step is timed. One more is a row in PEERS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import OptionalDependencyError
from .contestant import Contestant
from .workload import Workload


class PeerError(Exception):
    """A peer cannot take part; the message says why."""


def _torch(form: str) -> Callable[[Workload, int | None], Contestant]:
    def make(workload: Workload, threads: int | None) -> Contestant:
        from .peers_torch import Torch

        return Torch(workload, threads, form)

    return make


def _jax(workload: Workload, threads: int | None) -> Contestant:
    from .peers_jax import Jax

    return Jax(workload, threads)


PEERS: dict[str, Callable[[Workload, int | None], Contestant]] = {
    "torch": _torch("default"),
    "torch-fused": _torch("fused"),
    "torch-compile": _torch("compile"),
    "torch-graph": _torch("graph"),
    "jax": _jax,
}
"""Name -> what makes the contestant of a workload and a number of threads."""


def parse_peers(text: str) -> tuple[str, ...]:
    """The peers in a comma-separated list; "none" is an empty one.

    Raises:
        ValueError: a name that is no peer.
    """
    names = tuple(dict.fromkeys(w.strip() for w in text.split(",")))
    if names == ("none",):
        return ()
    for name in names:
        if name not in PEERS:
            raise ValueError(f"unknown peer {name!r}: there are {', '.join(PEERS)}, and none")
    return names


def make_peers(
    names: Sequence[str], workload: Workload, threads: int | None
) -> tuple[list[Contestant], dict[str, str]]:
    """The peers that can take part, and by name why others cannot."""
    made: list[Contestant] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            made.append(PEERS[name](workload, threads))
        except (OptionalDependencyError, PeerError) as error:
            missing[name] = reason(error)
    return made, missing


def reason(error: BaseException) -> str:
    """An error in one line of at most 200 characters."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 200 else line[:199] + "…"
