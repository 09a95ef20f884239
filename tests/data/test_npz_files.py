"""data.load of .npz files: what is read, and the one line that a bad archive gets. No pickle is ever opened."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy

from minigrad import data
from minigrad.data import npz_file
from minigrad.errors import FileFormatError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 1, 0])


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "my.npz"
    np.savez(path, **arrays)
    return path


def test_a_plain_archive(tmp_path: Path) -> None:
    path = save(tmp_path, x=X, y=Y)
    found = data.load(path)
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y, Y)
    assert (found.x.dtype, found.y.dtype) == (np.float32, np.int64)
    assert found.x.flags.writeable
    assert found.y.flags.writeable
    assert found.name == str(path)
    assert found.feature_names == ("x0", "x1", "x2")
    assert found.target_names == ("0", "1")
    assert (found.target, found.task, found.classes) == ("y", "classification", 2)


Y_KINDS: list[tuple[Any, dict[str, Any], tuple[str, ...], list[float]]] = [
    (np.array([7, -1, -1, 7], np.int8), {}, ("-1", "7"), [1, 0, 0, 1]),
    (np.array([2**63, 5, 5, 2**63], np.uint64), {}, ("5", str(2**63)), [1, 0, 0, 1]),
    (np.array([2**53 + 1, 2**53, 2**53, 2**53 + 1]), {}, (str(2**53), str(2**53 + 1)), [1, 0, 0, 1]),
    (np.array([True, False, False, True]), {}, ("False", "True"), [1, 0, 0, 1]),
    (np.array([True, False, False, True]), {"task": "regression"}, (), [1, 0, 0, 1]),
    (np.array([2.0, 1, 1, 2], ">f4"), {}, ("1", "2"), [1, 0, 0, 1]),
    (np.array([[2], [1], [1], [2]]), {}, ("1", "2"), [1, 0, 0, 1]),
    (np.array(["b ", "a", "a", "b"]), {}, ("a", "b"), [1, 0, 0, 1]),
    (np.array(["b", "a", "a", "b"], "S3"), {}, ("a", "b"), [1, 0, 0, 1]),
    (np.array([1, 2, 3, 4]), {}, (), [1, 2, 3, 4]),
    (np.array([1, 2, 3, 4]), {"task": "classification"}, ("1", "2", "3", "4"), [0, 1, 2, 3]),
    (np.array([0.5, 1, 1, 2]), {}, (), [0.5, 1, 1, 2]),
    (np.array([0.5, 1, 1, 2], np.float16), {}, (), [0.5, 1, 1, 2]),
    (np.array([2, 1, 1, 2], np.float16), {}, ("1", "2"), [1, 0, 0, 1]),
    (np.array([0.5, 1, 1, 2], np.longdouble), {}, (), [0.5, 1, 1, 2]),
]


@pytest.mark.parametrize(("y", "options", "names", "due"), Y_KINDS)
def test_targets(tmp_path: Path, y: Any, options: dict[str, Any], names: tuple[str, ...], due: list[float]) -> None:
    found = data.load(save(tmp_path, x=X, y=y), **options)
    assert found.target_names == names
    assert found.y.dtype == (np.int64 if names else np.float32)
    np.testing.assert_array_equal(found.y, due)


def test_images_become_rows(tmp_path: Path) -> None:
    x = np.arange(4 * 2 * 3 * 2, dtype=np.uint8).reshape(4, 2, 3, 2)
    for images in (x, x[..., 0], np.asfortranarray(x)):
        found = data.load(save(tmp_path, x=images, y=Y))
        np.testing.assert_array_equal(found.x, images.reshape(4, -1))
        assert found.x.flags.c_contiguous


def test_names(tmp_path: Path) -> None:
    found = data.load(
        save(tmp_path, x=X, y=Y, feature_names=["p", "q", "r"], target_names=np.array(["no", "yes"], "S"))
    )
    assert found.feature_names == ("p", "q", "r")
    assert found.target_names == ("no", "yes")
    found = data.load(save(tmp_path, x=X, y=["b", "a", "a", "b"], target_names=["b", "c", "a"]))
    assert found.target_names == ("b", "c", "a")
    np.testing.assert_array_equal(found.y, [0, 2, 2, 0])
    assert data.load(save(tmp_path, x=X, y=Y, target_names=["no", "yes"]), task="regression").target_names == ()


shapes = hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=5).filter(lambda s: s[0] > 1)
dtypes = st.sampled_from(["float32", ">f8", "float16", "int8", ">i4", "uint64", "bool"])


@given(
    x=hnp.arrays(dtypes, shapes, fill=st.nothing()), packed=st.booleans(), fortran=st.booleans(), seed=st.integers(0)
)
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, x: np.ndarray, packed: bool, fortran: bool, seed: int
) -> None:
    y = np.random.default_rng(seed).permutation(len(x)) + 0.5
    path = tmp_path_factory.getbasetemp() / "property.npz"
    (np.savez_compressed if packed else np.savez)(path, x=np.asfortranarray(x) if fortran else x, y=y)
    if x.dtype.kind == "f" and not (np.abs(x.astype(float)) <= np.finfo(np.float32).max).all():
        with pytest.raises(FileFormatError, match=r"not finite|beyond float32's range"):
            data.load(path)
        return
    found = data.load(path, dtype=np.float64)
    np.testing.assert_array_equal(found.x, x.reshape(len(x), -1).astype(np.float64))
    np.testing.assert_array_equal(found.y, y)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


def member(array: Any) -> bytes:
    buffer = io.BytesIO()
    npy.write_array(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def header(text: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An array whose header says `text`, made by hand."""
    line = text.encode().ljust(117) + b"\n"
    size = len(line).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return npy.MAGIC_PREFIX + version + size + line + content


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def nothing_in_it() -> bytes:
    return archive()


