"""Functions of functions: gradients, Jacobians, products with them, and checkpointing."""

from .checkpoint import checkpoint
from .first_order import elementwise_grad, grad, value_and_grad
from .matrices import hessian, hvp, jacobian
from .products import jvp, vjp

__all__ = ["checkpoint", "elementwise_grad", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]
