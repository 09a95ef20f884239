"""The table of CuPy's behaviour, asked of the strict device; the snapshot of CuPy's surface is that of the one here."""

from __future__ import annotations

from typing import Any

import generate_surface
import numpy as np
import pytest
from fidelity import Raises, Row, Samples, run_row
from fidelity_rows import ROWS
from strict_module import method_names
from strict_provider import StrictProvider


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_row(row: Row) -> None:
    provider = StrictProvider()
    machine = provider.machine

    def tally() -> object:
        machine.reset()
        return machine.tally

    assert run_row(row, provider.xp, Samples(provider.xp), machine.no_sync, tally) == ""


def test_the_table_is_large_and_its_labels_are_unique() -> None:
    labels = [row.label for row in ROWS]
    assert len(set(labels)) == len(labels) >= 80
    assert sum(isinstance(row.expect, Raises) for row in ROWS) >= 60


def test_a_row_that_does_not_hold_is_told() -> None:
    """The table can fail: every kind of expectation, turned around, gives a verdict."""
    xp = StrictProvider().xp
    for row in ROWS:
        wrong = Raises(LookupError) if not isinstance(row.expect, Raises) else Raises(ZeroDivisionError)
        changed = Row(row.label, row.call, wrong, row.mode)
        assert run_row(changed, xp, Samples(xp)) != ""


def test_every_public_attribute_of_cupys_arrays_is_there() -> None:
    xp = StrictProvider().xp
    lacking = [name for name in method_names() if not hasattr(xp.ndarray, name)]
    assert lacking == ["base", "cstruct", "flat"]  # not modelled: who wants them gets an AttributeError


def test_the_snapshot_is_sorted_and_as_the_generator_writes_it() -> None:
    assert generate_surface.text(generate_surface.load()) == generate_surface.TARGET.read_text("utf-8")


@pytest.mark.cupy
def test_the_snapshot_is_that_of_the_cupy_installed_here() -> None:
    cupy = pytest.importorskip("cupy")
    known = generate_surface.load()
    if cupy.__version__ != known["version"]:
        pytest.skip(f"the snapshot is of CuPy {known['version']}, this is {cupy.__version__}: generate it again")
    assert generate_surface.text(generate_surface.surface()) == generate_surface.text(known)


@pytest.mark.cupy
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # NumPy about CuPy
def test_cupy_without_a_driver_agrees_where_it_can_be_asked() -> None:
    """Names, keywords and views need no GPU: arrays over a made-up address answer for them."""
    cupy = pytest.importorskip("cupy")
    if cupy.is_available():
        pytest.skip("there is a GPU: the whole table is asked of it instead")
    held = object()

    def made_up(host: np.ndarray) -> Any:
        memory = cupy.cuda.UnownedMemory(1 << 20, 1 << 16, held, device_id=0)
        return cupy.ndarray(host.shape, host.dtype, cupy.cuda.MemoryPointer(memory, 0))

    agreed = 0
    for row in ROWS:
        if row.mode or row.label == "an empty product":  # waits and captures need a stream
            continue
        try:
            verdict = run_row(row, cupy, Samples(cupy, made_up))
        except RuntimeError as error:  # a look at a value
            verdict = f"raised {type(error).__name__}"
        if any(word in verdict for word in ("CUDARuntimeError", "InsufficientDriver", "libcublas")):
            continue
        assert verdict == "", row.label
        agreed += 1
    assert agreed >= 60
