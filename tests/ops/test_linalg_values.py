"""Linear algebra where a convention decides or a careless rule divides by zero: values and gradients, written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from on_device import host, put

from minigrad import GraphError, Op, Tensor, tensor
from minigrad.ops import determinants as dets
from minigrad.ops import least_squares, matrix_chains, norms, products, solvers
from minigrad.ops.decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from minigrad.ops.first_order import first_order
from minigrad.ops.linalg import matmul
from minigrad.testing import gradcheck

INF = math.inf
RANK_2 = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
RANK_1 = np.outer([1.0, 2, -1], [3.0, 0, 1])


def leaf(values: Any, device: str, dtype: Any = np.float64) -> Tensor:
    return tensor(put(np.array(values, dtype), device), requires_grad=True)


def gradients(fn: Callable[..., Any], *values: Any, device: str = "cpu") -> list[np.ndarray]:
    """Of the sum of the function's result."""
    leaves = [leaf(v, device) for v in values]
    fn(*leaves).sum().backward()
    return [host(x.grad) if x.grad is not None else np.zeros(x.shape) for x in leaves]


def second(fn: Callable[..., Any], values: Any, device: str) -> np.ndarray:
    """The gradient of the sum of squares and of the sum of the gradient."""
    x = leaf(values, device)
    fn(x).sum().backward(create_graph=True)
    g, x.grad = x.grad, None
    assert g is not None
    if not g.requires_grad:  # linear in pieces
        return np.zeros(x.shape)
    (g * g + g).sum().backward()
    return np.zeros(x.shape) if x.grad is None else host(x.grad)


# --- determinants -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "cofactors"),
    [
        ([[1.0, 1], [1, 1]], [[1, -1], [-1, 1]]),
        ([[0.0]], [[1]]),
        ([[0.0, 0], [0, 0]], [[0, 0], [0, 0]]),
        (RANK_2, [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]]),
        (RANK_1, np.zeros((3, 3))),
        (np.diag([2.0, 0, 3]), np.diag([0.0, 6, 0])),
        (np.zeros((4, 4)), np.zeros((4, 4))),
        (np.zeros((0, 0)), np.zeros((0, 0))),
        ([[[1.0, 2], [2, 4]], [[1, 0], [0, 1]]], [[[4, -2], [-2, 1]], [[1, 0], [0, 1]]]),
    ],
)
def test_the_gradient_of_det_is_right_at_singular_matrices(matrix: Any, cofactors: Any, device: str) -> None:
    (g,) = gradients(dets.det, matrix, device=device)
    np.testing.assert_allclose(g, cofactors, atol=1e-13)


@pytest.mark.parametrize("matrix", [RANK_2, np.zeros((3, 3)), np.diag([1.0, 2, 0, 0]), np.diag([1.0, 0, 0, 0])])
def test_so_is_its_second_derivative(matrix: np.ndarray) -> None:
    gradcheck(dets.det, matrix, order=2)


def test_so_is_its_second_derivative_at_rank_1(device: str) -> None:
    g = np.array([[1.0, 0, 2], [0, 1, 0], [-1, 3, 1]])
    x = RANK_1
    # of 3 by 3 matrices the Hessian is linear: the polarised cofactors of both
    due = gradients(dets.det, x + g)[0] - gradients(dets.det, x)[0] - gradients(dets.det, g)[0]
    found = dets.cofactor_vjp_(put(g, device), put(x, device))
    np.testing.assert_allclose(host(found), due, atol=1e-12)


def test_det_has_a_third_derivative_where_there_is_an_inverse() -> None:
    gradcheck(dets.det, np.array([[2.0, 1, 0.5], [-1, 3, 1], [0.25, 1, 2]]), order=3)


@pytest.mark.parametrize("gap", [1e-3, 1e-7, 1e-11, 1e-14, 1e-16])
def test_the_gradient_of_det_does_not_lose_accuracy_close_to_a_singular_matrix(gap: float) -> None:
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.normal(size=(5, 5)))[0] for _ in range(2))
    s = np.array([3.0, 2, 1.5, 1, gap])
    due = np.linalg.det(u) * np.linalg.det(v) * (u * (s.prod() / s)) @ v
    (g,) = gradients(dets.det, (u * s) @ v)
    np.testing.assert_allclose(g, due, atol=1e-13 * np.abs(due).max())


@pytest.mark.filterwarnings("ignore:invalid value")  # NumPy's own
def test_nan_gives_nan_and_no_error(device: str) -> None:
    (g,) = gradients(dets.det, [[math.nan, 1], [1, 1]], device=device)
    assert np.isnan(g).all()


