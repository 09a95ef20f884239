"""Every differentiable operation, grouped by kind; forward and gradient rule stand side by side."""

from . import short_calls as _short_calls  # noqa: F401  first: it gives small ops their short way
