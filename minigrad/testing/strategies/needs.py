"""Says what to install where hypothesis is missing, before anything imports it; registers the profiles."""

from ...errors import require
from ..profiles import register

require("hypothesis", "test", "minigrad.testing.strategies")
register()
