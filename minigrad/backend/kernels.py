"""The CUDA kernels of kernels/*.cu: found, compiled once per device, and launched with every argument checked.

CuPy checks nothing: a Python float is packed as eight bytes where the kernel reads four, and a host array is passed
by value. So each launch is compared with the kernel's own parameter list, which is read from its source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DeviceError, DTypeError, ShapeError
from .device import Accelerator, Array, accelerator_for, provider_of

OPTIONS = ("--std=c++17", "-fmad=false")
"""What the compiler is told. Without contraction the kernels round like the C++ that tests compile for the CPU."""

THREADS = 256
"""A block."""
MOST_BLOCKS = 1024
"""Enough to fill the largest GPU; the kernels stride over the rest."""


def blocks(threads: int, block: int = THREADS) -> int:
    """The grid for so many threads of work, in blocks of `block`."""
    return min(MOST_BLOCKS, max(1, -(-threads // block)))


_TYPES = {
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "unsigned int": np.uint32,
    "long long": np.int64,
    "unsigned long long": np.uint64,
    "unsigned char": np.uint8,
}
_ENTRY = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\d+\)\s*)?(\w+)\s*\(([^)]*)\)')
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel: `const float* x` is a pointer to float32 that is only read."""

    name: str
    dtype: np.dtype
    pointer: bool
    const: bool

    def __str__(self) -> str:
        return f"{'const ' if self.const and self.pointer else ''}{self.dtype}{'*' if self.pointer else ''} {self.name}"


@cache
def folder() -> Path:
    """Where the sources are: inside an installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for found in (package / "_kernels", package.parent / "kernels"):
        if any(found.glob("*.cu")):
            return found
    raise FileNotFoundError(f"no CUDA sources in {package / '_kernels'}: the package is incomplete, install it again")


def names() -> tuple[str, ...]:
    """The kernel files, without their ending."""
    return tuple(sorted(path.stem for path in folder().glob("*.cu")))


@cache
def source(name: str) -> str:
    """The text of a kernel file; what it includes stands in its place, so that no compiler needs a path.

    Args:
        name: of the file, without .cu.
    """
    included: set[str] = set()

    def inline(match: re.Match[str]) -> str:
        if match[1] in included:
            return ""
        included.add(match[1])
        return _INCLUDE.sub(inline, (folder() / match[1]).read_text("utf-8"))

    return _INCLUDE.sub(inline, (folder() / f"{name}.cu").read_text("utf-8"))


def signatures(text: str) -> dict[str, tuple[Parameter, ...]]:
    """The kernels in a source and their parameters.

    Raises:
        ValueError: a parameter of a type that the launcher does not know.
    """
    found = {}
    for entry, parameters in _ENTRY.findall(_COMMENT.sub("", text)):
        found[entry] = tuple(_parameter(entry, p) for p in parameters.split(",") if p.strip())
    return found


def _parameter(entry: str, text: str) -> Parameter:
    words = text.replace("*", " * ").replace("__restrict__", " ").split()
    name = words.pop()
    pointer, const = "*" in words, "const" in words
    kind = " ".join(w for w in words if w not in ("*", "const"))
    if kind not in _TYPES:
        raise ValueError(f"kernel {entry}: parameter {text.strip()!r} has a type that cannot be launched")
    return Parameter(name, np.dtype(_TYPES[kind]), pointer, const)


class Kernel:
    """A compiled kernel of one device.

    Args:
        provider: what launches it.
        device: full label.
        entry: name.
        parameters: from `signatures`.
        function: the provider's function object, kept so that a launch looks nothing up.
    """

    def __init__(
        self, provider: Accelerator, device: str, entry: str, parameters: Sequence[Parameter], function: Any
    ) -> None:
        self.entry = entry
        self.parameters = tuple(parameters)
        self._provider = provider
        self._device = device
        self._function = function

    def __call__(self, grid: int, block: int, *arguments: Any) -> None:
        """Launch.

        Args:
            grid: blocks.
            block: threads a block.
            *arguments: an array (or None, the null pointer) for each pointer, a number for each scalar; a number is
                converted to the parameter's type where it fits.

        Raises:
            TypeError: another number of arguments, or one of the wrong kind.
            DTypeError: an array or number of another dtype.
            ShapeError: an array that is not contiguous.
            DeviceError: an array of another device.
            ValueError: an impossible grid or block.
        """
        if len(arguments) != len(self.parameters):
            raise TypeError(
                f"kernel {self.entry} takes {len(self.parameters)} arguments "
                f"({', '.join(map(str, self.parameters))}), got {len(arguments)}"
            )
        if not (1 <= grid < 2**31 and 1 <= block <= 1024):
            raise ValueError(f"kernel {self.entry}: grid {grid} and block {block}; 1..2^31-1 and 1..1024 are due")
        ready = tuple(map(self._check, self.parameters, arguments))
        with self._provider.scope(self._device):
            self._provider.launch(self._function, grid, block, ready)

    def _check(self, parameter: Parameter, value: Any) -> Any:
        if parameter.pointer:
            return None if value is None else self._check_array(parameter, value)
        if isinstance(value, np.generic):
            if value.dtype != parameter.dtype:
                raise DTypeError(f"kernel {self.entry}: {parameter} is due, got {value.dtype} {value!r}")
            return value
        kind = parameter.dtype.kind
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (kind != "f" and type(value) is not int):
            raise TypeError(f"kernel {self.entry}: {parameter} is due, got {type(value).__name__} {value!r}")
        try:
            return parameter.dtype.type(value)
        except OverflowError as error:
            raise DTypeError(f"kernel {self.entry}: {value!r} does not fit {parameter}") from error

    def _check_array(self, parameter: Parameter, value: Array) -> Array:
        if provider_of(value) is not self._provider:
            raise TypeError(
                f"kernel {self.entry}: {parameter} is due, an array on {self._device}, got {type(value).__name__}"
            )
        if value.dtype != parameter.dtype:
            raise DTypeError(f"kernel {self.entry}: {parameter} is due, got an array of {value.dtype}")
        if self._provider.device_of(value) != self._device:
            raise DeviceError(
                f"kernel {self.entry} is for {self._device}; {parameter.name} lies on {self._provider.device_of(value)}"
            )
        if not value.flags.c_contiguous:
            raise ShapeError(
                f"kernel {self.entry}: {parameter.name} of shape {value.shape} and strides {value.strides} is not "
                "contiguous; copy it first"
            )
        return value


_compiled: dict[tuple[Accelerator, str, str], dict[str, Kernel]] = {}


def kernel(name: str, entry: str, device: str) -> Kernel:
    """A kernel, compiled when first asked for.

    Args:
        name: of its file.
        entry: of the kernel.
        device: full label of an accelerator.

    Raises:
        KeyError: no such kernel in that file.
        DeviceError: the device is not usable.
    """
    provider = accelerator_for(device)
    key = (provider, device, name)
    if key not in _compiled:
        text = source(name)
        with provider.scope(device):  # a compiled function belongs to one device
            module = provider.compile(text, OPTIONS)
            _compiled[key] = {
                found: Kernel(provider, device, found, parameters, provider.function(module, found))
                for found, parameters in signatures(text).items()
            }
    return _compiled[key][entry]
