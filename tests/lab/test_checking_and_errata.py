"""Differences against the tape, and the misprints with their runs."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.lab import Notebook, checking, errata
from minigrad.lab.curves import QUARTIC, START


@pytest.mark.parametrize(("kind", "order"), [("weight difference", 1), ("central difference", 2)])
def test_the_order_of_a_difference(kind: str, order: int) -> None:
    errors = [abs(checking.KINDS[kind](QUARTIC.loss, START, h) + 33.75) for h in (1e-2, 1e-3)]
    assert np.log10(errors[0] / errors[1]) == pytest.approx(order, abs=0.02)


def test_how_small_a_step_may_be(notebook: Notebook) -> None:
    checking.draw_steps(notebook)
    n = notebook.numbers
    assert n["gradient"] == -33.75
    assert n["weight_0.1"] == pytest.approx(-31.139)
    assert n["central_0.1"] == pytest.approx(-33.84)
    assert 1e-10 < n["best_h_weight_float64"] < 1e-7 < n["best_h_central_float64"] < 1e-4
    assert n["best_error_central_float64"] < n["best_error_weight_float64"] < 1e-7
    assert n["best_error_central_float32"] < n["best_error_weight_float32"] < 1e-3


def test_a_planted_mistake_stands_out(notebook: Notebook) -> None:
    checking.draw_network(notebook)
    n = notebook.numbers
    assert n["network_central"] < 1e-9 < n["network_weight"] < 1e-4
    assert n["planted_central"] > 1e3 * n["network_central"]


def test_the_errata(notebook: Notebook) -> None:
    errata.run(notebook)
    n = notebook.numbers
    assert n["next_weight"] == -1.46625
    assert n["slope_needed"] == pytest.approx(-10)
    assert n["gradient"] == 4 * (-1.5) ** 3 - 9 * (-1.5) ** 2 == -33.75
    assert n["central_difference"] == pytest.approx(-33.75, abs=1e-6)
    assert n["without_brackets"] == 6.75
    assert n["line_fit_gap"] < 1e-12
    assert n["line_fit_right_sign"] < 1 < 1e3 < n["line_fit_sign_lost"]
    assert n["convex_0"] == pytest.approx(n["convex_1"])
    assert n["not_convex_0"] == pytest.approx(-1.300839565941577)
    assert n["not_convex_1"] == pytest.approx(1.1309011226299859)
    # the published numbers of this network
    assert n["w5_error"] == pytest.approx(0.298371109, abs=1e-9)
    assert n["w5_slope"] == pytest.approx(0.082167041, abs=1e-9)
    assert n["w5_new"] == pytest.approx(0.35891648, abs=1e-8)
    assert n["w5_error_right"] < n["w5_error"] < n["w5_error_wrong"]
    page = (notebook.out / "errata.md").read_text("utf-8")
    for right in (
        "-1.46625",
        "4(-1.5)^3 - 9(-1.5)^2 = -33.75",
        "dL/da = -sum((y - (a x + b)) x)",
        "convex",
        "W5 - lr dE/dW5",
    ):
        assert right in page
