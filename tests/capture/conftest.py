"""Where captured steps are tested."""

from __future__ import annotations

import pytest
from graph_steps import GPUS, Gpu, gpu_named


@pytest.fixture(params=GPUS)
def gpu(request: pytest.FixtureRequest) -> Gpu:
    """The strict device, and a GPU where there is one."""
    return gpu_named(request.param, request)
