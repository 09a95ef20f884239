"""DataLoader: every sample once an epoch, orders fixed by seed and epoch, resume at any batch, weights, errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import data
from minigrad.data import DataLoader
from minigrad.errors import DeviceError, DTypeError, GraphError, ShapeError


def rows(n: int, columns: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Samples whose first column is their number, and that number as label."""
    x = np.arange(n, dtype=np.float32)[:, None] + np.arange(columns, dtype=np.float32) / 8
    return x, np.arange(n)


def labels(loader: DataLoader) -> list[list[int]]:
    return [host(y).tolist() for _, y in loader]


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 2**63))
def test_an_epoch_gives_every_sample_once(device: str, n: int, batch_size: int, shuffle: bool, seed: int) -> None:
    x, y = rows(n)
    loader = DataLoader((x, y), batch_size, shuffle=shuffle, seed=seed, device=device)
    batches = list(loader)
    assert len(batches) == len(loader) == -(-n // batch_size)
    assert all(len(b) == batch_size for b, _ in batches[:-1])
    for xb, yb in batches:
        assert isinstance(xb, mg.Tensor)
        assert not xb.requires_grad
        assert xb.device == yb.device == device
        np.testing.assert_array_equal(host(xb), x[host(yb)])
    order = np.concatenate([host(yb) for _, yb in batches])
    np.testing.assert_array_equal(np.sort(order), y)
    if not shuffle:
        np.testing.assert_array_equal(order, y)


@given(st.integers(1, 40), st.integers(1, 40))
def test_drop_last_leaves_only_whole_batches(device: str, n: int, batch_size: int) -> None:
    if batch_size > n:
        with pytest.raises(ValueError, match="drop_last"):
            DataLoader(rows(n), batch_size, drop_last=True)
        return
    loader = DataLoader(rows(n), batch_size, drop_last=True, device=device)
    sizes = [len(y) for _, y in loader]
    assert sizes == [batch_size] * (n // batch_size)
    assert len(loader) == len(sizes)


def test_seed_and_epoch_fix_the_order(device: str) -> None:
    """On every device the same one."""
    first, second = DataLoader(rows(20), 6, seed=7), DataLoader(rows(20), 6, seed=7, device=device)
    epochs = [labels(first) for _ in range(4)]
    assert epochs == [labels(second) for _ in range(4)]
    assert len({str(e) for e in epochs}) == 4
    assert first.epoch == 4
    second.set_epoch(2)  # without replaying 0 and 1
    assert labels(second) == epochs[2]
    assert labels(second) == epochs[3]
    assert labels(DataLoader(rows(20), 6, seed=8)) != epochs[0]


def test_the_order_of_an_epoch_is_pinned(device: str) -> None:
    """A saved run must resume in another version of the library: the stream may not change."""
    expected = np.random.Generator(np.random.Philox(np.random.SeedSequence(3, spawn_key=(1, 5)))).permutation(10)
    loader = DataLoader(np.arange(10), 4, seed=3, device=device)
    loader.set_epoch(5)
    np.testing.assert_array_equal(np.concatenate([host(b) for b in loader]), expected)


def test_without_a_seed_the_global_one_decides(device: str) -> None:
    def run() -> list[list[int]]:
        mg.manual_seed(5)
        return labels(DataLoader(rows(20), 6)) + labels(DataLoader(rows(20), 6, device=device))

    once = run()
    assert once == run()
    assert once[:4] != once[4:]  # two loaders, two orders


@given(
    st.integers(1, 30), st.integers(1, 12), st.integers(0, 70), st.sampled_from(["shuffled", "in order", "weighted"])
)
def test_resume_gives_exactly_the_batches_left(device: str, n: int, batch_size: int, taken: int, how: str) -> None:
    """On another device too."""
    options: Any = {"shuffle": how != "in order", "weights": np.arange(1, n + 1) if how == "weighted" else None}

    def stream(loader: DataLoader, stop: int) -> Any:
        """(epoch, labels) of every batch until that epoch, with the state as seen while the batch is used."""
        while loader.epoch < stop:
            for _, y in loader:
                yield host(y).tolist(), loader.state_dict()

    whole = list(stream(DataLoader(rows(n), batch_size, seed=1, **options), 4))
    taken %= len(whole)
    resumed = DataLoader(rows(n), batch_size, seed=99, device=device, **options)
    resumed.load_state_dict(whole[taken][1])
    assert list(stream(resumed, 4)) == whole[taken + 1 :]


def test_the_state_is_plain_data() -> None:
    loader = DataLoader(rows(20), np.int64(6), seed=np.int64(4))
    next(iter(loader))
    assert loader.state_dict() == {"seed": 4, "epoch": 0, "position": 1}
    assert all(type(v) is int for v in loader.state_dict().values())


def test_a_look_at_one_batch_does_not_shorten_the_next_epoch() -> None:
    loader = DataLoader(rows(20), 6, seed=0)
    next(iter(loader))
    assert sorted(itertools.chain(*labels(loader))) == list(range(20))
    assert loader.epoch == 2


def test_iterators_side_by_side_do_not_disturb_one_another(device: str) -> None:
    loader = DataLoader(rows(20), 6, seed=0, device=device)
    pairs = [(host(a).tolist(), host(b).tolist()) for (_, a), (_, b) in zip(loader, loader, strict=True)]
    for side in zip(*pairs, strict=True):
        assert sorted(itertools.chain(*side)) == list(range(20))
    assert loader.epoch == 2


def test_slices_in_order_are_views() -> None:
    x, y = rows(10)
    for xb, yb in DataLoader((x, y), 4, shuffle=False):
        assert np.shares_memory(xb.data, x)
        assert np.shares_memory(yb.data, y)


def test_data_moves_to_the_device_once(strict: StrictProvider) -> None:
    x, y = rows(64)
    loader = DataLoader((x, y), 8, seed=0, device="cuda")
    in_order = loader.in_order()
    strict.machine.reset()
    with strict.machine.no_sync():
        assert len(list(loader)) == len(list(in_order)) == 8
    assert strict.machine.tally.to_device.nbytes == 64 * 8, "the order of the epoch"
    assert strict.machine.tally.launch_count == 16, "one gather a batch and array; slices are views"


def test_one_array_gives_tensors_and_a_tuple_gives_tuples(device: str) -> None:
    x, y = (put(a, device) for a in rows(10))
    assert all(isinstance(batch, mg.Tensor) for batch in DataLoader(x, 4))
    assert all(isinstance(batch, tuple) and len(batch) == 1 for batch in DataLoader((x,), 4))
    assert all(len(batch) == 3 for batch in DataLoader((x, y, mg.tensor(x)), 4))


def test_a_data_set_is_its_x_and_y() -> None:
    iris = data.load("iris")
    xb, yb = next(iter(DataLoader(iris, 50, shuffle=False)))
    np.testing.assert_array_equal(xb.data, iris.x[:50])
    np.testing.assert_array_equal(yb.data, iris.y[:50])


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("float64", "float32"),
        ("float32", "float32"),
        ("float16", "float32"),
        ("int64", "int64"),
        ("int8", "int8"),
        ("uint8", "uint8"),
        ("bool", "bool"),
    ],
)
@pytest.mark.parametrize("shape", [(9,), (9, 2), (9, 2, 3), (9, 0)], ids=str)
def test_dtypes_and_shapes(given_: str, kept: str, shape: tuple[int, ...], device: str) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(given_)
    for source in (x, put(x, device)):
        batch = next(iter(DataLoader(source, 5, seed=0, device=device)))
        assert (batch.dtype, batch.device) == (kept, device)
        np.testing.assert_array_equal(host(batch), next(iter(DataLoader(x, 5, seed=0))).data)


