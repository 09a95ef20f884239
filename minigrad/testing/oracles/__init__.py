"""What gradients are compared with: one file per idea, one interface (`Oracle.judge`)."""

from __future__ import annotations

from .base import Oracle
from .complex_step import ComplexStep
from .differences import Differences
from .directional import Directional
from .lecture import (
    FixedStep,
    StepSizeRow,
    WeightDifference,
    central_differences,
    plain_descent,
    step_size_table,
    weight_differences,
)
from .taylor import Taylor

ORACLES: dict[str, type[Oracle]] = {
    oracle.name: oracle for oracle in (Differences, ComplexStep, Taylor, Directional, FixedStep, WeightDifference)
}
"""The oracles that gradcheck knows by name."""


def oracle_named(oracle: str | Oracle) -> Oracle:
    """An oracle by its name, or the one that is given.

    Raises:
        ValueError: no such name.
    """
    if isinstance(oracle, Oracle):
        return oracle
    if oracle not in ORACLES:
        raise ValueError(f"gradcheck: no oracle {oracle!r}; there are {', '.join(ORACLES)}, or an instance of Oracle")
    return ORACLES[oracle]()


__all__ = [
    "ORACLES", "ComplexStep", "Differences", "Directional", "FixedStep", "Oracle", "StepSizeRow", "Taylor",
    "WeightDifference", "central_differences", "oracle_named", "plain_descent", "step_size_table",
    "weight_differences",
]  # fmt: skip
