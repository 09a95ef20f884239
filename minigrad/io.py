"""Saving and loading: safetensors with a JSON description inside, written whole or not at all, never a pickle.

A file is an ordinary safetensors file, so other programs can read its tensors. Its metadata holds one JSON text: how
the tensors nest with plain values, and a SHA-256 of both, so that a damaged file is refused instead of being believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .backend.array import to_host
from .backend.device import provider_of
from .errors import FileFormatError, require
from .tensor import as_raw

FORMAT = 1
_KEY = "minigrad"
_DTYPES = "fiub"


def write_atomic(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file so that whoever reads `path` finds the old content or the new, never a part.

    Args:
        path: the file; its folder must be there.
        content: what it will hold; text becomes UTF-8.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    target = Path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a rename that outlives a power cut must not name an empty file
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):  # say the name that the caller knows
            raise type(error)(error.errno, error.strerror, str(target)) from error
        raise


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Delete what a killed `write_atomic` left in a folder."""
    for leftover in Path(folder).glob(".*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def save(path: str | os.PathLike[str], **objects: Any) -> None:
    """Save objects to one file.

    Args:
        path: the file, usually *.safetensors; replaced as a whole.
        **objects: by name, whatever has a `state_dict()` (models, optimizers, schedulers, loaders, scalers), arrays,
            Tensors, numbers, text, None, and lists, tuples and dicts of these.

    Raises:
        TypeError: a value that is none of these.
        OSError: the file cannot be written; nothing is changed.
        OptionalDependencyError: safetensors is not installed.
    """
    write_atomic(path, dumps(objects))


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `save` was given: state dicts for objects, NumPy arrays for arrays and Tensors, the rest as it was.

        state = mg.load("run.safetensors")
        model.load_state_dict(state["model"])

    A safetensors file of another program gives its tensors by name. No code from the file is run.

    Args:
        path: the file.

    Returns:
        The objects by name.

    Raises:
        FileFormatError: not such a file, or a damaged one.
        OSError: it cannot be read.
        OptionalDependencyError: safetensors is not installed.
    """
    return loads(Path(path).read_bytes(), str(path))


def dumps(objects: Mapping[str, Any]) -> bytes:
    """The content of the file that `save` would write; equal objects give equal bytes."""
    safetensors: Any = require("safetensors.numpy", "train", "Saving")
    tensors: dict[str, np.ndarray] = {}
    tree = json.dumps({name: _encode(value, name, tensors) for name, value in objects.items()}, allow_nan=False)
    # One metadata entry only: safetensors keeps no order among several, and equal runs must give equal files.
    description = json.dumps({"format": FORMAT, "sha256": _digest(tree, tensors), "tree": tree})
    return bytes(safetensors.save(tensors, {_KEY: description}))


def loads(content: bytes, name: str) -> dict[str, Any]:
    """What `dumps` was given.

    Args:
        content: of a file.
        name: the file's, for errors.

    Raises:
        FileFormatError: not such a content, or a damaged one.
    """
    safetensors: Any = require("safetensors", "train", "Loading")
    numpy_format: Any = require("safetensors.numpy", "train", "Loading")
    try:
        tensors: dict[str, np.ndarray] = numpy_format.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise FileFormatError(
            f"{name}: not a safetensors file, or a damaged one ({_one_line(error)}); use another copy"
        ) from error
    if _KEY not in metadata:
        return dict(tensors)
    try:
        description = json.loads(metadata[_KEY])
        version, digest, tree = description["format"], description["sha256"], description["tree"]
        if version != FORMAT:
            raise FileFormatError(
                f"{name}: written in format {version!r}, this version reads {FORMAT}: update minigrad"
            )
        if digest != _digest(tree, tensors):
            raise FileFormatError(f"{name}: damaged, its content does not fit its checksum; use another copy")
        return {k: _decode(v, tensors) for k, v in json.loads(tree).items()}
    except FileFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{name}: damaged, its description cannot be read ({_one_line(error)})") from error


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _digest(tree: str, tensors: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256(tree.encode())
    for name in sorted(tensors):
        a = tensors[name]
        total.update(f"\n{name} {a.dtype.str} {a.shape}\n".encode())
        total.update(a.tobytes())
    return total.hexdigest()


def _encode(value: Any, path: str, tensors: dict[str, np.ndarray]) -> Any:
    """`value` as JSON, with its arrays put into `tensors`. Objects whose key starts with $ say what JSON cannot."""
    if callable(getattr(value, "state_dict", None)):
        value = value.state_dict()
    value = as_raw(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if provider_of(value) is not None:
        if value.dtype.kind not in _DTYPES:
            raise TypeError(f"save: {path} is an array of dtype {value.dtype}; numbers and booleans can be saved")
        name = path
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "'"
        host = to_host(value)
        tensors[name] = np.array(host, host.dtype.newbyteorder("="), order="C")
        return {"$tensor": name}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, Mapping):
        if all(isinstance(k, str) and not k.startswith("$") for k in value):
            return {k: _encode(v, f"{path}.{k}", tensors) for k, v in value.items()}
        for k in value:
            if not isinstance(k, (str, int)):
                raise TypeError(f"save: {path} has the key {k!r}; keys must be text or integers")
        return {"$dict": [[k, _encode(v, f"{path}.{k}", tensors)] for k, v in value.items()]}
    raise TypeError(
        f"save: {path} is a {type(value).__name__}; arrays, numbers, text, None, lists, tuples, dicts and objects with "
        "a state_dict() can be saved"
    )


def _decode(value: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `_encode`."""
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value), "")
    if not kind.startswith("$"):
        return {k: _decode(v, tensors) for k, v in value.items()}
    content = value[kind]
    if kind == "$tensor":
        return tensors[content]
    if kind == "$float":
        return float(content)
    if kind == "$tuple":
        return tuple(_decode(item, tensors) for item in content)
    if kind == "$dict":
        return {k: _decode(v, tensors) for k, v in content}
    raise ValueError(f"unknown kind {kind}")
