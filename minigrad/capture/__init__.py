"""Capture: a training step recorded once and replayed."""

from .step import CapturedStep, capture

__all__ = ["CapturedStep", "capture"]
