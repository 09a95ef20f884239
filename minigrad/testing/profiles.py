"""hypothesis profiles for gradient checks, under names that do not meet a project's own.

`pytest --hypothesis-profile=minigrad-ci`
"""

from __future__ import annotations

from typing import Any

from ..errors import require

PROFILES: dict[str, dict[str, Any]] = {
    "minigrad-dev": {"max_examples": 25},
    "minigrad-ci": {"max_examples": 50, "derandomize": True, "print_blob": True},
    "minigrad-intense": {"max_examples": 1000},
}
"""Name -> how many examples, and whether they are the same in every run. None has a deadline: a first call compiles."""


def register() -> None:
    """Make the profiles known to hypothesis; importing minigrad.testing.strategies does so as well.

    Raises:
        OptionalDependencyError: hypothesis is missing.
    """
    hypothesis: Any = require("hypothesis", "test", "minigrad's profiles")
    for name, options in PROFILES.items():
        hypothesis.settings.register_profile(
            name, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], **options
        )
