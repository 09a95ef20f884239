"""Random array programs, recorded and replayed: whatever the passes do, the numbers are NumPy's own, bit for bit."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.capture.numpy_executor import CHUNK, compile_numpy
from minigrad.capture.passes import drop_dead, fold, forward_copies, lower, share, simplify
from minigrad.capture.program import Call, Program
from minigrad.capture.recorded import Recorded, RecordedProvider
from minigrad.capture.recorder import Recorder
from minigrad.capture.schedule import schedule
from minigrad.capture.storage import storage
from minigrad.capture.window import Window, root

ROWS, COLUMNS = 4, 6
INDEX = np.array([3, 0, 0, 2])
INDEX.flags.writeable = False
LABELS = np.array([1, 5, 0, 2])
LABELS.flags.writeable = False


def add_in_place(xp: Any, a: Any, b: Any) -> Any:
    a = a.copy()
    a += b
    a[1:] *= 2.0
    return a


def write_part(xp: Any, a: Any, b: Any) -> Any:
    a = xp.zeros_like(a)
    a[:, ::2] = b[:, ::2]
    a[0] = 1.5
    return a


def picks(xp: Any, a: Any, b: Any) -> Any:
    a = a.copy()
    a[xp.arange(ROWS), LABELS] -= 1.0
    return a[INDEX] + b


def filled(xp: Any, a: Any, b: Any) -> Any:
    out = xp.empty((ROWS, COLUMNS))
    xp.multiply(a, b, out=out)
    return out


def moments(xp: Any, a: Any, b: Any) -> Any:
    return (a - a.mean(axis=0)) / (b.std(axis=1, keepdims=True) + 1.0)


STEPS: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, a, b: a + b,
    lambda xp, a, b: a * b - 0.5,
    lambda xp, a, b: xp.maximum(a, 0.0) / (1.0 + xp.abs(b)),
    lambda xp, a, b: xp.tanh(a),
    lambda xp, a, b: xp.where(a > b, a, -b),
    lambda xp, a, b: a - a.max(axis=0),
    lambda xp, a, b: a * b.sum(axis=1, keepdims=True),
    lambda xp, a, b: (a @ b.T) @ b,
    lambda xp, a, b: a[::-1] + b[:, ::-1],
    lambda xp, a, b: a.T.copy().T * 2.0,
    lambda xp, a, b: xp.concatenate([a[:, :2], b[:, 2:]], axis=1),
    lambda xp, a, b: xp.cumsum(a, axis=1),
    lambda xp, a, b: a.reshape(COLUMNS, ROWS).T.copy() + b.ravel()[:1],
    lambda xp, a, b: (a > 0).astype(a.dtype) * b,
    lambda xp, a, b: xp.sort(a, axis=1),
    lambda xp, a, b: xp.ones(COLUMNS) + xp.arange(ROWS)[:, None] * a,
    add_in_place,
    write_part,
    picks,
    filled,
    moments,
]

moves = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12
)


def run(xp: Any, program: list[tuple[int, int, int]], x: Any, y: Any, state: Any) -> list[Any]:
    """The program on two arrays; it moves the state, and its last values are the results."""
    values = [x, y, state * 1.0]
    for number, i, j in program:
        values.append(STEPS[number](xp, values[-1 - i % len(values)], values[-1 - j % len(values)]))
    state *= 0.5
    state += xp.tanh(values[-1])
    return [values[-1], values[-2].sum(), values[-1][1:, 0]]


def recorded(program: list[tuple[int, int, int]], x: Any, y: Any, state: np.ndarray) -> tuple[Recorder, Program]:
    recorder = Recorder()
    with recorder:
        inputs = [recorder.window(a, "input") for a in (x, y)]
        outputs = run(RecordedProvider.xp, program, Recorded(x), Recorded(y), recorder.lift(state))
    return recorder, recorder.program(inputs, outputs)


def arrays(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((ROWS, COLUMNS)), rng.standard_normal((ROWS, COLUMNS))


@given(program=moves)
def test_a_replay_gives_what_numpy_gives(program: list[tuple[int, int, int]]) -> None:
    x, y = arrays(0)
    mine, other = np.full((ROWS, COLUMNS), 0.5), np.full((ROWS, COLUMNS), 0.5)
    _, found = recorded(program, x, y, mine)
    with np.errstate(all="ignore"):
        run(np, program, *arrays(0), other)
        assert np.array_equal(mine, other, equal_nan=True)  # a recording is a run
        replay = compile_numpy(schedule(simplify(found)))
        for seed in (1, 2, 3):
            expected = run(np, program, *arrays(seed), other)
            results = replay(arrays(seed))
            for a, b in zip(results, expected, strict=True):
                assert np.array_equal(a, b, equal_nan=True)
            assert np.array_equal(mine, other, equal_nan=True)


@given(program=moves, order=st.permutations([lower, fold, share, forward_copies, drop_dead]))
def test_the_passes_keep_the_meaning_in_any_order(program: list[tuple[int, int, int]], order: list[Any]) -> None:
    mine, other = np.full((ROWS, COLUMNS), 0.5), np.full((ROWS, COLUMNS), 0.5)
    _, found = recorded(program, *arrays(0), mine)
    calls = len(found.calls)
    for one in order:
        one(found)
    assert len(found.calls) <= calls
    with np.errstate(all="ignore"):
        run(np, program, *arrays(0), other)
        expected = run(np, program, *arrays(1), other)
        results = compile_numpy(schedule(found))(arrays(1))
    for a, b in zip([*results, mine], [*expected, other], strict=True):
        assert np.array_equal(a, b, equal_nan=True)


@given(program=moves)
def test_memory_is_shared_only_where_nothing_lives(program: list[tuple[int, int, int]]) -> None:
    """Two temporaries in one place are never alive at the same time, but where one is written over the other."""
    _, found = recorded(program, *arrays(0), np.full((ROWS, COLUMNS), 0.5))
    schedule(simplify(found))
    units = [[call] for unit in found.units for call in unit]
    memory = storage(found, units)
    alive: dict[int, tuple[int, int]] = {}
    for t, (call,) in enumerate(units):
        for w in (*call.reads, *call.writes):
            if found.is_temporary(w):
                alive[w.buffer] = (alive.get(w.buffer, (t, t))[0], t)
    for o in found.outputs:
        if found.is_temporary(o):
            alive[o.buffer] = (alive[o.buffer][0], len(units))
    for a, (start, end) in alive.items():
        for b, (other_start, other_end) in alive.items():
            if a < b and np.shares_memory(memory[a], memory[b]):
                assert end <= other_start or other_end <= start
    for a, where in memory.items():
        if found.kinds[a] != "temporary":
            assert not any(np.shares_memory(where, memory[b]) for b in alive)


def test_undoing_a_recording() -> None:
    state = np.arange(24.0).reshape(ROWS, COLUMNS).copy()
    recorder, found = recorded([(0, 0, 1)], *arrays(0), state)
    number = recorder.window(state).buffer
    assert np.array_equal(recorder.before[number], np.arange(24.0).reshape(ROWS, COLUMNS))
    assert not np.array_equal(state, recorder.before[number])
    assert found.roots[number] is root(state)


def program_of(function: Callable[[Any, Any], Any], x: np.ndarray) -> Program:
    with Recorder() as recorder:
        window = recorder.window(x, "input")
        out = function(RecordedProvider.xp, Recorded(x))
        return recorder.program([window], [out])


def names(program: Program) -> list[str]:
    return [call.name for call in program.calls]


def test_what_is_computed_twice_is_computed_once() -> None:
    found = simplify(program_of(lambda xp, x: xp.exp(x).sum() + xp.exp(x).max(), np.ones(5)))
    assert sorted(names(found)) == ["add", "add.reduce", "exp", "maximum.reduce"]


def test_constants_are_computed_while_recording() -> None:
    found = simplify(program_of(lambda xp, x: x * xp.sqrt(xp.arange(5) * 2.0 + 1), np.ones(5)))
    assert names(found) == ["multiply"]


def test_what_nobody_reads_is_left_out() -> None:
    def function(xp: Any, x: Any) -> Any:
        xp.exp(x) @ xp.ones(5)
        return x + 1

    assert names(simplify(program_of(function, np.ones(5)))) == ["add"]


def test_a_product_is_written_where_it_belongs() -> None:
    """A copy into outside memory is left out: whatever made the values writes there."""
    target = np.zeros((5, 5))

    def function(xp: Any, x: Any) -> Any:
        from minigrad.backend.recording import lift

        lift(target)[...] = xp.dot(x, x)
        return x.sum()

    found = simplify(program_of(function, np.eye(5)))
    assert names(found) == ["dot", "add.reduce"]
    assert found.is_state(found.calls[0].write)


def test_two_writes_are_not_one() -> None:
    """A value that is read between two writes of the same memory is that of its time."""

    def function(xp: Any, x: Any) -> Any:
        a = x * 2
        first = a + 1
        a += 5
        return first * 100 + (a + 1)

    found = program_of(function, np.ones(3))
    result = compile_numpy(schedule(simplify(found)))([np.full(3, 2.0)])[0]
    assert result.tolist() == [510.0] * 3


def test_long_groups_go_chunk_by_chunk() -> None:
    n = 3 * CHUNK + 17
    x = np.linspace(0, 1, n)
    found = schedule(simplify(program_of(lambda xp, a: xp.sqrt(a * 2.0 + 1) / (a + 3.0), x)))
    replay = compile_numpy(found)
    assert replay.source.count("sqrt(") == 4
    y = x[::-1].copy()
    assert np.array_equal(replay([y])[0], np.sqrt(y * 2.0 + 1) / (y + 3.0))


def test_a_large_argument_is_read_where_it_is() -> None:
    x = np.ones((300, 400))
    replay = compile_numpy(schedule(simplify(program_of(lambda xp, a: (a.T @ a).sum(), x))))
    assert "copyto(" not in replay.source.split("\n")[2]
    for y in (np.full((300, 400), 2.0), np.full((400, 300), 0.5).T):
        assert np.array_equal(replay([y])[0], (np.ascontiguousarray(y).T @ np.ascontiguousarray(y)).sum())


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ((0, (4,), (8,)), (32, (4,), (8,)), False),
        ((0, (4,), (8,)), (24, (4,), (8,)), True),
        ((24, (4,), (-8,)), (0, (1,), (8,)), True),
        ((0, (0,), (8,)), (0, (4,), (8,)), False),
        ((0, (2, 2), (0, 8)), (8, (), ()), True),
    ],
)
def test_windows_overlap(a: tuple[Any, ...], b: tuple[Any, ...], overlap: bool) -> None:
    first, second = Window(0, *a, "<f8"), Window(0, *b, "<f8")
    assert first.overlaps(second) is second.overlaps(first) is overlap
    assert not first.overlaps(Window(1, *a, "<f8"))


def test_a_call_says_what_it_reads() -> None:
    w = Window(0, 0, (2,), (8,), "<f8")
    v = Window(1, 0, (2,), (8,), "<f8")
    assert Call(np.add, (w, 1.0), {}, (v,)).reads == [w]
    assert Call(operator.setitem, (v, 0, w), {}, (v,), partial=True).reads == [v, w, v]
    assert Call(np.concatenate, ((w, [v]),), {"axis": 0}, (v,)).reads == [w, v]
