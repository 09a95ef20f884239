"""A user's file: whether a name is a path, and its bytes, read with care. Nothing in a file is ever run."""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, FileFormatError

SUFFIXES = (".npz", ".csv", ".csv.gz")
"""The files that can be read."""
ENDINGS = ".npz, .csv or .csv.gz"
"""The same, for a sentence."""
LARGEST_TEXT = 2**31
"""Bytes that a compressed text may unpack to."""
FLOAT32_MAX = float(np.finfo(np.float32).max)
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A plain decimal number. Python's float() also takes 1_000, nan, infinity and the digits of other scripts."""


def is_path(source: str) -> bool:
    """Whether a source that is no known name is a path: by a separator, by its suffix, or because the file is there."""
    separators = tuple(s for s in (os.sep, os.altsep) if s)
    return any(s in source for s in separators) or suffix_of(source) != "" or os.path.isfile(source)


def suffix_of(path: str) -> str:
    """The one of SUFFIXES that a path ends in, whatever its case; "" where it ends otherwise."""
    return next((s for s in SUFFIXES if path.lower().endswith(s)), "")


def shown(text: str, limit: int = 40) -> str:
    """`text` quoted on one line, shortened to about `limit` characters."""
    return repr(text if len(text) <= limit else f"{text[: limit - 3]}...")


def shown_path(path: str) -> str:
    """A path on one line, as an error begins with it."""
    line = path if path.isprintable() else repr(path)[1:-1]
    return line if len(line) <= 200 else f"...{line[-197:]}"


def listed(names: Sequence[str], limit: int = 20) -> str:
    """Names for an error: quoted, shortened, the first `limit` of them."""
    some = ", ".join(shown(n) for n in names[:limit])
    return some if len(names) <= limit else f"{some} and {len(names) - limit} more"


def one_line(error: BaseException) -> str:
    """What an exception says, on one line."""
    return " ".join(f"{error}".split())[:200] or type(error).__name__


def check_dtype(owner: str, dtype: Any) -> np.dtype:
    """`dtype` as float32 or float64.

    Raises:
        DTypeError: another one.
    """
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise DTypeError(f"{owner}: dtype must be float32 or float64, got {dtype!r}")
    return np.dtype(dtype)


def check_readable(path: str) -> int:
    """Size in bytes of a regular file.

    Raises:
        FileNotFoundError: it is not there.
        IsADirectoryError: a folder.
        OSError: the system refuses.
        FileFormatError: neither, such as a device or a pipe, or no possible name of a file.
    """
    name = shown_path(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        where = "" if os.path.isabs(path) else f", seen from the folder {shown_path(os.getcwd())}"
        raise FileNotFoundError(f"{name}: there is no such file{where}") from None
    except OSError as error:
        raise type(error)(f"{name}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name, or text that the file system cannot encode
        raise FileFormatError(f"{name}: no possible name of a file ({one_line(error)})") from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{name}: is a folder; give the path of a file that ends in {ENDINGS}")
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(f"{name}: is not a regular file")
    if status.st_size == 0:
        raise FileFormatError(f"{name}: the file is empty")
    return status.st_size


def read_bytes(path: str) -> bytes:
    """All bytes of a regular file; those of a .gz file unpacked.

    Raises:
        OSError, FileFormatError: as `check_readable`, a damaged .gz file, or one that unpacks to over LARGEST_TEXT.
    """
    check_readable(path)
    name = shown_path(path)
    packed = path.lower().endswith(".gz")
    try:
        if not packed:
            with open(path, "rb") as plain:
                return plain.read()
        with gzip.open(path, "rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFormatError(f"{name}: not a sound gzip file ({one_line(error)}); pack it anew") from None
    except OSError as error:
        raise type(error)(f"{name}: cannot be read: {error.strerror or one_line(error)}") from error
    except MemoryError:
        raise FileFormatError(f"{name}: the file is too large for this machine's memory") from None
    if len(content) > LARGEST_TEXT:
        raise FileFormatError(f"{name}: unpacks to more than {LARGEST_TEXT} bytes; give it unpacked or in parts")
    return content
