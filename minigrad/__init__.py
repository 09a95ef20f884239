"""minigrad: reverse-mode autodiff on NumPy or CuPy, made for training small networks fast."""

from . import data, nn, optim, testing, training
from .backend.random import manual_seed
from .core.modes import enable_grad, is_grad_enabled, no_grad
from .core.op import Op
from .errors import (
    DeviceError,
    DTypeError,
    FileFormatError,
    GradientError,
    GraphError,
    GraphWarning,
    MinigradError,
    OptionalDependencyError,
    ShapeError,
)
from .io import load, save
from .ops.elementwise import (
    absolute,
    add,
    arctan,
    clip,
    cos,
    cosh,
    divide,
    equal,
    erf,
    exp,
    expm1,
    greater,
    greater_equal,
    isfinite,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logical_not,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    where,
)
from .ops.elementwise import absolute as abs
from .ops.index import take
from .ops.linalg import matmul
from .ops.reduce import argmax, max, mean, min, std, sum, var
from .ops.shape import (
    astype,
    broadcast_to,
    concatenate,
    copy,
    expand_dims,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from .ops.softmax import logsumexp
from .tensor import Tensor, tensor
from .training import Checkpoint, History, evaluate, fit, predict
from .version import __version__
