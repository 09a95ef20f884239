"""What linear algebra says to what it cannot do, and where it answers NumPy's arguments in its own way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigrad import ShapeError, linalg, tensor
from minigrad.errors import DTypeError
from minigrad.ops import products
from minigrad.ops.einsum import einsum
from minigrad.ops.linalg import matmul

LinAlgError = np.linalg.LinAlgError


def t(*shape: int, dtype: Any = np.float64) -> Any:
    return tensor(np.ones(shape, dtype), requires_grad=np.dtype(dtype).kind == "f")


ERRORS: list[tuple[Any, Any, str]] = [
    (lambda: matmul(t(), t(3)), ShapeError, r"at least one dimension.*use \* for scalars"),
    (lambda: matmul(t(2, 3), t(2, 3)), ShapeError, r"inner lengths differ: \(2, 3\) @ \(2, 3\)"),
    (lambda: matmul(t(2, 2, 3), t(3, 3, 2)), ShapeError, r"matmul: .*\(2,\).*\(3,\)"),
    (lambda: matmul(t(3), t(3), out=np.ones(())), TypeError, r"matmul: out= is not supported"),
    (lambda: products.dot(t(2, 3), t(4, 2, 3)), ShapeError, r"length 3 of axis -1 differs from length 2 of axis -2"),
    (lambda: products.dot(t(3), t(3), out=np.ones(())), TypeError, r"dot: out= is not supported"),
    (lambda: products.vdot(t(3), t(2)), ShapeError, r"as many elements, got shapes \(3,\) and \(2,\)"),
    (lambda: products.inner(t(3), t(2)), ShapeError, r"length 3 of axis -1"),
    (lambda: products.outer(t(3), [t(1), t(1)]), TypeError, r"list of Tensors.*mg\.stack"),
    (lambda: products.vecdot(t(3), t(2)), ShapeError, r"vecdot: the axes to sum over differ"),
    (lambda: products.vecdot(t(3), t(3), axis=1), ShapeError, r"vecdot: axis 1 is out of range"),
    (lambda: products.matvec(t(3), t(3)), ShapeError, r"matvec: 2 axes or more are due"),
    (lambda: products.vecmat(t(2, 3), t(3, 3, 2)), ShapeError, r"vecmat: .*\(2,\).*\(3,\)"),
    (lambda: products.tensordot(t(2, 3), t(3, 2), 3), ShapeError, r"axes=3 for shapes.*an axis is out of range"),
    (lambda: products.tensordot(t(2, 2), t(2, 2), ([0, 0], [0, 1])), ShapeError, r"an axis is named twice"),
    (lambda: products.tensordot(t(2, 2), t(2, 2), ([0], [0, 1])), ShapeError, r"as many axes of one as of the other"),
    (lambda: products.tensordot(t(2, 2), t(2, 2), (0, 1, 1)), ShapeError, r"an integer or a pair, got \(0, 1, 1\)"),
    (lambda: products.tensordot(t(2, 2), t(2, 2), 1.0), TypeError, r"float"),
    (lambda: products.cross(t(4), t(4)), ShapeError, r"length 2 or 3 are due, got shapes \(4,\)"),
    (lambda: products.cross(t(2, 3), t(3, 3)), ShapeError, r"cross: .*\(2,\).*\(3,\)"),
    (lambda: products.cross(t(2, 3), t(2, 3), axis=2), ShapeError, r"cross: axis 2 is out of range"),
    (lambda: products.cross(t(2, 3), t(2, 3), axisc=2), ShapeError, r"axisc 2 is out of range"),
    (lambda: linalg.cross(t(2), t(2)), ShapeError, r"cross: axis -1 of length 3 is due"),
    (lambda: linalg.outer(t(2, 2), t(2)), ShapeError, r"outer: two vectors are due.*np\.outer flattens"),
    (lambda: linalg.multi_dot([t(2, 2)]), ValueError, r"two arrays or more are due, got 1"),
    (lambda: linalg.multi_dot([t(2, 2), t(2), t(2, 2)]), LinAlgError, r"array 1 must be a matrix, got shape \(2,\)"),
    (lambda: linalg.multi_dot([t(2, 2), t(3, 2), t(2, 2)]), ShapeError, r"neighbours of shapes \(2, 2\) and \(3, 2\)"),
    (lambda: linalg.matrix_power(t(2, 3), 2), LinAlgError, r"matrix_power: the last two axes.*got \(2, 3\)"),
    (lambda: linalg.matrix_power(t(2, 2), 0.5), TypeError, r"the exponent must be an integer, got 0\.5"),
    (lambda: linalg.det(t(3)), LinAlgError, r"det: a matrix, or a stack of them, is needed, got shape \(3,\)"),
    (lambda: linalg.det(t(2, 3)), ShapeError, r"det: the last two axes of a square matrix"),
    (lambda: linalg.det(t(2, 2, dtype=np.float16)), TypeError, r"float16"),
    (lambda: linalg.inv(t(2, 2)), LinAlgError, r"Singular matrix"),
    (lambda: linalg.solve(t(2, 2), t(3)), ShapeError, r"b must be \(2,\) or \(\.\.\., 2, k\).*got \(3,\)"),
    (lambda: linalg.solve(t(2, 2, 2), t(3, 2, 1)), ShapeError, r"solve: .*\(2,\).*\(3,\)"),
    (lambda: linalg.lstsq(t(2, 3), t(3)), LinAlgError, r"lstsq: .* got shapes \(2, 3\) and \(3,\)"),
    (lambda: linalg.lstsq(t(2, 2, 3), t(2)), LinAlgError, r"lstsq: "),
    (lambda: linalg.pinv(t(2, 2), 0.1, rtol=0.1), ValueError, r"rtol and rcond"),
    (lambda: linalg.tensorsolve(t(2, 3), t(2)), LinAlgError, r"tensorsolve: .* got shapes \(2, 3\) and \(2,\)"),
    (lambda: linalg.tensorinv(t(2, 2), 0), ValueError, r"ind must be positive, got 0"),
    (lambda: linalg.cholesky(t(2, 2) - 2), LinAlgError, r"not positive definite"),
    (lambda: linalg.cholesky(t(2, 3)), LinAlgError, r"cholesky: "),
    (lambda: linalg.qr(t(2, 2), "economic"), ValueError, r"mode must be .* got 'economic'"),
    (lambda: linalg.qr(t(2, 2), "raw"), TypeError, r"mode='raw' has no gradient rule"),
    (lambda: linalg.qr(t(2)), LinAlgError, r"qr: a matrix"),
    (lambda: linalg.svd(t(2, 3), hermitian=True), LinAlgError, r"svd: the last two axes"),
    (lambda: linalg.eigh(t(2, 2), "X"), ValueError, r"UPLO must be 'L' or 'U', got 'X'"),
    (lambda: linalg.eig(t(2, 2)), TypeError, r"eig: .* complex.*eigh"),
    (lambda: linalg.eigvals(t(2, 2)), TypeError, r"eigvals: .* complex.*\.data"),
    (lambda: linalg.norm(t(2, 2, 2), 2), ValueError, r"one axis or two are due, got axis=None for shape \(2, 2, 2\)"),
    (lambda: linalg.norm(t(2), "fro"), ValueError, r"order 'fro' is not one for vectors"),
    (lambda: linalg.norm(t(2, 2), 3), ValueError, r"order 3 is not one for matrices"),
    (lambda: linalg.norm(t(2, 2), axis=(0, 0)), ShapeError, r"names a dimension twice"),
    (lambda: linalg.norm(t(2, 2), axis=2), ShapeError, r"axis 2 is out of range"),
    (lambda: linalg.cond(t(0, 0)), LinAlgError, r"empty matrices have no condition number"),
    (lambda: linalg.cond(t(2, 3), 1), LinAlgError, r"cond: the last two axes"),
    (lambda: linalg.matrix_rank(t(2, 2), 0.1, rtol=0.1), ValueError, r"two ways to give the threshold"),
    (lambda: einsum("ij,jk", t(2, 3), t(2, 3)), ShapeError, r"label 'j' has length 3 in one operand and 2 in another"),
    (lambda: einsum("ii", t(1, 3)), ShapeError, r"the diagonal of label 'i' in shape \(1, 3\)"),
    (lambda: einsum("...,...", t(2), t(3)), ShapeError, r"axis -1 of the ellipsis has length"),
    (lambda: einsum("i", t(2, 3)), ShapeError, r"operand 0 has shape \(2, 3\).* name 1 axes and have no ellipsis"),
    (lambda: einsum("ijk", t(2, 3)), ShapeError, r"name 3 axes"),
    (lambda: einsum("ij->k", t(2, 3)), ValueError, r"the output has label 'k', which is in no operand"),
    (lambda: einsum("ij->ii", t(2, 3)), ValueError, r"has label 'i' more than once"),
    (lambda: einsum("i...->i", t(2, 3)), ValueError, r"the output has none"),
    (lambda: einsum("ij,jk", t(2, 3)), ValueError, r"subscripts for 2 operand\(s\), but 1"),
    (lambda: einsum("i1", t(2, 3)), ValueError, r"'1' in the subscripts 'i1' is not a letter"),
    (lambda: einsum("...i...", t(2, 3)), ValueError, r"'\.' in the subscripts"),
    (lambda: einsum("ij", t(2, 3), out=np.ones(1)), TypeError, r"einsum: out= is not supported"),
    (lambda: einsum("ij", t(2, 3), order="F"), TypeError, r"order='F' is not supported"),
    (lambda: einsum("ij", t(2, 3), subok=True), TypeError, r"unknown keyword argument\(s\) subok"),
    (lambda: einsum("ij", t(2, 3), dtype=np.float32), DTypeError, r"casting='safe' does not cast.*float64 to float32"),
    (lambda: einsum(), ValueError, r"no subscripts and no operands"),
    (lambda: einsum("ij"), ValueError, r"no operands"),
    (lambda: einsum(t(2, 3), t(3, 2)), TypeError, r"after each operand a list of its labels"),
    (lambda: einsum(t(2, 3), [0, 52]), ValueError, r"label 52 is not an integer from 0 to 51"),
    (lambda: einsum(t(2, 3), [Ellipsis, Ellipsis]), ValueError, r"more than one Ellipsis"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS)
def test_errors_say_what_was_received(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_eig_is_numpys_for_arrays(device: str) -> None:
    if device != "cpu":
        pytest.skip("the strict device makes no complex arrays")
    x = np.array([[0.0, 1], [-1, 0]])
    assert np.array_equal(linalg.eigvals(x), np.linalg.eigvals(x))
    assert np.array_equal(linalg.eig(x)[1], np.linalg.eig(x)[1])
    assert np.array_equal(linalg.qr(x, "raw")[0], np.linalg.qr(x, "raw")[0])


def test_a_matrix_shape_error_is_both_errors() -> None:
    with pytest.raises(ShapeError) as found:
        linalg.det(t(2, 3))
    assert isinstance(found.value, LinAlgError)


def test_the_facade_has_numpys_names() -> None:
    missing = set(np.linalg.__all__) - set(linalg.__all__)
    assert missing == set()
