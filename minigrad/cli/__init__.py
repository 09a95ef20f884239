"""The command line: python -m minigrad {train, predict, sweep, info}."""

from .main import main

__all__ = ["main"]
