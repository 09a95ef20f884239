"""minigrad: reverse-mode autodiff on NumPy or CuPy, made for training small networks fast."""

from .backend.random import manual_seed
from .core.modes import enable_grad, is_grad_enabled, no_grad
from .core.op import Op
from .errors import (
    DeviceError,
    DTypeError,
    GradientError,
    GraphError,
    GraphWarning,
    MinigradError,
    OptionalDependencyError,
    ShapeError,
)
from .tensor import Tensor, tensor
