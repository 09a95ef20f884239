"""What the strategies for arrays promise: distances, distinctness, layouts, devices, and where they shrink to."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad.backend.device import device_of
from minigrad.testing import gradcheck, strategies
from minigrad.testing.memory_layouts import fits

minimal = settings(database=None, derandomize=True, max_examples=300, phases=[Phase.generate, Phase.shrink],
                   suppress_health_check=list(HealthCheck))  # fmt: skip


@given(
    data=st.data(),
    kinks=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), max_size=3),
    distance=st.sampled_from([1 / 8, 1 / 4]),
    gap=st.sampled_from([0.0, 1 / 16, 1 / 8, 0.1]),
    layout=st.sampled_from(["contiguous", "transposed", "sliced", "reversed", "size-0", "0-d"]),
)
def test_numbers_keep_their_distance(data: Any, kinks: list[float], distance: float, gap: float, layout: str) -> None:
    x = data.draw(
        strategies.arrays(layout=layout, low=-4, high=4, away_from=kinks, distance=distance, min_gap=gap)
    ).ravel()
    assert (x != 0).all()
    assert ((x > -4) & (x < 4)).all()
    for kink in kinks:
        assert (np.abs(x - kink) >= distance).all()
    assert (np.diff(np.sort(x)) >= max(gap, 1e-9)).all()
    assert (x.astype(np.float16) == x).all(), "every dtype holds them exactly"


@given(x=strategies.arrays(shape=(9, 9), low=-4, high=4, away_from=(1.0,), min_gap=1 / 16))
def test_large_arrays_keep_it_too(x: np.ndarray) -> None:
    assert len(set(x.ravel().tolist())) == 81
    assert (np.abs(x - 1) >= 1 / 8).all()
    assert (np.diff(np.sort(x.ravel())) >= 1 / 16).all()
    assert (x != 0).all()


@given(x=strategies.arrays(st.sampled_from(["int32", "uint8", "bool", "float16", "float32"]), (2, 3), away_from=(3.0,)))
def test_dtypes(x: np.ndarray) -> None:
    assert x.shape == (2, 3)
    if x.dtype != bool:
        assert ((x != 0) & (x != 3)).all()


@pytest.mark.parametrize("layout", strategies.LAYOUTS)
@given(data=st.data())
def test_a_layout_is_what_it_says(layout: str, data: Any) -> None:
    x = data.draw(strategies.arrays(layout=layout))
    assert fits(layout, x.shape)
    assert {
        "contiguous": x.flags.c_contiguous,
        "transposed": not x.flags.c_contiguous and x.T.flags.c_contiguous,
        "sliced": x.strides and x.strides[-1] == 2 * x.itemsize,
        "reversed": x.strides and x.strides[0] < 0,
        "broadcast": x.strides and x.strides[0] == 0,
        "size-0": x.size == 0,
        "0-d": x.ndim == 0,
    }[layout]


def test_every_layout_occurs() -> None:
    seen: set[str] = set()

    @settings(minimal, max_examples=200, phases=[Phase.generate])
    @given(x=strategies.arrays(layout="any"))
    def look(x: np.ndarray) -> None:
        seen.add("size-0" if not x.size else "0-d" if not x.ndim else "contiguous" if x.flags.c_contiguous else
                 "reversed" if x.strides[0] < 0 else "broadcast" if 0 in x.strides else
                 "transposed" if x.T.flags.c_contiguous else "sliced")  # fmt: skip

    look()
    assert seen == set(strategies.LAYOUTS)


@given(x=strategies.arrays(shape=(3, 2), layout="any", min_gap=1 / 8))
def test_a_gap_rules_ties_by_a_stride_of_0_out(x: np.ndarray) -> None:
    assert 0 not in x.strides
    assert len(set(x.ravel().tolist())) == 6


def test_shrinking_ends_at_small_distinct_numbers() -> None:
    assert find(strategies.arrays(shape=(4,)), lambda x: True, settings=minimal).tolist() == [1, -1, 2, -2]
    assert find(strategies.arrays(shape=(30,)), lambda x: True, settings=minimal)[:4].tolist() == [1, -1, 2, -2]
    assert find(strategies.arrays(), lambda x: x.size >= 2, settings=minimal).tolist() == [1, -1]
    large = find(strategies.arrays(), lambda x: (x > 2.25).any(), settings=minimal)
    assert large.tolist() in (3, 2.5), "one number with few digits"
    assert find(strategies.arrays(shape=3, away_from=(1.0,)), lambda x: True, settings=minimal).tolist() == [-1, 2, -2]
    layouts = strategies.arrays(shape=(2, 2), layout="any")
    assert find(layouts, lambda x: True, settings=minimal).flags.c_contiguous


def test_tensors_keep_layout_and_go_to_the_device(device: str) -> None:
    @settings(max_examples=10)
    @given(t=strategies.tensors("float32", (2, 3), layout=["transposed", "broadcast"], device=device))
    def look(t: mg.Tensor) -> None:
        assert t.requires_grad
        assert t.is_leaf
        assert t.dtype == np.float32
        assert t.device == device_of(t.data) == device
        (t * t).sum().backward()
        np.testing.assert_array_equal(host(t.grad), 2 * host(t))
        assert not t.data.flags.c_contiguous

    look()


@given(t=strategies.tensors("int64", 3))
def test_integers_are_not_tracked(t: mg.Tensor) -> None:
    assert not t.requires_grad


@given(x=strategies.arrays(layout="any", away_from=(0.0,)))
@settings(max_examples=10)
def test_relu_is_never_checked_at_its_kink(x: np.ndarray) -> None:
    if x.size:
        assert str(gradcheck(mg.relu, x).verdict) == "ok"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: strategies.arrays(layout="spiral"), "layout must be 'any' or among contiguous.*'spiral'"),
        (lambda: strategies.arrays(low=1, high=0), "low=1 must be below high=0"),
        (lambda: strategies.arrays(unique=False, min_gap=1), "min_gap asks for distinct"),
        (
            lambda: strategies.arrays(shape=9, low=0, high=1, min_gap=0.25).example(),
            "no 9 distinct .* 0.25 apart",
        ),
        (
            lambda: strategies.arrays(shape=(), layout="reversed").example(),
            "cannot be laid out as reversed",
        ),
        (lambda: strategies.indices((2,), kinds=["odd"]), "kinds are basic"),
        (lambda: strategies.indices((), kinds=["mixed"]), "none of mixed fits"),
        (lambda: strategies.axes(0, none=False, several=False), "has none to name"),
        (lambda: strategies.mlps(activations=["sine"]).example(), "activations are .*got 'sine'"),
        (lambda: strategies.grid_points(0, 1, distance=-1), "must not be negative"),
    ],
)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@given(group=strategies.broadcastable_arrays(3, layout=["contiguous", "reversed"]))
def test_broadcastable_arrays_have_no_number_in_common(group: tuple[np.ndarray, ...]) -> None:
    np.broadcast_shapes(*[a.shape for a in group])
    for a, b in itertools.combinations(group, 2):
        assert not set(a.ravel().tolist()) & set(b.ravel().tolist())


@given(data=st.data(), shape=strategies.shapes(max_dims=3, min_side=1))
def test_axes_and_indices_fit(data: Any, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    x.sum(axis=data.draw(strategies.axes(x.ndim)))
    assert isinstance(x[data.draw(strategies.indices(shape))], (np.ndarray, np.generic))


@given(data=st.data())
def test_each_kind_of_index_is_of_its_kind(data: Any) -> None:
    def draw(kind: str) -> Any:
        return data.draw(strategies.indices((3, 2), kinds=[kind]))

    assert draw("boolean").dtype == bool
    assert all(i.dtype.kind == "i" for i in draw("integer"))
    assert sum(isinstance(i, np.ndarray) for i in draw("mixed")) == 1
    rows = draw("duplicates") % 3
    assert len(set(rows.tolist())) < len(rows)


def test_importing_the_kit_needs_no_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import minigrad as mg, minigrad.testing\n"
        "try: import minigrad.testing.strategies\n"
        "except mg.OptionalDependencyError as error: assert 'minigrad-cupy[test]' in str(error), error\n"
        "else: raise SystemExit('no error')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
