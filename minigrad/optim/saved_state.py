"""An optimizer's state as plain data, and back: parameters are numbered through the groups in order, as in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import on_device
from ..errors import ShapeError
from ..tensor import Tensor, as_raw
from .partition import Partition

STEP = "step"


def collect(
    groups: Sequence[Mapping[str, Any]], partitions: Sequence[Sequence[Partition]], scalars: Sequence[str]
) -> dict[str, Any]:
    """{"state": {number: {"step", name: array or number}}, "param_groups": [...]}; settled partitions are due.

    Args:
        groups: parameter groups.
        partitions: of each group.
        scalars: names of the host's numbers of a parameter.
    """
    state: dict[int, dict[str, Any]] = {}
    found = []
    numbers = numbered([p for group in groups for p in group["params"]])
    for group, parts in zip(groups, partitions, strict=True):
        hyper = {k: v for k, v in group.items() if k != "params"}
        found.append({**hyper, "params": [numbers[id(p)] for p in group["params"]]})
        for part in parts:
            for i, p in enumerate(part.parameters):
                if part.steps[i]:
                    entry: dict[str, Any] = {STEP: part.steps[i], **dict(zip(scalars, part.scalars[i], strict=True))}
                    for name, buffer in part.state.items():
                        entry[name] = np.array(arrays.to_host(part.store.view(buffer, i)))
                    state[numbers[id(p)]] = entry
    return {"state": dict(sorted(state.items())), "param_groups": found}


def numbered(parameters: Sequence[Tensor]) -> dict[int, int]:
    """id of a parameter -> its number."""
    return {id(p): i for i, p in enumerate(parameters)}


def gradients(parameters: Sequence[Tensor]) -> dict[int, np.ndarray]:
    """Number of a parameter -> its gradient, where it has one."""
    return {i: np.array(arrays.to_host(p.grad.data)) for i, p in enumerate(parameters) if p.grad is not None}


def entries_by_parameter(
    state_dict: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], scalars: Sequence[str]
) -> tuple[dict[int, Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """The saved state by the id of the parameter, and the saved groups; checked against the own ones.

    Args:
        state_dict: from `collect`.
        groups: own parameter groups.
        scalars: names that hold numbers.

    Raises:
        ValueError: not such a state, or other groups.
        ShapeError: state of another shape than its parameter.
    """
    try:
        saved, state = state_dict["param_groups"], {int(k): v for k, v in state_dict["state"].items()}
        sizes = [len(g["params"]) for g in saved]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not an optimizer state: 'state' and 'param_groups' are due ({error!r})") from error
    own = [len(g["params"]) for g in groups]
    if sizes != own:
        raise ValueError(f"the state is for parameter groups of sizes {sizes}, this optimizer has {own}")
    members = [p for g in groups for p in g["params"]]
    numbers = [n for g in saved for n in g["params"]]
    entries: dict[int, Mapping[str, Any]] = {}
    for n, p in zip(numbers, members, strict=True):
        for name, value in state.get(n, {}).items():
            if name != STEP:
                _check_shape(f"state {name!r}", n, value, () if name in scalars else p.shape, p)
        entries[id(p)] = state.get(n, {})
    return entries, saved


def _check_shape(what: str, number: int, value: Any, due: tuple[int, ...], p: Tensor) -> None:
    shape = np.shape(as_raw(value))
    if shape != due:
        raise ShapeError(f"{what} of parameter {number} has shape {shape}, the parameter {p.shape}")


def checked_gradients(saved: Any, parameters: Sequence[Tensor], accumulate: int) -> tuple[int, dict[int, Any]]:
    """How many gradients were accumulated, and their sums by the number of the parameter.

    Args:
        saved: {"calls": count, "gradients": {number: array}}, or None.
        parameters: of the optimizer.
        accumulate: how many it waits for.

    Raises:
        ValueError: not that, more than the optimizer waits for, or a number that no parameter has.
        ShapeError: a gradient of another shape than its parameter.
    """
    if saved is None:
        return 0, {}
    try:
        calls, sums = int(saved["calls"]), {int(k): as_raw(v) for k, v in saved["gradients"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not accumulated gradients: 'calls' and 'gradients' are due ({error!r})") from error
    if not 0 < calls < accumulate:
        raise ValueError(f"the state holds the gradients of {calls} calls, this optimizer updates at call {accumulate}")
    for n, value in sums.items():
        if not 0 <= n < len(parameters):
            raise ValueError(f"the state holds a gradient of parameter {n}, this optimizer has {len(parameters)}")
        _check_shape("gradient", n, value, parameters[n].shape, parameters[n])
    return calls, sums


def restore(part: Partition, entries: Mapping[int, Mapping[str, Any]], scalars: Mapping[str, float]) -> None:
    """Write the saved state of a partition's parameters.

    Args:
        part: settled; its device is current.
        entries: saved state by the id of the parameter.
        scalars: names and first values of the host's numbers.
    """
    part.classes, part.live, part.fused = [], [], None
    for buffer in part.state.values():
        buffer[...] = 0
    for i, p in enumerate(part.parameters):
        entry = entries[id(p)]
        part.steps[i] = int(entry.get(STEP, 0))
        part.scalars[i] = tuple(float(as_raw(entry.get(name, first))) for name, first in scalars.items())
        for name, value in entry.items():
            if name != STEP and name not in scalars:
                values = np.asarray(arrays.to_host(as_raw(value)), part.store.dtype)
                part.store.view(part.buffer(name), i)[...] = arrays.to_device(values, part.store.device)


def carry_over(old: Partition, j: int, new: Partition, i: int) -> None:
    """Move the state of a parameter from one partition to another, whatever their dtypes and devices.

    Args:
        old, new: partitions.
        j, i: the parameter's positions in them.
    """
    new.steps[i], new.scalars[i] = old.steps[j], old.scalars[j]
    for name, buffer in old.state.items():
        with on_device(old.store.device):
            values = old.store.view(buffer, j).astype(new.store.dtype)
        with on_device(new.store.device):
            new.store.view(new.buffer(name), i)[...] = arrays.to_device(values, new.store.device)