@pytest.mark.parametrize("bad", [np.nan, INF, -INF])
def test_the_gradient_of_det_at_infinity_ends_and_spoils_no_other_matrix(bad: float, device: str) -> None:
    """LAPACK's singular value decomposition may never come back from an infinity."""
    x = np.stack([RANK_2] * 10)
    for k in range(9):
        x[k].flat[k] = bad
    with np.errstate(invalid="ignore"):
        (g,) = gradients(lambda x: dets.det(x).sum(), x, device=device)
    assert np.isnan(g[:9]).all()
    np.testing.assert_allclose(g[9], [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]], atol=1e-13)
    hessian = host(dets.cofactor_vjp_(put(np.ones_like(x), device), put(x, device)))
    assert np.isnan(hessian[:9]).all()
    assert np.isfinite(hessian[9]).all()


def test_no_right_hand_side_asks_for_no_factorisation(device: str) -> None:
    x = solvers.solve(put(np.ones((2, 2), np.float32), device), put(np.ones((0, 2, 1)), device))
    assert (x.shape, x.dtype) == ((0, 2, 1), np.linalg.solve(np.ones((2, 2), np.float32), np.ones((0, 2, 1))).dtype)
    with pytest.raises(ValueError, match="3"):
        solvers.solve(put(np.ones((2, 2)), device), put(np.ones((0, 3, 1)), device))


def test_slogdet_of_a_singular_matrix(device: str) -> None:
    x = leaf([[1.0, 1], [1, 1]], device)
    sign, logabsdet = dets.slogdet(x)
    assert host(sign) == 0
    assert host(logabsdet) == -INF
    if device == "cpu":
        with pytest.raises(np.linalg.LinAlgError):
            logabsdet.backward()


def test_the_sign_of_slogdet_is_constant(device: str) -> None:
    x = leaf([[0.0, 2], [1, 0]], device)
    result = dets.slogdet(x)
    result.sign.backward()
    assert host(result.sign) == -1
    assert not host(x.grad).any()


# --- decompositions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", [np.eye(3), np.zeros((2, 2)), np.diag([1.0, 2, 1]), np.eye(1), np.zeros((0, 0))])
def test_functions_of_equal_eigenvalues_alone_are_right(matrix: np.ndarray, device: str) -> None:
    (g,) = gradients(lambda x: eigvalsh(x) ** 2, matrix, device=device)
    np.testing.assert_allclose(g, 2 * matrix, atol=1e-14)
    (g,) = gradients(lambda x: svdvals(x) ** 2, matrix, device=device)
    np.testing.assert_allclose(g, 2 * matrix, atol=1e-14)


def test_functions_of_vectors_of_equal_values_have_finite_gradients(device: str) -> None:
    for matrix in (np.eye(3), np.zeros((3, 3)), np.diag([1.0, 1, 2])):
        assert np.isfinite(gradients(lambda x: eigh(x)[1] ** 3, matrix, device=device)[0]).all()
        assert np.isfinite(gradients(lambda x: svd(x)[0] ** 3, matrix, device=device)[0]).all()
        assert np.isfinite(gradients(lambda x: svd(x[:, :2])[2] ** 3, matrix, device=device)[0]).all()
        assert np.isfinite(second(lambda x: eigvalsh(x) ** 3, matrix, device)).all()


def test_tiny_singular_values_do_not_overflow() -> None:
    x = np.array([[3.0, 1], [1, 2], [0, 1]]) * 1e-170
    with np.errstate(all="raise", under="ignore"):
        (g,) = gradients(lambda x: svd(x, full_matrices=False)[0] ** 4 * 1e-170, x)
    np.testing.assert_allclose(g, gradients(lambda x: svd(x, full_matrices=False)[0] ** 4, x * 1e170)[0], rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 4, 2)])
def test_full_matrices_give_the_gradient_of_reduced_ones(shape: tuple[int, ...], device: str) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    k = min(shape[-2:])
    (due,) = gradients(lambda x: svd(x, full_matrices=False)[0] ** 2, x, device=device)
    (got,) = gradients(lambda x: svd(x)[0][..., :k] ** 2, x, device=device)
    np.testing.assert_allclose(got, due, atol=1e-12)
    (due,) = gradients(lambda x: qr(x).Q ** 2, x, device=device)
    (got,) = gradients(lambda x: qr(x, "complete").Q[..., :k] ** 2, x, device=device)
    np.testing.assert_allclose(got, due, atol=1e-12)


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_only_one_triangle_is_read_and_the_gradient_is_symmetric(uplo: str, device: str) -> None:
    rng = np.random.default_rng(1)
    whole = rng.normal(size=(3, 3))
    whole = whole @ whole.T + np.eye(3)
    half = (
        np.tril(whole) + np.triu(np.full((3, 3), 99.0), 1) if uplo == "L" else np.triu(whole) + np.tril(whole * 7, -1)
    )
    for function in (
        lambda x: eigh(x, uplo)[1] ** 2,
        lambda x: eigvalsh(x, uplo) ** 3,
        lambda x: cholesky(x, upper=uplo == "U") ** 2,
    ):
        of_whole, of_half = (gradients(function, a, device=device)[0] for a in (whole, half))
        np.testing.assert_allclose(of_half, of_whole, rtol=1e-9)
        np.testing.assert_allclose(of_half, of_half.T, rtol=1e-9)


