"""hypothesis strategies for gradients: numbers away from kinks, zeros and ties; layouts, shapes, indices, networks.

    @given(x=strategies.tensors(shape=(3, 4), away_from=(0.0,), layout="any"))
    def test_my_op(x): gradcheck(my_op, x)

Values lie on a dyadic grid, so every floating-point dtype holds them exactly; they are distinct and nonzero unless
asked otherwise, and shrink towards small distinct numbers (1, -1, 2, ...). Everything is drawn on the host and copied
to its device once. Needs hypothesis (extra: test).
"""

from ..memory_layouts import LAYOUTS
from . import needs  # noqa: F401  (first: it names the extra)
from .arrays import arrays, tensors
from .cases import op_cases
from .grid import grid_points
from .matrices import positive_definite, symmetric, well_conditioned
from .models import OptimizerConfig, batches, mlps, optimizers
from .shapes import axes, broadcastable_arrays, broadcastable_shapes, indices, shapes

__all__ = [
    "LAYOUTS",
    "OptimizerConfig",
    "arrays",
    "axes",
    "batches",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "grid_points",
    "indices",
    "mlps",
    "op_cases",
    "optimizers",
    "positive_definite",
    "shapes",
    "symmetric",
    "tensors",
    "well_conditioned",
]
