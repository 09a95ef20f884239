"""Where captured steps are tested."""

from __future__ import annotations

import pytest
from graph_steps import GPUS, Gpu, gpu_named


@pytest.fixture(params=GPUS)
def gpu(request: pytest.FixtureRequest) -> Gpu:
    """The strict device, and a GPU where there is one."""
    return gpu_named(request.param, request)


@pytest.fixture
def place(request: pytest.FixtureRequest, device: str) -> Gpu:
    """The device of a test, as `classifier` takes it."""
    if device == "cpu":
        return Gpu("cpu", None, None)
    name = "strict" if "strict" in request.node.name else "cuda"
    return gpu_named(name, request)