def test_results_have_names_as_in_numpy(device: str) -> None:
    x = leaf([[2.0, 1], [1, 3]], device)
    for ours, theirs in (
        (svd(x), np.linalg.svd(np.eye(2))),
        (eigh(x), np.linalg.eigh(np.eye(2))),
        (qr(x), np.linalg.qr(np.eye(2))),
        (dets.slogdet(x), np.linalg.slogdet(np.eye(2))),
    ):
        assert ours._fields == theirs._fields  # type: ignore[union-attr]
        assert all(isinstance(part, Tensor) and part.requires_grad for part in ours)


# --- norms ------------------------------------------------------------------------------------------------------------

VECTOR_NORMS = [None, 2, 1, INF, -INF, 3, 1.5, 0.5, 2.5]
MATRIX_NORMS = [None, "fro", "nuc", 2, -2, 1, -1, INF, -INF]


@pytest.mark.parametrize("ord", VECTOR_NORMS, ids=str)
@pytest.mark.parametrize("shape", [(3,), (1,), (0,)], ids=str)
def test_the_norm_of_a_zero_vector_has_gradient_0_to_second_order(ord: Any, shape: Any, device: str) -> None:
    if ord == -INF and 0 in shape:
        pytest.skip("there is no smallest element of none")
    x = np.zeros(shape)
    assert not gradients(lambda x: norms.norm(x, ord), x, device=device)[0].any()
    assert not second(lambda x: norms.norm(x, ord), x, device).any()


@pytest.mark.parametrize("ord", MATRIX_NORMS, ids=str)
def test_so_has_that_of_a_zero_matrix(ord: Any, device: str) -> None:
    for shape in ((2, 3), (2, 2), (2, 2, 2)):
        axis = None if len(shape) == 2 else (0, 2)
        assert not gradients(lambda x, axis=axis: norms.norm(x, ord, axis), np.zeros(shape), device=device)[0].any()
        assert not second(lambda x, axis=axis: norms.norm(x, ord, axis), np.zeros(shape), device).any()


@pytest.mark.parametrize(
    ("ord", "x", "due"),
    [
        (None, [3.0, 4], [0.6, 0.8]),
        (1, [3.0, 0, -4], [1, 0, -1]),
        (INF, [3.0, -3, 1], [0.5, -0.5, 0]),
        (-INF, [3.0, -1, 1], [0, -0.5, 0.5]),
        (3, [0.0, 2], [0, 1]),
        (0.5, [0.0, 4.0], [0, 1]),
        (-1, [0.0, 4.0], [0, 0]),
        (1.5, [0.0, 1, 0], [0, 1, 0]),
        (None, [1e-200, 0], [0, 0]),  # its square is 0, and so NumPy's norm
        ("nuc", [[3.0, 0], [0, -4]], [[1, 0], [0, -1]]),
        (2, [[1.0, 0], [0, 1]], [[0.5, 0], [0, 0.5]]),
        (2, [[3.0, 0], [0, 1]], [[1, 0], [0, 0]]),
        (1, [[1.0, 2], [3, 2]], [[0.5, 0.5], [0.5, 0.5]]),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:divide by zero")  # NumPy's own, of 0**-1
def test_gradients_of_norms_at_kinks_and_ties(ord: Any, x: Any, due: Any, device: str) -> None:
    np.testing.assert_allclose(gradients(lambda x: norms.norm(x, ord), x, device=device)[0], due, atol=1e-14)


@pytest.mark.parametrize("p", [None, 2, -2, 1, "fro", INF])
def test_the_condition_of_singular_matrices(p: Any, device: str) -> None:
    x = leaf([[[1.0, 1], [1, 1]], [[2, 0], [0, 2]]], device)
    found = norms.cond(x, p)
    np.testing.assert_allclose(host(found), np.linalg.cond(host(x), p), rtol=1e-12)
    assert math.isinf(host(found)[0]) or abs(host(found)[0]) > 1e15 or p == -2
    found[1].backward()
    assert np.isfinite(host(x.grad)[1]).all()


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_matrix_power_zero_is_the_identity_with_gradient_0(device: str) -> None:
    x = leaf([[1.0, INF], [math.nan, 0]], device)
    found = matrix_chains.matrix_power(leaf(np.ones((2, 2)), device), 0)
    assert np.array_equal(host(found), np.eye(2))
    assert np.array_equal(host(matrix_chains.matrix_power(x, 0)), np.eye(2))
    (g,) = gradients(lambda x: matrix_chains.matrix_power(x, 0), np.ones((2, 2)), device=device)
    assert not g.any()


def test_lstsq_of_too_few_independent_columns(device: str) -> None:
    a, b = np.outer([1.0, 2, 3], [1.0, -1]), np.array([1.0, 0, 2])
    found = least_squares.lstsq(leaf(a, device), leaf(b, device))
    theirs = np.linalg.lstsq(a, b)
    for ours, due in zip(found, theirs, strict=True):
        np.testing.assert_allclose(host(ours), due, atol=1e-14)
    got = gradients(lambda b: least_squares.lstsq(put(a, device), b).x, b, device=device)[0]
    np.testing.assert_allclose(got, np.linalg.pinv(a).sum(axis=0), atol=1e-14)


def test_lstsqs_residuals_and_singular_values_have_gradients() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    gradcheck(lambda a, b: least_squares.lstsq(a, b).residuals, a, b)
    gradcheck(lambda a: least_squares.lstsq(a, b).s, a)
    gradcheck(lambda a, b: least_squares.lstsq(a, b).residuals, a, b[:, 0])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_], ids=lambda d: d.__name__)
