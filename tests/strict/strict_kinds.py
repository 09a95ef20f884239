"""What kinds of functions CuPy has, as far as it matters for counting and refusing."""

from __future__ import annotations

VIEWS = frozenset({
    "reshape", "ravel", "transpose", "swapaxes", "squeeze", "broadcast_to", "expand_dims", "view", "moveaxis",
    "rollaxis", "split", "array_split", "hsplit", "vsplit", "dsplit", "diagonal", "atleast_1d", "atleast_2d",
    "atleast_3d", "broadcast_arrays", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray",
    "matrix_transpose", "permute_dims", "real", "imag", "flip", "fliplr", "flipud", "rot90", "diag",
    "linalg.matrix_transpose", "reduced_view",
})  # fmt: skip
"""They make a view where NumPy does; where NumPy has to copy, that is a launch."""

QUESTIONS = frozenset({
    "result_type", "can_cast", "promote_types", "min_scalar_type", "isscalar", "issubdtype", "isdtype", "ndim", "shape",
    "size", "broadcast_shapes", "iscomplexobj", "isrealobj", "isfortran", "may_share_memory", "shares_memory",
    "iterable", "common_type", "typename",
})  # fmt: skip
"""Answers about types and shapes: no array comes out, nothing is launched."""

CUBLAS = frozenset({
    "matmul", "dot", "tensordot", "einsum", "inner", "vdot", "linalg.matmul", "convolve", "correlate",
})  # fmt: skip
"""CuPy calls cuBLAS for floating-point operands."""

WAITS = frozenset({
    "nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "extract", "compress", "bincount", "union1d", "intersect1d", "setdiff1d", "setxor1d", "histogram", "histogramdd",
    "histogram2d", "delete", "trim_zeros", "place", "array2string", "array_repr", "array_str", "linalg.matrix_rank",
    "linalg.lstsq", "linalg.cond",
})  # fmt: skip
"""The shape of the result depends on the values: the host waits for them."""

CREATION = frozenset({
    "arange", "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "empty", "eye", "full",
    "identity", "indices", "linspace", "logspace", "ones", "tri", "zeros", "meshgrid", "bartlett", "blackman",
    "hamming", "hanning", "kaiser", "diag_indices", "tril_indices", "triu_indices", "fromfunction", "frombuffer",
    "fromiter", "mask_indices", "ix_", "unravel_index", "einsum",
})  # fmt: skip
"""Calls without an array operand in front."""

SEQUENCES = frozenset({
    "concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack", "select", "choose",
    "lexsort",
})  # fmt: skip
"""Calls with a sequence of arrays in front."""

JOINS = frozenset({
    "concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack", "row_stack",
})  # fmt: skip
"""Sequences that are copied into one array."""

IN_PLACE = frozenset({
    "copyto", "putmask", "put_along_axis", "fill_diagonal", "put", "fill", "sort_", "partition_",
})  # fmt: skip
"""They write to their first argument and return nothing."""

LAUNCHES = {"var": 2, "std": 3, "nonzero": 2, "flatnonzero": 2, "argwhere": 2, "unique": 3}
"""CuPy's implementation takes so many launches, at least."""

TABLE_AFTER = 8
"""Joining more arrays than this copies a table of their addresses to the device."""
