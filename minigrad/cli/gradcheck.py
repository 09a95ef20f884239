"""Check the gradients of a function of yours, and print a verdict for each argument.

  python -m minigrad gradcheck mymodule:loss --shape 3,4 --shape 4
  python -m minigrad gradcheck minigrad:tanh --shape 5 --order 3 --oracle complex_step

The function takes one array per --shape. Its arguments are drawn from a seed: distinct numbers that are exact in
binary, none of them zero, and none near the numbers given with --away-from.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .options import Parser, UsageError, integer, number

ORACLES = ("differences", "complex_step", "taylor", "directional", "fixed_step", "weight_difference")
DTYPES = ("float64", "float32", "float16")
WRONG = 1
LARGEST = 1 << 16
"""Elements of an argument: larger ones take hours and show nothing more."""


def add_arguments(parser: Parser) -> None:
    """The function and where it is checked."""
    parser.add_argument("function", metavar="MODULE:FUNCTION", help="what to check, as imported from this folder")
    lengths = "of an argument, one for each; () is 0-d"
    parser.add_argument("--shape", action="append", required=True, type=shape, metavar="N,M", help=lengths)
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="of the arguments (%(default)s)")
    parser.add_argument("--order", type=integer(1, 4), default=2, metavar="N", help="of derivatives (%(default)s)")
    parser.add_argument("--oracle", choices=ORACLES, default="differences", help="the reference (%(default)s)")
    parser.add_argument("--low", type=float, default=-2.0, metavar="X", help="arguments lie above (%(default)s)")
    parser.add_argument("--high", type=float, default=2.0, metavar="X", help="and below (%(default)s)")
    parser.add_argument(
        "--away-from", type=float, nargs="+", default=[], metavar="X", help="kinks that no argument comes near"
    )
    parser.add_argument(
        "--distance", type=number(0), default=1 / 32, metavar="D", help="how near that would be (%(default)s)"
    )
    parser.add_argument("--seed", type=integer(0), default=0, metavar="K", help="of the arguments (%(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:<index> or auto (%(default)s)")
    parser.add_argument(
        "--allow", action="append", default=[], choices=("noisy", "domain"), help="let this verdict pass"
    )


def shape(text: str) -> tuple[int, ...]:
    """3,4 -> (3, 4); () -> ()."""
    bare = text.strip().removeprefix("(").removesuffix(")").rstrip(",")
    try:
        sides = tuple(int(part) for part in bare.split(",")) if bare else ()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"lengths with commas between are due, as in 3,4; got {text!r}") from error
    size = 1
    for side in sides:
        size *= side
        if side < 0 or size > LARGEST:
            raise argparse.ArgumentTypeError(f"lengths from 0, and {LARGEST} elements at most, are due; got {text!r}")
    return sides


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and say by the exit status whether all is right."""
    from ..backend.array import to_device
    from ..backend.device import resolve_device
    from ..testing import gradcheck

    f = function_of(arguments.function)
    device = resolve_device(arguments.device)
    placed = [to_device(a, device) for a in _drawn(arguments)]
    options = {"oracle": arguments.oracle, "allow": arguments.allow, "seed": arguments.seed}
    passed = True
    try:
        with np.errstate(all="ignore"):  # the verdict says it
            report = gradcheck(f, *placed, order=arguments.order, **options)
    except Exception as error:
        if not hasattr(error, "report"):  # of the function itself
            if os.environ.get("MINIGRAD_TRACEBACK"):
                raise
            raise UsageError(f"{arguments.function} failed: {type(error).__name__}: {error}") from error
        report, passed = error.report, False
    call = ", ".join(f"{arguments.dtype}{list(s)}" for s in arguments.shape)
    print(f"{arguments.function}({call}) on {device}: {report.verdict}\n\n{report.markdown()}\n")
    if passed:
        print(f"{report.comparisons} comparisons; the worst used {report.worst:.2g} of what was allowed")
        return 0
    print(f"{report.failing}\n\nTo see it again:\n\n{_program(report.snippet, arguments.function)}")
    return WRONG


def _drawn(arguments: argparse.Namespace) -> Sequence[Any]:
    """The arguments of the function, on the host.

    Raises:
        UsageError: there are no such numbers.
    """
    from ..testing import OpSpec

    low, high, shapes = arguments.low, arguments.high, tuple(arguments.shape)
    if not -LARGEST <= low < high <= LARGEST:
        raise UsageError(f"--low {low:g} must be below --high {high:g}, and both within {LARGEST}")
    row = OpSpec(
        "", max, max, len(shapes), domain=(low, high), kinks=tuple(arguments.away_from), distance=arguments.distance
    )  # fmt: skip
    try:
        return row.arguments(np.random.default_rng(arguments.seed), shapes, np.dtype(arguments.dtype))
    except ValueError as error:
        reason = str(error).partition(": ")[2]
        raise UsageError(f"{reason}; move --low, --high or --away-from, or take smaller shapes") from error


def _program(snippet: str, function: str) -> str:
    """The report's snippet, with the import that only the command line knows."""
    module, _, name = function.partition(":")
    first, dot, rest = name.partition(".")
    known = f"from {module} import {first} as f" if not dot else f"from {module} import {first}\n\nf = {first}.{rest}"
    lines = [known if line.startswith("# define f here") else line for line in snippet.rstrip().splitlines()]
    return "\n".join(lines)


def function_of(text: str) -> Callable[..., Any]:
    """module:function, imported; dots in the function's name reach into classes and namespaces.

    Raises:
        UsageError: there is no such module or function.
    """
    module_name, colon, path = text.partition(":")
    if not colon or not module_name or not path:
        raise UsageError(f"{text}: MODULE:FUNCTION is due, as in mymodule:loss")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # whatever the module's own code raises
        if os.environ.get("MINIGRAD_TRACEBACK"):
            raise
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise UsageError(f"{module_name}: cannot be imported: {kind}{error}") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise UsageError(f"{module_name} has no function {path!r}{_near(found, name)}")
        found = getattr(found, name)
    if not callable(found):
        raise UsageError(f"{text} is a {type(found).__name__}, not a function")
    return found


def _near(namespace: Any, name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, [n for n in dir(namespace) if not n.startswith("_")], 3)
    return f"; is it {' or '.join(close)}?" if close else ""
