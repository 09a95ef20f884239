"""Proving gradients right: the row that describes an operation, and the check against differences."""

from .gradcheck import GradcheckReport, gradcheck
from .opspec import OpSpec

__all__ = ["GradcheckReport", "OpSpec", "gradcheck"]
