"""The entry point: finds the command, and turns every failure into one line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from ..version import __version__
from . import bench, gradcheck, info, lab, predict, sweep, train
from .options import Parser
from .output import drop_stdout

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
"""Exit statuses: training without a usable result; anything wrong with what was given; Ctrl-C."""

DESCRIPTION = """\
Train small neural networks, on the CPU or on a GPU.

  python -m minigrad train                          the handwritten digits of scikit-learn
  python -m minigrad train --data my.csv --target price
  python -m minigrad train --resume runs/x          go on after a kill, bitwise
  python -m minigrad predict --model runs/x --data new.csv
  python -m minigrad sweep --lr 0.001 0.01 --batch-size 16 64 --seeds 3
  python -m minigrad bench                          batch size against throughput, and what binds it
  python -m minigrad gradcheck mymodule:loss --shape 3,4 --shape 4
  python -m minigrad lab surfaces                   gradient descent in pictures, one topic at a time
  python -m minigrad info                           what runs here, and why the GPU does or does not
"""

EPILOG = """\
Exit status: 0 done, 1 training diverged or gradient wrong, 2 bad input (one line on stderr), 130 interrupted.
MINIGRAD_TRACEBACK=1 shows where an error comes from.
"""

COMMANDS = {
    "train": train,
    "predict": predict,
    "sweep": sweep,
    "bench": bench,
    "gradcheck": gradcheck,
    "lab": lab,
    "info": info,
}


def parser() -> Parser:
    """The parser of the whole command line."""
    top = Parser(prog="python -m minigrad", description=DESCRIPTION, epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"minigrad {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary, _, text = (module.__doc__ or "").partition("\n")
        command = commands.add_parser(name, help=summary.rstrip("."), description=summary + text)
        module.add_arguments(command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the arguments; None takes those of the process.

    Returns:
        The exit status.
    """
    if argv is None:
        _own_the_process()
    try:
        arguments = parser().parse_args(argv)
        status: int = COMMANDS[arguments.command].run(arguments)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # --help, --version
        return int(stop.code or 0)
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "before the training began", INTERRUPTED, "interrupted")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        drop_stdout()
        return 0
    except Exception as error:
        if os.environ.get("MINIGRAD_TRACEBACK"):
            raise
        return _fail(explain(error), BAD_INPUT, "error")


def _own_the_process() -> None:
    """What only the program may change, not a caller of `main`."""
    if hasattr(signal, "SIGTERM"):  # a scheduler's end of time is handled like Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may not fit the terminal's encoding
        sys.stdout.reconfigure(errors="backslashreplace")


def explain(error: BaseException) -> str:
    """What an exception says, with the names that a user knows."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}{_mend(error)}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({error or 'an allocation failed'}): use smaller sizes"
    text: Any = error.args[0] if isinstance(error, KeyError) and error.args else error
    return str(text) or type(error).__name__


def _mend(error: OSError) -> str:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "; make room, or write elsewhere with --out, then --resume the run"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return "; choose a folder that you can write to"
    if error.errno == errno.EISDIR:
        return "; name a file"
    if error.errno == errno.ENOENT:
        return "; check the path"
    return ""


def _fail(message: str, status: int, kind: str) -> int:
    line = " ".join(message.split())
    with contextlib.suppress(OSError):
        print(f"minigrad: {kind}: {line}", file=sys.stderr, flush=True)
    return status
