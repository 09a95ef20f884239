"""minigrad: reverse-mode autodiff on NumPy or CuPy, made for training small networks fast."""

from . import data, nn, optim, testing, training
from .anomaly import detect_anomaly
from .backend.random import manual_seed
from .capture import capture
from .core.modes import enable_grad, is_grad_enabled, no_grad
from .core.op import Op
from .errors import (
    CaptureError,
    CaptureWarning,
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
from .tensor import Tensor, implements, tensor
from .training import Checkpoint, History, evaluate, fit, lr_find, predict
from .transforms import (
    checkpoint,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from .version import __version__

# NumPy's namespace (and SciPy's special functions), so that `import minigrad as np` works.
# fmt: off
# isort: off
from . import linalg
from .creation import (
    arange, array, asarray, empty, eye, full, get_default_device, identity, indices, linspace, logspace, ones,
    set_default_device, tri, tril_indices, triu_indices, zeros,
)
from .ops.alignment import atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, meshgrid
from .ops.apply import apply_along_axis, apply_over_axes, piecewise
from .ops.arithmetic import add, divide, multiply, negative, positive, subtract, true_divide
from .ops.arrangement import flip, fliplr, flipud, moveaxis, roll, rollaxis, rot90
from .ops.binning import bincount, digitize, histogram, histogram_bin_edges
from .ops.bounds import clip, fmax, fmin, maximum, minimum, relu
from .ops.comparison import (
    allclose, array_equal, array_equiv, equal, greater, greater_equal, isclose, iscomplex, iscomplexobj, isfinite,
    isinf, isnan, isneginf, isposinf, isreal, isrealobj, less, less_equal, logical_and, logical_not, logical_or,
    logical_xor, not_equal, signbit,
)
from .ops.concatenators import c_, r_
from .ops.convolution import convolve, correlate
from .ops.cumulative import cumsum, cumulative_sum
from .ops.differences import diff, ediff1d, gradient, trapezoid
from .ops.einsum import einsum
from .ops.exponential import exp, exp2, expm1, log, log10, log1p, log2, logaddexp, logaddexp2, sigmoid, softplus
from .ops.hyperbolic import acosh, arccosh, arcsinh, arctanh, asinh, atanh, cosh, sinh, tanh
from .ops.index import take
from .ops.integers import (
    bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or, bitwise_right_shift,
    bitwise_xor, gcd, invert, lcm, left_shift, right_shift,
)
from .ops.interpolation import interp
from .ops.joining import concat, concatenate, stack
from .ops.likes import empty_like, full_like, ones_like, zeros_like
from .ops.linalg import matmul
from .ops.moments import mean, std, var
from .ops.nan_reductions import (
    nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean, nanmin, nanprod, nanstd, nansum, nanvar,
)
from .ops.order_statistics import median, nanmedian
from .ops.padding import pad
from .ops.parts import (
    abs, absolute, conj, conjugate, copysign, fabs, frexp, heaviside, imag, ldexp, modf, nan_to_num, real,
    real_if_close, sign,
)
from .ops.polynomials import polyval, vander
from .ops.powers import cbrt, float_power, hypot, pow, power, reciprocal, sqrt, square
from .ops.product_reductions import cumprod, cumulative_prod, prod
from .ops.products import cross, dot, inner, kron, matvec, outer, tensordot, vdot, vecdot, vecmat
from .ops.quantiles import nanpercentile, nanquantile, percentile, quantile
from .ops.reduce import all, amax, amin, any, argmax, argmin, count_nonzero, max, min, sum
from .ops.repetition import repeat, resize, tile
from .ops.rounding import (
    around, ceil, divmod, fix, floor, floor_divide, fmod, mod, nextafter, remainder, rint, round, spacing, trunc,
)
from .ops.selection import (
    argwhere, choose, compress, extract, flatnonzero, nonzero, ravel_multi_index, select, take_along_axis,
    unravel_index,
)
from .ops.shape import (
    astype, broadcast_to, copy, expand_dims, matrix_transpose, permute_dims, ravel, reshape, squeeze, swapaxes,
    transpose,
)
from .ops.sorting import argpartition, argsort, lexsort, partition, searchsorted, sort, unique
from .ops.softmax import log_softmax, logsumexp, softmax
from .ops.special import (
    digamma, entr, erf, erfc, erfcx, erfinv, expit, gammaln, i0, i1, log_expit, log_ndtr, logit, ndtr, polygamma,
    psi, xlog1py, xlogy,
)
from .ops.splitting import array_split, dsplit, hsplit, split, trim_zeros, unstack, vsplit
from .ops.stacking import append, block, column_stack, delete, dstack, hstack, insert, row_stack, vstack
from .ops.statistics import average, corrcoef, cov, ptp
from .ops.triangles import diag, diagflat, diagonal, trace, tril, triu
from .ops.trigonometric import (
    acos, arccos, arcsin, arctan, arctan2, asin, atan, atan2, cos, deg2rad, degrees, rad2deg, radians, sin, sinc,
    tan, unwrap,
)
from .ops.updates import copyto, fill_diagonal, index_add, index_update, place, put, put_along_axis, putmask
from .ops.where import where

from numpy import (
    bool_, e, euler_gamma, finfo, float16, float32, float64, iinfo, inf, int8, int16, int32, int64, nan, newaxis, pi,
    uint8, uint16, uint32, uint64,
)
# fmt: on
# isort: on