def test_fortran_order_and_strided_data_give_the_same_batches(device: str) -> None:
    x, _ = rows(12, 5)
    expected = [b.data for b in DataLoader(x, 5, seed=0)]
    for other in (put(x.T, device).T, put(np.repeat(x, 2, axis=0), device)[::2]):
        for batch, e in zip(DataLoader(other, 5, seed=0), expected, strict=True):
            np.testing.assert_array_equal(host(batch), e)


def test_weights_are_the_shares_of_the_rows() -> None:
    n = 200
    weights = np.random.default_rng(0).uniform(0, 3, n) * (np.arange(n) % 4 > 0)
    weights[-1] = 0
    loader = DataLoader(rows(n), 64, seed=0, weights=weights)
    assert "weighted" in repr(loader)
    epochs = [np.concatenate(labels(loader)) for _ in range(100)]
    assert {len(e) for e in epochs} == {n}
    counts = np.bincount(np.concatenate(epochs), minlength=n)
    share = weights / weights.sum()
    assert not counts[weights == 0].any()
    deviation = (counts - 100 * n * share) / np.sqrt(np.maximum(100 * n * share, 1))
    assert np.abs(deviation).max() < 5
    assert 0.6 < deviation.std() < 1.2
    assert any(len(np.unique(e)) < n / 1.3 for e in epochs)  # with replacement


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**63), st.integers(0, 9), st.floats(1e-300, 1e300))
def test_weights_repeat_by_seed_and_epoch(
    device: str, n: int, batch_size: int, seed: int, epoch: int, factor: float
) -> None:
    weights = np.random.default_rng(n).integers(0, 3, n)
    weights[0] = 1
    first = DataLoader(rows(n), batch_size, seed=seed, weights=weights)
    second = DataLoader(rows(n), batch_size, seed=seed, weights=(weights * 2.0).tolist(), device=device)
    for _ in range(epoch):
        list(first)
    second.set_epoch(epoch)
    found = labels(second)
    assert labels(first) == found
    assert sum(map(len, found)) == n
    assert weights[np.concatenate(found)].all()
    third = DataLoader(rows(n), batch_size, seed=seed, weights=mg.tensor(weights * factor, device=device))
    third.set_epoch(epoch)
    # an ulp of rounding may move a draw that lies on the border between two rows, so not always all the same
    assert len(np.concatenate(labels(third))) == n


