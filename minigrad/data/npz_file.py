"""Arrays in .npz files, read with the archive's every claim checked. Objects and pickles are refused unopened."""

from __future__ import annotations

import math
import warnings
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..errors import FileFormatError
from .files import FLOAT32_MAX, check_readable, listed, one_line, shown, shown_path

_KEYS = ("x", "y", "feature_names", "target_names")
_SAVE = "save it by np.savez(path, x=x, y=y)"
_LARGEST, _RATIO = 2**31, 1000  # an archive that claims more than both is a bomb: deflate packs 1032 to 1 at best


@dataclass(frozen=True, eq=False)
class Arrays:
    """What an .npz file holds.

    path: as errors show it.
    x: (n, features), of the file's dtype; finite and in float32's range.
    y: (n,) bools, integers, finite floats, or a list of n strings; None where the file has none.
    feature_names: one per column, or None.
    target_names: one per class, or None.
    """

    path: str
    x: np.ndarray
    y: np.ndarray | list[str] | None
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None


def read_npz(path: str, need_y: bool = True) -> Arrays:
    """The arrays of an .npz file.

    x is (n, features), or (n, ...) with up to three further axes, which become one (images). y is (n,) or (n, 1).
    Arrays of text, feature_names and target_names, may stand beside them.

    Args:
        path: of the file.
        need_y: whether y must be there.

    Returns:
        The arrays, at least one row.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is no sound archive of such arrays.
    """
    size = check_readable(path)
    name = shown_path(path)
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what NumPy and ast say about the header of a damaged array
            found = _read(name, file, size, need_y)
    except FileFormatError:
        raise
    except PermissionError as error:
        raise PermissionError(f"{name}: cannot be read: {error.strerror}") from error
    except Exception as error:  # damage makes zipfile, zlib and ast raise nearly anything, RecursionError included
        raise FileFormatError(f"{name}: a damaged archive ({type(error).__name__}: {one_line(error)})") from None
    x = _samples(name, found["x"])
    y = _targets(name, found["y"], len(x)) if "y" in found else None
    features = _names(name, "feature_names", found, x.shape[1])
    return Arrays(name, x, y, features, _names(name, "target_names", found, None))


def _read(name: str, file: Any, size: int, need_y: bool) -> dict[str, np.ndarray]:
    """The arrays by key; nothing is unpickled and nothing allocated that the archive does not hold."""
    start = file.read(6)
    if start == npy.MAGIC_PREFIX:
        raise FileFormatError(f"{name}: one .npy array, not an .npz archive; {_SAVE}")
    if not zipfile.is_zipfile(file):
        raise FileFormatError(f"{name}: not an .npz archive, or one that was cut off; {_SAVE}")
    with zipfile.ZipFile(file) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        keys = list(members)
        if len(keys) < len(archive.infolist()):
            raise FileFormatError(f"{name}: two arrays of one name; {_SAVE}")
        if "x" not in keys or (need_y and "y" not in keys) or not set(keys) <= set(_KEYS):
            due = "the arrays x and y" if need_y else "the array x (and y, if it is known)"
            raise FileFormatError(
                f"{name}: must hold {due}, and beside them only feature_names and target_names; "
                f"it holds {listed(keys) or 'nothing'}; {_SAVE}"
            )
        claimed = sum(m.file_size for m in members.values())
        if claimed > _LARGEST and claimed > _RATIO * size:
            raise FileFormatError(f"{name}: {size} bytes that claim to unpack to {claimed}: refused as a zip bomb")
        return {key: _array(name, key, archive, member) for key, member in members.items()}


def _array(name: str, key: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):  # (3, 0) is for structured arrays alone
            raise FileFormatError(f"{name}: array {key} has the .npy version {version}; {_SAVE}")
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(file)
        if dtype.hasobject:
            raise FileFormatError(
                f"{name}: array {key} holds Python objects (a pickle), which are never opened; "
                "convert it to numbers or text: a.astype(float) or a.astype(str)"
            )
        if dtype.kind not in "biufUS":
            raise FileFormatError(f"{name}: array {key} has dtype {shown(str(dtype))}; numbers or text are due")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise FileFormatError(
                f"{name}: a damaged archive (array {key} of shape {shape} and dtype {dtype} "
                f"does not fill its {member.file_size} bytes)"
            )
        content = file.read()  # to the end, where the CRC is checked
        flat = np.frombuffer(content, dtype) if content else np.empty(0, dtype)
        return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _samples(name: str, x: np.ndarray) -> np.ndarray:
    if x.dtype.kind in "US":
        raise FileFormatError(f"{name}: x is text (dtype {x.dtype}); numbers are due")
    if x.ndim < 2:
        raise FileFormatError(
            f"{name}: x must be (n, features), got shape {x.shape}; a single feature is x.reshape(-1, 1)"
        )
    if x.ndim > 4:
        raise FileFormatError(f"{name}: x has {x.ndim} axes; make it x.reshape(len(x), -1)")
    if x.size == 0:
        raise FileFormatError(f"{name}: x holds no numbers, its shape is {x.shape}")
    _check_finite(name, "x", x)
    return x.reshape(len(x), -1)


def _targets(name: str, y: np.ndarray, n: int) -> np.ndarray | list[str]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise FileFormatError(f"{name}: y must be (n,), one target per row of x, got shape {y.shape}")
    if len(y) != n:
        raise FileFormatError(f"{name}: x has {n} rows and y has {len(y)}; each row needs one target")
    if y.dtype.kind in "US":
        texts = [t.strip() for t in _text(name, "y", y)]
        if "" in texts:
            raise FileFormatError(f"{name}: y[{texts.index('')}] is empty text; the value is missing")
        return texts
    _check_finite(name, "y", y)
    return y


def _check_finite(name: str, key: str, values: np.ndarray) -> None:
    """Finite, and in float32's range."""
    if values.dtype.kind != "f":
        return
    good = np.abs(values) <= np.float64(FLOAT32_MAX)  # False for nan; a strong float64, for float16's sake
    if not good.all():
        at = tuple(int(i) for i in np.argwhere(~good)[0])
        value = float(values[at])
        problem = "is beyond float32's range of 3.4e38" if math.isfinite(value) else "is not finite"
        raise FileFormatError(
            f"{name}: {key}[{', '.join(map(str, at))}] = {value} {problem}; fill it in or leave it out"
        )


def _text(name: str, key: str, values: np.ndarray) -> list[str]:
    """Text of either kind as strings."""
    try:
        return [t.decode("utf-8") if isinstance(t, bytes) else t for t in values.tolist()]
    except UnicodeDecodeError:
        raise FileFormatError(f"{name}: {key} holds bytes that are not UTF-8 text; use {key}.astype(str)") from None


def _names(name: str, key: str, found: dict[str, np.ndarray], due: int | None) -> tuple[str, ...] | None:
    """The optional array of names `key`; `due` is how many there must be."""
    if key not in found:
        return None
    array = found[key]
    if array.ndim != 1 or array.dtype.kind not in "US" or (due is not None and len(array) != due):
        shape = "(classes,)" if due is None else f"({due},), one per column of x"
        raise FileFormatError(f"{name}: {key} must be text of shape {shape}, got {array.dtype} of shape {array.shape}")
    names = [t.strip() for t in _text(name, key, array)]
    bad = next((n for i, n in enumerate(names) if not n or n in names[:i]), None)
    if bad is not None:
        raise FileFormatError(f"{name}: {key} holds {shown(bad)}, which is empty or there twice")
    return tuple(names)
