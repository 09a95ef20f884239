"""Whether operations are recorded: `no_grad` and `enable_grad`, per thread."""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from typing import Any


class _Mode(threading.local):
    recording = True


mode = _Mode()


class no_grad(ContextDecorator):
    """Context manager and decorator: operations inside are not recorded. One object may be entered again."""

    value = False

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(mode.recording)
        mode.recording = self.value

    def __exit__(self, *_: Any) -> None:
        mode.recording = self._previous.pop()

    def _recreate_cm(self) -> no_grad:  # one object a call, so that a decorated function may recurse
        return type(self)()


class enable_grad(no_grad):
    """Context manager and decorator: operations inside are recorded again."""

    value = True


def is_grad_enabled() -> bool:
    """True where operations on tracked tensors are recorded."""
    return mode.recording
