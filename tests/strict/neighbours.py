"""What the tests in other folders have: found also where this folder is collected alone."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

for _folder in ("ops", "backend"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / _folder))

_draws: Any = importlib.import_module("draws")
Case: Any = _draws.Case
as_tuple: Any = _draws.as_tuple
fixed_case: Any = _draws.fixed_case
ROWS: list[Any] = importlib.import_module("rows").ROWS
StandIn: Any = importlib.import_module("cublas_stand_in").StandIn
