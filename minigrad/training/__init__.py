"""The training loop: fit, evaluate, history, stopping rules, metrics, checkpoints."""

from .checkpoint import Checkpoint
from .evaluate import evaluate, predict
from .fit import Callback, fit
from .history import History
from .lr_finder import LRFinding, lr_find
from .metric import Metric
from .metrics import METRICS

__all__ = [
    "METRICS",
    "Callback",
    "Checkpoint",
    "History",
    "LRFinding",
    "Metric",
    "evaluate",
    "fit",
    "lr_find",
    "predict",
]