def with_x(text: str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return archive(x=header(text, content, version), y=member(Y))


def shaped(shape: str, content: bytes = b"") -> bytes:
    return with_x(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape})}}", content)


def replaced(**changes: Any) -> bytes:
    """The plain archive with other arrays; None leaves one out."""
    arrays = {"x": X, "y": Y, **changes}
    return archive(**{k: member(v) for k, v in arrays.items() if v is not None})


def twice() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in ("x.npy", "x", "y.npy"):
            file.writestr(name, member(X))
    return buffer.getvalue()


def encrypted() -> bytes:
    content = bytearray(archive(x=member(X), y=member(Y)))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


GOOD = archive(x=member(X), y=member(Y))
OBJECTS = np.array([[1, None, "a"]] * 4, object)
NAN, INF = X.copy(), X.copy()
NAN[2, 1], INF[3, 0] = np.nan, -np.inf
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "text": (b"a,b,y\n1,2,3\n", r"not an \.npz archive, or one that was cut off; save it by np\.savez"),
    "rubbish": (bytes(range(256)), r"not an \.npz archive"),
    "pickle": (pickle.dumps({"x": X, "y": Y}), r"not an \.npz archive"),
    "one array": (member(X), r"one \.npy array, not an \.npz archive; save it by np\.savez\(path, x=x, y=y\)"),
    "cut off": (GOOD[:-30], "not an .npz archive, or one that was cut off"),
    "start lost": (GOOD[100:], "a damaged archive|not an .npz archive"),
    "no arrays": (nothing_in_it(), "must hold the arrays x and y, .*it holds nothing"),
    "only x": (replaced(y=None), "must hold the arrays x and y, .*it holds 'x'; save it by"),
    "wrong keys": (archive(X=member(X), labels=member(Y)), "must hold the arrays x and y, .*it holds 'X', 'labels'"),
    "further keys": (replaced(z=X), "beside them only feature_names and target_names; it holds 'x', 'y', 'z'"),
    "a key of another kind": (archive(**{"x": member(X), "y": member(Y), "../../z\n": b""}), r"'\.\./\.\./z\\n"),
    "two of a name": (twice(), "two arrays of one name"),
    "objects": (replaced(x=OBJECTS), r"array x holds Python objects \(a pickle\), which are never opened; convert"),
    "objects as targets": (replaced(y=np.array(list("abba"), object)), "array y holds Python objects"),
    "structured": (replaced(x=np.zeros(4, [("a", "f4"), ("b", "f4")])), "array x has dtype .*; numbers or text are"),
    "complex": (replaced(x=X * 1j), "array x has dtype 'complex128'; numbers or text"),
    "dates": (replaced(y=np.zeros(4, "M8[s]")), r"array y has dtype 'datetime64\[s\]'"),
    "text as x": (replaced(x=X.astype(str)), r"x is text \(dtype <U\d+\); numbers are due"),
    "x of rank 1": (replaced(x=X[:, 0]), r"x must be \(n, features\), got shape \(4,\); .*x\.reshape\(-1, 1\)"),
    "x of rank 0": (replaced(x=1.0), r"x must be \(n, features\), got shape \(\)"),
    "x of rank 5": (replaced(x=np.ones((4, 1, 1, 1, 1))), r"x has 5 axes; make it x\.reshape\(len\(x\), -1\)"),
    "no rows": (replaced(x=X[:0], y=Y[:0]), r"x holds no numbers, its shape is \(0, 3\)"),
    "no columns": (replaced(x=X[:, :0]), r"x holds no numbers, its shape is \(4, 0\)"),
    "one row": (replaced(x=X[:1], y=Y[:1]), "too few rows: 1"),
    "lengths": (replaced(y=Y[:3]), "x has 4 rows and y has 3; each row needs one target"),
    "y of rank 2": (replaced(y=np.eye(4)), r"y must be \(n,\), one target per row of x, got shape \(4, 4\)"),
    "y of rank 0": (replaced(y=1), r"y must be \(n,\)"),
    "nan": (replaced(x=NAN), r"x\[2, 1\] = nan is not finite; fill it in or leave it out"),
    "inf": (replaced(x=INF), r"x\[3, 0\] = -inf is not finite"),
    "beyond float32": (replaced(x=X * 1e38), r"x\[1, 1\] = 4e\+38 is beyond float32's range"),
    "nan as target": (replaced(y=np.array([0, 1, np.nan, 0])), r"y\[2\] = nan is not finite"),
    "empty text as target": (replaced(y=np.array(["a", "", "b", "a"])), r"y\[1\] is empty text"),
    "bytes as target": (replaced(y=np.array([b"\xff", b"a", b"a", b"b"])), r"y holds bytes that are not UTF-8 text"),
    "one class": (replaced(y=Y * 0), "y holds one class only, '0'"),
    "few feature names": (replaced(feature_names=["a", "b"]), r"feature_names must be text of shape \(3,\), .*\(2,\)"),
    "numbers as names": (replaced(feature_names=[1, 2, 3]), "feature_names must be text of shape .*got int64"),
    "a name twice": (replaced(feature_names=["a", "b", "a"]), "feature_names holds 'a', which is empty or there twice"),
    "an empty name": (replaced(target_names=["a", ""]), "target_names holds '', which is empty"),
    "names of rank 2": (replaced(target_names=[["a", "b"]]), r"target_names must be text of shape \(classes,\)"),
    "few target names": (replaced(target_names=["a"]), "y holds '1', which is not one of 0 to 0, the positions in"),
    "other target names": (
        replaced(y=["a", "b", "b", "c"], target_names=["a", "b"]),
        "y holds 'c', which is not one of target_names",
    ),
    "no array inside": (archive(x=b"hello", y=member(Y)), "a damaged archive"),
    "cut array": (archive(x=member(X)[:-8], y=member(Y)), "a damaged archive .*array x of shape .* does not fill"),
    "too long array": (archive(x=member(X) + b"\0" * 8, y=member(Y)), "does not fill"),
    "unknown version": (with_x("{}", version=b"\x03\x00"), r"array x has the \.npy version \(3, 0\)"),
    "huge shape": (shaped("1000000000000, 9"), "does not fill"),
    "endless shape": (shaped(f"0, {10**40}"), "a damaged archive"),
    "negative shape": (shaped("-1, -1", b"\0" * 8), "does not fill"),
    "no header": (with_x("{'descr': '<f8'}"), "a damaged archive"),
    "code as header": (with_x("__import__('os').abort()"), "a damaged archive"),
    "deep header": (with_x("(" * 9000), "a damaged archive"),
    "long header": (with_x("1" * 60_000), "a damaged archive"),
    "old header": (with_x("{'descr': '<f8', 'fortran_order': False, 'shape': (4L, 0or 1)}"), "a damaged archive"),
    "encrypted": (encrypted(), "a damaged archive .*encrypted"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "match"), BAD.values(), ids=BAD.keys())
