"""What every provider answers, and what is said where there is no accelerator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.backend import device as devices


def test_a_provider_knows_its_devices_and_arrays(device: str) -> None:
    provider = devices.provider_for(device)
    assert device in provider.labels()
    made = provider.from_host(np.arange(3.0), device)
    assert provider.device_of(made) == device
    assert isinstance(made, provider.array_type)
    np.testing.assert_array_equal(provider.to_host(made), np.arange(3.0))
    zeros = provider.zeros((2, 3), np.float32, device)
    assert (zeros.shape, zeros.dtype) == ((2, 3), np.float32)
    assert not host(zeros).any()
    assert devices.provider_of(put(1.0, device)) is provider


@pytest.mark.parametrize("ask", [devices.provider_for, devices.accelerator_for, devices.resolve_device])
def test_without_an_accelerator_the_reason_is_given(monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    for name in ("_accelerator", "_reason", "_probed"):
        monkeypatch.setattr(devices, name, getattr(devices, name))
    devices.install(None, "the driver is missing")
    with pytest.raises(mg.DeviceError, match=r"'cuda:1' is .*the driver is missing"):
        ask("cuda:1")


def test_the_cpu_is_no_accelerator(strict: Any) -> None:
    with pytest.raises(mg.DeviceError, match="'cpu' is no usable GPU"):
        devices.accelerator_for("cpu")