def test_the_rows_drawn_by_weight_are_pinned() -> None:
    """As the order of an epoch: a saved run must resume in another version of the library."""
    draws = np.random.Generator(np.random.Philox(np.random.SeedSequence(3, spawn_key=(1, 5)))).random(8)
    expected = [next(i for i, c in enumerate([0.0, 0.25, 0.25, 1.0]) if d < c) for d in np.r_[draws[:4]]]
    loader = DataLoader(np.arange(4), 4, seed=3, weights=[0, 1, 0, 3])
    loader.set_epoch(5)
    assert next(iter(loader)).tolist() == expected


def test_weights_even_out_the_classes() -> None:
    y = np.repeat([0, 1, 2], [900, 90, 10])
    loader = DataLoader(y, 100, seed=0, weights=data.sample_weights(y))
    counts = sum(np.bincount(batch.data, minlength=3) for _ in range(10) for batch in loader)
    assert np.abs(counts / 10_000 - 1 / 3).max() < 0.02


def test_in_order_gives_every_row_once(device: str) -> None:
    for options in ({}, {"drop_last": True}, {"weights": np.arange(20)}):
        loader = DataLoader(rows(20), 6, seed=4, device=device, **options)
        next(iter(loader))
        state = loader.state_dict()
        assert list(itertools.chain(*labels(loader.in_order()))) == list(range(20))
        assert loader.state_dict() == state
    assert isinstance(next(iter(DataLoader(X, 2).in_order())), mg.Tensor)