def test_a_bad_archive_gets_one_line(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "my.npz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=match) as caught:
        data.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 500


OPTIONS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"target": "y"}, r"target='y' names a column of a \.csv file; the targets here are y"),
    ({"y": Y + 0.5}, {"task": "classification"}, "y holds 0.5, which is no class"),
    ({"y": ["a", "b", "b", "a"]}, {"task": "regression"}, "y holds text such as 'a'; a regression needs numbers"),
]


@pytest.mark.parametrize(("arrays", "options", "match"), OPTIONS)
def test_options_that_do_not_fit(tmp_path: Path, arrays: Any, options: Any, match: str) -> None:
    path = save(tmp_path, **{"x": X, "y": Y, **arrays})
    with pytest.raises(FileFormatError, match=match) as caught:
        data.load(path, **options)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("key", ["x", "y", "feature_names", "target_names", "other"])
def test_a_pickle_is_never_opened(tmp_path: Path, key: str) -> None:
    trace = tmp_path / "was here"
    trap = np.array([Trap(trace)] * 4, object)
    path = tmp_path / "my.npz"
    for content in (member(trap), pickle.dumps(Trap(trace)), header("{}", pickle.dumps(Trap(trace)))):
        path.write_bytes(archive(**{"x": member(X), "y": member(Y), key: content}))
        with pytest.raises(FileFormatError):
            data.load(path)
        path.write_bytes(content)
        with pytest.raises(FileFormatError):
            data.load(path)
    assert os.listdir(tmp_path) == ["my.npz"]
    pickle.loads(pickle.dumps(Trap(trace))).close()  # the trap does work
    assert trace.exists()


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.npz"
    np.savez_compressed(path, x=np.zeros((4, 100_000)), y=Y)
    assert data.load(path).x.shape == (4, 100_000)
    monkeypatch.setattr(npz_file, "_LARGEST", 1_000_000)
    monkeypatch.setattr(npz_file, "_RATIO", 100)
    with pytest.raises(FileFormatError, match=r"\d+ bytes that claim to unpack to 3200\d+: refused as a zip bomb"):
        data.load(path)
