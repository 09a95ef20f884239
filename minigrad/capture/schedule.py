"""Which calls share a loop nest. A call moves up past unrelated ones to join a nest over its own shape."""

from __future__ import annotations

from .program import Call, Program, is_loop, is_reduction, iteration_shape


def joins(unit: list[Call], call: Call) -> bool:
    """Whether a call may run inside the loop nest of a unit: all sharing is at equal windows, and no sum is read."""
    if not is_loop(call) or iteration_shape(call) != iteration_shape(unit[0]):
        return False
    for other in unit:
        written, summed = other.write, is_reduction(other)
        for r in call.reads:
            if r.overlaps(written) and (r != written or summed):
                return False
        for r in (*other.reads, written):
            if r.overlaps(call.write) and (r != call.write or is_reduction(call) or summed):
                return False
    return True


def depends(unit: list[Call], call: Call) -> bool:
    """Whether a call must stay behind a unit."""
    touched = [*call.reads, *call.writes]
    return any(
        (call.effect and other.effect)
        or any(t.overlaps(w) for w in other.writes for t in touched)
        or any(r.overlaps(w) for w in call.writes for r in other.reads)
        for other in unit
    )


def schedule(program: Program) -> Program:
    """Fill `units`: each one call, or calls that share a loop nest."""
    units: list[list[Call]] = []
    for call in program.calls:
        place = None
        for i in range(len(units) - 1, -1, -1):
            if is_loop(units[i][0]) and joins(units[i], call):
                place = i
                break
            if depends(units[i], call):
                break
        if place is None:
            units.append([call])
        else:
            units[place].append(call)
    program.units = units
    return program