X, Y = rows(6)
ERRORS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    ((), {}, ValueError, "no arrays"),
    (np.zeros((0, 3)), {}, ValueError, "length 0"),
    ((X, Y[:5]), {}, ShapeError, "6, 5"),
    ((X, np.array(1.0)), {}, ShapeError, "array 1 is 0-d"),
    (np.array(["a", "b"]), {}, DTypeError, "array 0 has dtype <U1"),
    ((X, np.array([None] * 6)), {}, DTypeError, "array 1 has dtype object"),
    (X.astype(complex), {}, DTypeError, "complex128"),
    (mg.tensor(X, requires_grad=True), {}, GraphError, "detach"),
    (X, {"batch_size": 0}, ValueError, "at least 1, got 0"),
    (X, {"batch_size": -3}, ValueError, "got -3"),
    (X, {"batch_size": 2.0}, TypeError, "float 2.0"),
    (X, {"batch_size": True}, TypeError, "bool True"),
    (X, {"batch_size": "2"}, TypeError, "str '2'"),
    (X, {"batch_size": 7, "drop_last": True}, ValueError, "drop_last.*7.*6"),
    (X, {"seed": 1.5}, TypeError, "float 1.5"),
    (X, {"seed": -1}, ValueError, "got -1"),
    (X, {"device": "gpu"}, DeviceError, "'gpu'"),
    (X, {"weights": np.ones(6), "shuffle": False}, ValueError, "weights need shuffle=True"),
    (X, {"weights": np.ones(5)}, ShapeError, r"weights must have shape \(6,\), one per row, got \(5,\)"),
    (X, {"weights": np.ones((6, 1))}, ShapeError, r"got \(6, 1\)"),
    (X, {"weights": 1.0}, ShapeError, r"got \(\)"),
    (X, {"weights": list("abcdef")}, DTypeError, "weights must be numbers, got dtype <U1"),
    (X, {"weights": [1, 1, -0.5, 1, 1, 1]}, ValueError, r"not negative, got -0\.5 for row 2"),
    (X, {"weights": [1, 1, 1, np.nan, 1, 1]}, ValueError, "got nan for row 3"),
    (X, {"weights": [1, 1, 1, 1, 1, np.inf]}, ValueError, "got inf for row 5"),
    (X, {"weights": np.zeros(6)}, ValueError, "all weights are 0"),
]


@pytest.mark.parametrize(("arrays", "options", "error", "match"), ERRORS)
def test_errors_say_what_was_received(arrays: Any, options: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        DataLoader(arrays, **{"batch_size": 2, **options})


STATE_ERRORS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"seed": 0, "epoch": 0}, ValueError, "'position'"),
    ({"seed": -1, "epoch": 0, "position": 0}, ValueError, "seed"),
    ({"seed": 0, "epoch": -2, "position": 0}, ValueError, "epoch"),
    ({"seed": 0, "epoch": 0, "position": 3}, ValueError, "position 3.*3 batches"),
    ({"seed": 0, "epoch": 0.5, "position": 0}, TypeError, "epoch"),
    ({"seed": "0", "epoch": 0, "position": 0}, TypeError, "seed"),
]


@pytest.mark.parametrize(("state", "error", "match"), STATE_ERRORS)
def test_a_state_that_does_not_fit_changes_nothing(state: dict[str, Any], error: type[Exception], match: str) -> None:
    loader = DataLoader(rows(6), 2, seed=5)
    next(iter(loader))
    before = loader.state_dict()
    with pytest.raises(error, match=match):
        loader.load_state_dict(state)
    assert loader.state_dict() == before


def test_set_epoch_refuses_what_is_no_epoch() -> None:
    loader = DataLoader(rows(6), 2)
    with pytest.raises(ValueError, match="-1"):
        loader.set_epoch(-1)
    with pytest.raises(TypeError, match="float"):
        loader.set_epoch(1.0)  # type: ignore[arg-type]
