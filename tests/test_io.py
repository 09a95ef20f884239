"""Saving and loading: what went in comes out; damage is noticed; a failed write leaves what was there."""

from __future__ import annotations

import errno
import json
import math
import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from on_device import host, put

import minigrad as mg
from minigrad import io, nn, optim
from minigrad.errors import FileFormatError, OptionalDependencyError

PLAIN = st.none() | st.booleans() | st.integers(-(2**128), 2**128) | st.floats() | st.text(max_size=5)
ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
KEYS = st.text(max_size=5) | st.integers(0, 9) | st.sampled_from(["$tensor", "$dict", "a", "a.b"])
TREES = st.recursive(
    PLAIN | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, bit for bit."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return a == b and str(a) == str(b)


@given(st.dictionaries(st.text(min_size=1, max_size=5), TREES, max_size=4))
def test_what_goes_in_comes_out(objects: dict[str, Any]) -> None:
    content = io.dumps(objects)
    assert io.dumps(objects) == content
    assert same(io.loads(content, "here"), objects)


def test_layouts_and_byte_orders_keep_their_values(tmp_path: Path, device: str) -> None:
    a = put(np.arange(12.0).reshape(3, 4), device)
    given = {"t": a.T, "s": a[::2, ::-1], "b": host(a).astype(">f8"), "n": np.float32(1.5)}
    mg.save(tmp_path / "f", x=mg.tensor([1.0, 2.0], device=device), **given)
    found = mg.load(tmp_path / "f")
    for name in "tsb":
        assert isinstance(found[name], np.ndarray)
        np.testing.assert_array_equal(found[name], host(given[name]))
    assert found["b"].dtype.isnative
    assert found["n"] == 1.5
    np.testing.assert_array_equal(found["x"], np.array([1, 2], np.float32))
    found["t"][0, 0] = 7  # arrays of one's own


@pytest.mark.parametrize("there", [True, False])
def test_objects_by_their_state(tmp_path: Path, device: str, there: bool) -> None:
    """What is saved on one device is loaded on the same, or on the CPU; the file does not tell."""
    model = nn.MLP(3, [4], 2, normalization="batch").to(device)
    optimizer = optim.Adam(model.parameters())
    x = np.ones((5, 3), np.float32) * np.arange(5, dtype=np.float32)[:, None]
    model(mg.tensor(x, device=device)).sum().backward()
    optimizer.step()
    mg.save(tmp_path / "run.safetensors", model=model, optimizer=optimizer, note="first")
    found = mg.load(tmp_path / "run.safetensors")
    other = nn.MLP(3, [4], 2, normalization="batch").to(device if there else "cpu")
    other.load_state_dict(found["model"])
    copy = optim.Adam(other.parameters())
    copy.load_state_dict(found["optimizer"])
    for a, b in ((model, other), (optimizer, copy)):
        assert io.dumps({"o": a}) == io.dumps({"o": b})
    assert found["note"] == "first"
    assert {t.device for t in other.state_dict().values()} == {device if there else "cpu"}


def test_other_programs_read_the_tensors(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    mg.save(tmp_path / "f.safetensors", layer={"weight": np.eye(2)})
    np.testing.assert_array_equal(load_file(tmp_path / "f.safetensors")["layer.weight"], np.eye(2))
    save_file({"w": np.ones(3)}, tmp_path / "theirs.safetensors")
    np.testing.assert_array_equal(mg.load(tmp_path / "theirs.safetensors")["w"], np.ones(3))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "save: a.0 is a object; arrays, numbers"),
        ({1.5: 2}, "save: a.0 has the key 1.5"),
        (np.array(["x"]), "save: a.0 is an array of dtype <U1"),
        (np.array([None]), "save: a.0 is an array of dtype object"),
        (1j, "save: a.0 is a complex"),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_written(tmp_path: Path, value: object, message: str) -> None:
    (tmp_path / "f").write_text("before")
    with pytest.raises(TypeError, match=message):
        mg.save(tmp_path / "f", a=[value])
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "before"


def test_every_flipped_bit_and_every_cut_is_noticed_or_harmless() -> None:
    objects = {"w": np.arange(6.0).reshape(2, 3), "n": [1, 2.5, None, "text"], "d": {3: (True, math.inf)}}
    good = io.dumps(objects)
    rng = random.Random(0)
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << rng.randrange(8)
        _refused_or_right(bytes(bad), objects)
        if position % 7 == 0:
            _refused_or_right(good[:position], objects)
            _refused_or_right(good[:position] + rng.randbytes(3) + good[position:], objects)


def _refused_or_right(content: bytes, objects: dict[str, Any]) -> None:
    try:
        found = io.loads(content, "dir/file")
    except FileFormatError as error:
        message = str(error)
    else:  # the name of our metadata entry was hit: another program's file with the same tensors
        assert same(found, objects) or set(found) == {"w"}
        return
    assert message.startswith("dir/file: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\x00" * 100, b"\xff" * 100, (2**62).to_bytes(8, "little"), (3).to_bytes(8, "little") + b"[1]"],
)
def test_rubbish_is_refused(content: bytes) -> None:
    with pytest.raises(FileFormatError, match=r"^f: not a safetensors file"):
        io.loads(content, "f")


def test_nothing_from_a_file_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "run",))

    (tmp_path / "f").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(FileFormatError):
        mg.load(tmp_path / "f")
    assert not (tmp_path / "run").exists()


def test_a_file_of_a_later_format_says_so() -> None:
    from safetensors.numpy import save

    content = save({}, {"minigrad": json.dumps({"format": 2, "sha256": "", "tree": "{}"})})
    with pytest.raises(FileFormatError, match="f: written in format 2, this version reads 1: update minigrad"):
        io.loads(content, "f")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    io.write_atomic(path, "before")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        io.write_atomic(path, "after")
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
    assert path.read_text() == "before"


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".model.safetensors.123.tmp").write_bytes(b"half")
    (tmp_path / "mine.tmp").write_bytes(b"mine")
    io.remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.tmp"]


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mg.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError) as caught:
        mg.save(tmp_path / "none" / "f", a=1)
    assert caught.value.filename == str(tmp_path / "none" / "f")


def test_without_safetensors_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(OptionalDependencyError, match=r"Saving needs .*minigrad-cupy\[train\]"):
        mg.save(tmp_path / "f", a=1)
