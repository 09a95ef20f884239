"""What the tests in tests/backend have: found also where this folder is collected alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "backend"))

StandIn: Any = importlib.import_module("cublas_stand_in").StandIn
