"""A launch of every kernel, to be made on a GPU and on the CPU side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

f4, i4, i8, u1 = np.float32, np.int32, np.int64, np.uint8


def launches(n: int, rng: np.random.Generator) -> list[tuple[str, str, int, list[Any]]]:
    """File, kernel, greatest distance allowed in ulp, and arguments.

    Args:
        n: elements.
        rng: where the values come from.
    """

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(f4)

    def zeros(*shape: int, dtype: Any = f4) -> np.ndarray:
        return np.zeros(shape, dtype)

    rows, columns = max(1, n // 40), 40
    matrix, out = normal(rows, columns), normal(rows, columns)
    size = (i8(rows), i4(columns))

    def update(states: str, flags: int) -> list[Any]:
        """The arguments of an optimizer: states is a letter for each, "+" where it holds no negative numbers."""
        buffers = [np.abs(normal(n)) if sign == "+" else normal(n) for sign in states]
        table = np.abs(rng.standard_normal((1, 1, 16))) * 0.1 + 0.5
        cursor, live, total = zeros(3, dtype=np.uint32), np.ones(n // 64 + 1, u1), np.array([float(n)])
        tail = [i4(1), i4(16), i4(1), cursor, live, total, i4(flags)]
        return [normal(n), normal(n), *buffers, i8(n), normal(n), table, *tail]

    clip = [normal(n), i8(n), np.array([float(n)]), np.array([0.5]), zeros(1)]
    backward = [matrix, out, zeros(rows, columns), zeros(columns), None, None, *size, i8(rows), i4(1), i4(0)]
    labels = rng.integers(0, columns, rows)
    loss = [matrix, labels, None, f4(1), i8(-100), zeros(rows, columns), zeros(rows), zeros(1), zeros(1)]
    loss += [zeros(1, dtype=np.uint32), *size, i4(0)]
    slope = [np.ones(1, f4), np.abs(matrix), labels, None, f4(1), i8(-100), None, zeros(rows, columns), *size, i4(0)]
    state, threshold = rng.integers(0, 2**63, 6).astype(np.uint64), np.uint64(2**30)
    dropout = [normal(n), zeros(n), zeros(n, dtype=u1), i8(n), state, threshold, f4(1.25)]
    gather = [matrix, rng.integers(0, rows, 77), zeros(77, columns), i8(77), i8(columns), i8(rows)]
    return [
        # weight decay and every flag of its own, under a check for nan
        ("adam", "adam_f32", 0, update("-++", 1 | 2 | 8)),
        ("sgd", "sgd_f32", 0, update("-", 1 | 2 | 8 | 16 | 32)),
        ("adagrad", "adagrad_f32", 0, update("+", 1 | 2)),
        ("adadelta", "adadelta_f32", 0, update("++", 1 | 2)),
        ("rmsprop", "rmsprop_f32", 0, update("+--", 1 | 2 | 8 | 16)),
        ("adamax", "adamax_f32", 0, update("-+", 1 | 2)),
        ("nadam", "nadam_f32", 0, update("-+", 1 | 2 | 4)),
        ("radam", "radam_f32", 0, update("-+", 1 | 2 | 4)),
        ("lion", "lion_f32", 0, update("-", 1 | 2 | 4)),
        ("norm", "clip_by_norm_f32", 0, clip),
        ("bias_act", "bias_act_f32", 0, [matrix.copy(), normal(columns), *size, i4(1)]),
        ("bias_act", "bias_act_f32", 4, [matrix.copy(), normal(columns), *size, i4(2)]),  # tanhf is another one there
        ("bias_act", "bias_act_backward_f32", 0, backward),
        ("cross_entropy", "softmax_cross_entropy_f32", 64, loss),  # so are expf and logf
        ("cross_entropy", "softmax_cross_entropy_backward_f32", 0, slope),
        ("dropout", "keep_mask", 0, [zeros(n, dtype=u1), i8(n), state, threshold]),
        ("dropout", "dropout_f32", 0, dropout),
        ("gather", "gather_rows_f32", 0, gather),
        ("rows", "row_sum_f32", 0, [matrix, zeros(rows), *size]),
        ("rows", "row_max_f32", 0, [matrix, zeros(rows), *size]),
    ]
