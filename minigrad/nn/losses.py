"""Losses as modules that keep their options; the formulas stand at the functions in `functional`."""

from __future__ import annotations

from typing import Any

from ..tensor import as_raw
from . import functional as F
from ._checks import check_reduction
from .module import Buffer, Module


def _constant(weight: Any) -> Buffer | None:
    """A weight as a buffer, so that it moves with the module."""
    return None if weight is None else Buffer(as_raw(weight))


class _Loss(Module):
    """A loss with a reduction: "mean", "sum" or "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """`functional.mse_loss`: (x - y)**2."""

    def forward(self, x: Any, y: Any) -> Any:
        return F.mse_loss(x, y, reduction=self.reduction)


class L1Loss(_Loss):
    """`functional.l1_loss`: |x - y|."""

    def forward(self, x: Any, y: Any) -> Any:
        return F.l1_loss(x, y, reduction=self.reduction)


class HuberLoss(_Loss):
    """`functional.huber_loss`: a parabola within delta, lines beyond.

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the parabola goes over into lines.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, x: Any, y: Any) -> Any:
        return F.huber_loss(x, y, reduction=self.reduction, delta=self.delta)


class HingeLoss(_Loss):
    """`functional.hinge_loss`: max(0, 1 - x * y)."""

    def forward(self, x: Any, y: Any) -> Any:
        return F.hinge_loss(x, y, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`functional.binary_cross_entropy_with_logits`.

    Args:
        weight: factor per element, or None.
        reduction: "mean", "sum" or "none".
        pos_weight: factor of the positive term, or None.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.weight = _constant(weight)
        self.pos_weight = _constant(pos_weight)

    def forward(self, x: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            x, y, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CrossEntropyLoss(_Loss):
    """`functional.cross_entropy` of logits and labels.

    Args:
        weight: factor per class, or None.
        ignore_index: label of rows that do not count; None says that there is none.
        reduction: "mean", "sum" or "none".
        label_smoothing: in [0, 1].
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int | None = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.weight = _constant(weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, logits: Any, labels: Any) -> Any:
        return F.cross_entropy(
            logits,
            labels,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """`functional.nll_loss` of log-probabilities and labels.

    Args:
        weight: factor per class, or None.
        ignore_index: label of rows that do not count; None says that there is none.
        reduction: "mean", "sum" or "none".
    """

    def __init__(self, weight: Any = None, ignore_index: int | None = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = _constant(weight)
        self.ignore_index = ignore_index

    def forward(self, log_probs: Any, labels: Any) -> Any:
        return F.nll_loss(log_probs, labels, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class KLDivLoss(Module):
    """`functional.kl_div` of log-probabilities and probabilities.

    Args:
        reduction: "mean", "sum", "none" or "batchmean".
        log_target: the target holds logarithms.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        check_reduction("KLDivLoss", reduction, ("mean", "sum", "none", "batchmean"))
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, log_target={self.log_target}"
