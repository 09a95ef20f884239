"""Proving gradients right: the row that describes an operation, and the check against differences."""

from importlib import import_module
from typing import Any

from .faults import Fault, usual_faults
from .gradcheck import gradcheck
from .mutants import Mutant, mutants
from .opspec import OpSpec
from .oracles import (
    ComplexStep,
    Differences,
    Directional,
    FixedStep,
    Oracle,
    Taylor,
    WeightDifference,
    step_size_table,
)
from .power import PowerReport, power
from .report import GradcheckReport, InconclusiveError, WrongGradientError
from .verdict import Finding, Outcome, Verdict

__all__ = [
    "ComplexStep", "Differences", "Directional", "Fault", "Finding", "FixedStep", "GradcheckReport",
    "InconclusiveError", "Mutant", "OpSpec", "Oracle", "Outcome", "PowerReport", "Taylor", "Verdict",
    "WeightDifference", "WrongGradientError", "gradcheck", "mutants", "power", "step_size_table", "usual_faults",
]  # fmt: skip

_ON_FIRST_USE = {
    "BatteryError": "battery", "CHECKS": "battery", "Check": "battery", "checks_of": "battery",
    "run_battery": "battery", "Case": "cases", "case_of": "cases", "given_op": "op_tests",
    "parametrize_ops": "op_tests", "strategies": "", "training": "",
}  # fmt: skip
"""Name -> module. Some need hypothesis, pytest or safetensors, and `import minigrad` should need none of them."""


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f".{_ON_FIRST_USE[name] or name}", __name__)
    return getattr(home, name) if _ON_FIRST_USE[name] else home


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE})