def test_integers_become_float64_and_are_not_tracked(dtype: Any, device: str) -> None:
    values = np.array([[2, 1], [1, 1]], dtype)
    x = tensor(put(values, device))
    for ours, theirs in (
        (dets.det, np.linalg.det), (solvers.inv, np.linalg.inv), (eigvalsh, np.linalg.eigvalsh),
        (norms.norm, np.linalg.norm), (least_squares.pinv, np.linalg.pinv),
    ):  # fmt: skip
        if dtype is np.bool_ and ours is solvers.inv:
            continue
        if dtype is np.bool_ and theirs in (np.linalg.det, np.linalg.inv):
            continue  # singular
        found = ours(x)
        assert found.dtype == np.float64
        assert not found.requires_grad
        np.testing.assert_allclose(host(found), theirs(values), atol=1e-12)


def test_gradients_have_the_dtypes_of_their_arguments(device: str) -> None:
    a, b = leaf([[2.0, 1], [0, 3]], device, np.float32), leaf([[1.0], [2]], device)
    for function in (solvers.solve, matmul, products.tensordot, products.kron, lambda a, b: products.dot(a, b)):
        a.grad = b.grad = None
        out = function(a, b) if function is not products.tensordot else products.tensordot(a, b, 1)
        assert out.dtype == np.float64
        out.sum().backward()
        assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)  # type: ignore[union-attr]


def test_lists_and_numbers_are_operands(device: str) -> None:
    x = leaf([1.0, 2], device)
    assert host(products.dot(x, [3, 4])) == 11
    assert host(products.inner([3, 4], x)) == 11
    np.testing.assert_array_equal(host(products.dot(2, x)), [2, 4])
    np.testing.assert_array_equal(host(products.outer(x, [1, 1])), [[1, 1], [2, 2]])
    np.testing.assert_array_equal(host(products.kron(x, 3.0)), [3, 6])
    np.testing.assert_array_equal(host(solvers.solve([[2, 0], [0, 4]], x)), [0.5, 0.5])
    np.testing.assert_array_equal(host(products.cross([1, 2], x)), 0)


def test_first_order_rules_say_so_at_second_order() -> None:
    cube = Op("cube", lambda xp, x: x * x * x, saves=(0,))
    cube.defvjp(lambda g, out, x: g * (3 * first_order(x, "cube") * first_order(x, "cube")))
    x, w = leaf([2.0], "cpu"), leaf([1.0], "cpu")
    gradcheck(cube, np.array([2.0]), order=1)
    y = cube(x)
    y.backward(w, create_graph=True)
    g, x.grad = x.grad, None
    assert g is not None
    with pytest.raises(GraphError, match=r"cube: second derivatives are not supported"):
        g.sum().backward(retain_graph=True)
    w.grad = None
    cube(x.detach() * w).backward()
    assert host(w.grad) == 24


def test_in_the_cotangent_a_first_order_rule_can_be_differentiated() -> None:
    """What forward-mode products by two backward passes do."""
    from minigrad.core import engine

    cube = Op("cube", lambda xp, x: x * x * x, saves=(0,))
    cube.defvjp(lambda g, out, x: g * (3 * first_order(x, "cube") * first_order(x, "cube")))
    x, w = leaf([2.0], "cpu"), leaf([1.0], "cpu")
    (g,) = engine.backward([cube(x)._node], [w], [x._node], create_graph=True)
    (by_w,) = engine.backward([g._node], [np.array([5.0])], [w._node])
    assert host(by_w) == 60
