"""Rows of minigrad.ops.special, against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from scipy import special as sp

from minigrad.ops import special
from minigrad.testing import OpSpec

WHOLE = (-4.0, -3.0, -2.0, -1.0, 0.0)
PROBABILITY = (0.0625, 0.9375)


def _in_double(function: Any) -> Any:
    """SciPy's function in float64, in the dtype of the argument."""
    return lambda *xs, **params: function(*(x.astype(np.float64) for x in xs), **params).astype(xs[0].dtype)


def _row(name: str, *, torch: Any = None, **more: Any) -> OpSpec:
    return OpSpec(name, getattr(special, name), _in_double(getattr(sp, name)), torch=torch, **more)


ROWS = [
    _row("erf", domain=(-4.0, 4.0), torch=th("erf")),
    _row("erfc", domain=(-4.0, 4.0), torch=th("erfc")),
    _row("erfcx", domain=(-2.0, 8.0), torch=th("special.erfcx")),
    _row("erfinv", domain=(-0.9375, 0.9375), torch=th("erfinv")),
    _row("ndtr", domain=(-4.0, 4.0), torch=th("special.ndtr")),
    _row("log_ndtr", domain=(-8.0, 4.0), torch=th("special.log_ndtr")),
    _row("gammaln", domain=(0.125, 12.0), torch=th("lgamma")),
    OpSpec("gammaln of negatives", special.gammaln, _in_double(sp.gammaln), domain=(-4.5, -0.125), kinks=WHOLE,
           distance=0.125),
    _row("digamma", domain=(0.25, 12.0), notes="PyTorch's trigamma is right to ten digits only"),
    OpSpec("digamma of negatives", special.digamma, _in_double(sp.digamma), domain=(-4.5, -0.125), kinks=WHOLE,
           distance=0.25),
    OpSpec("polygamma", lambda x, *, n: special.polygamma(n, x),
           lambda x, *, n: sp.polygamma(n, x.astype(np.float64)).astype(x.dtype), domain=(0.5, 12.0),
           params=tuple({"n": n} for n in range(5))),
    OpSpec("polygamma of negatives", lambda x, *, n: special.polygamma(n, x),
           lambda x, *, n: sp.polygamma(n, x.astype(np.float64)).astype(x.dtype), domain=(-3.5, -0.25), kinks=WHOLE,
           distance=0.25, params=tuple({"n": n} for n in range(1, 4))),
    _row("logit", domain=PROBABILITY, torch=th("logit")),
    OpSpec("expit", special.expit, sp.expit, domain=(-6.0, 6.0), torch=th("special.expit")),
    OpSpec("log_expit", special.log_expit, sp.log_expit, domain=(-6.0, 6.0), torch=th("nn.functional.logsigmoid")),
    _row("entr", domain=PROBABILITY, torch=th("special.entr")),
    OpSpec("xlogy", special.xlogy, _in_double(sp.xlogy), 2, broadcasts=True, domain=((-2.0, 2.0), (0.25, 3.0)),
           torch=th("special.xlogy")),
    OpSpec("xlog1py", special.xlog1py, _in_double(sp.xlog1py), 2, broadcasts=True, domain=((-2.0, 2.0), (-0.75, 3.0)),
           torch=th("special.xlog1py")),
    OpSpec("i0", special.i0, np.i0, domain=(-12.0, 12.0), torch=th("i0")),
    OpSpec("i1", special.i1, _in_double(sp.i1), domain=(-12.0, 12.0), torch=th("special.i1")),
]  # fmt: skip
