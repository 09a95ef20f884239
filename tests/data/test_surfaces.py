"""The table of surfaces: gradients, minima, domains, and every way of calling."""

from __future__ import annotations

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.data import SURFACES, Surface
from minigrad.data.surfaces import KINDS
from minigrad.errors import ShapeError
from minigrad.testing import gradcheck

every_surface = pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES.keys())


def gradient(surface: Surface, point: tuple[float, float], device: str = "cpu") -> np.ndarray:
    t = mg.tensor(np.array(point), device=device, requires_grad=True)
    surface(t).backward()
    return host(t.grad)


@every_surface
def test_gradients(surface: Surface, device: str) -> None:
    (x0, x1), (y0, y1) = surface.domain
    points = np.random.default_rng(0).uniform((x0, y0), (x1, y1), (6, 2))
    gradcheck(surface, put(points, device))
    gradcheck(surface, put(points[:, 0], device), put(points[:, 1], device))


@every_surface
def test_minima(surface: Surface) -> None:
    for minimum in surface.minima:
        assert surface.value is not None
        np.testing.assert_allclose(surface(*minimum), surface.value, atol=1e-13, rtol=1e-14)
        np.testing.assert_allclose(gradient(surface, minimum), 0, atol=1e-12)
        for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
            assert surface(np.add(minimum, step)) > surface.value
    assert (surface.value is None) == (not surface.minima) == (surface.kind == "saddle")


@every_surface
def test_nowhere_lower_than_the_minimum(surface: Surface, device: str) -> None:
    (x0, x1), (y0, y1) = surface.domain
    grid = np.meshgrid(np.linspace(x0, x1, 401), np.linspace(y0, y1, 401))
    heights = host(surface(*(put(a, device) for a in grid)))
    assert heights.shape == (401, 401)
    assert np.isfinite(heights).all()
    if surface.value is not None:
        assert heights.min() >= surface.value - 1e-12


@every_surface
def test_the_row_is_in_order(surface: Surface) -> None:
    (x0, x1), (y0, y1) = surface.domain
    for x, y in (surface.start, *surface.minima):
        assert x0 <= x <= x1
        assert y0 <= y <= y1
    assert SURFACES[surface.name] is surface
    assert surface.kind in KINDS
    assert surface.shows
    assert len(set(surface.minima)) == len(surface.minima)
    if surface.value is not None:
        assert surface(*surface.start) > surface.value
    assert np.abs(gradient(surface, surface.start)).max() > 1e-4  # a descent does begin


@every_surface
def test_calls(surface: Surface, device: str) -> None:
    point = put(np.array(surface.start), device)
    due = surface(*surface.start)
    for found in (surface(point), surface(surface.start), surface(list(surface.start)), surface(point[0], point[1])):
        np.testing.assert_allclose(host(found), due, rtol=1e-12)
    assert surface(put(np.ones((4, 5, 2)), device)).shape == (4, 5)
    single = mg.tensor(point.astype(np.float32), requires_grad=True)
    assert surface(single).dtype == np.float32
    assert isinstance(surface(single), mg.Tensor)
    assert isinstance(surface(point), np.floating if device == "cpu" else type(point))
    assert surface(put(np.ones((3, 2), np.float32), device)).dtype == np.float32
    x, y = mg.tensor(point[0], requires_grad=True), mg.tensor(point[1], requires_grad=True)
    surface(x, y).backward()
    np.testing.assert_array_equal([x.grad.item(), y.grad.item()], gradient(surface, surface.start, device))


def test_the_whole_table() -> None:
    assert set(SURFACES) == {
        "bowl", "ellipse", "rosenbrock", "himmelblau", "beale", "booth", "three_hump_camel", "six_hump_camel",
        "rastrigin", "ackley", "saddle", "monkey_saddle", "plateau", "styblinski_tang",
    }  # fmt: skip
    assert {s.kind for s in SURFACES.values()} == set(KINDS)


def test_ackley_has_a_finite_gradient_at_its_tip_in_single_precision(device: str) -> None:
    point = mg.tensor(np.zeros(2, np.float32), device=device, requires_grad=True)
    height = SURFACES["ackley"](point)
    height.backward()
    assert abs(height.item()) < 2e-6
    np.testing.assert_array_equal(host(point.grad), 0)


@pytest.mark.parametrize("points", [np.ones(3), np.ones((2, 1)), np.float64(1.0), 2.0, mg.tensor(np.ones((2, 3)))])
def test_points_of_a_wrong_shape(points: object) -> None:
    with pytest.raises(ShapeError, match=r"bowl: points must be \(\.\.\., 2\), or x and y apart, got shape"):
        SURFACES["bowl"](points)
