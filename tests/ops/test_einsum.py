"""einsum and the contractions behind it: agreement with NumPy on random calls, orders of products, memory, captures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventory import noting
from on_device import host, put
from strict_provider import StrictProvider

from minigrad import GraphError, no_grad, tensor
from minigrad.ops import products
from minigrad.ops.einsum import einsum
from minigrad.ops.linalg import matmul
from minigrad.testing import gradcheck

LETTERS = "abcdeF"


def random_call(rng: np.random.Generator) -> tuple[str, list[np.ndarray]]:
    """Subscripts with repeated labels, ellipses and axes that broadcast, and operands of some dtype that fit them."""
    letters = LETTERS[: rng.integers(1, len(LETTERS) + 1)]
    lengths = {n: int(rng.choice([1, 2, 3, 0], p=[0.2, 0.4, 0.35, 0.05])) for n in letters}
    broadcast = [int(n) for n in rng.integers(1, 4, size=rng.integers(0, 3) if rng.random() < 0.4 else 0)]
    parts, operands, used = [], [], set()
    for _ in range(rng.integers(1, 5)):
        labels = [letters[i] for i in rng.integers(len(letters), size=rng.integers(0, 4))]
        ones = {n for n in labels if rng.random() < 0.15}
        shape = [1 if n in ones else lengths[n] for n in labels]
        used |= set(labels)
        if rng.random() < 0.6:
            at, m = rng.integers(len(labels) + 1), rng.integers(len(broadcast) + 1)
            extra = [1 if rng.random() < 0.2 else n for n in broadcast[len(broadcast) - m :]]
            labels[at:at], shape[at:at] = ["..."], extra
        parts.append("".join(labels))
        dtype = rng.choice(["f8", "f8", "f4", "i4", "i1", "?"])
        operands.append(
            (rng.integers(-8, 9, size=shape) / 4 if dtype[0] == "f" else rng.integers(0, 3, shape)).astype(dtype)
        )
    subscripts = ",".join(parts)
    if rng.random() < 0.7:
        output = list(rng.permutation(sorted(used)))[: rng.integers(len(used) + 1)]
        if "..." in subscripts:
            output.insert(rng.integers(len(output) + 1), "...")
        subscripts += "->" + "".join(output)
    return subscripts, operands


@given(seed=st.integers(0, 2**32 - 1))
def test_random_calls_agree_with_numpy(seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    subscripts, operands = random_call(rng)
    due = np.asarray(np.einsum(subscripts, *operands))
    for optimize in (False, True):
        found = einsum(subscripts, *(tensor(put(x, device)) for x in operands), optimize=optimize)
        assert (found.shape, found.dtype) == (due.shape, due.dtype)
        np.testing.assert_allclose(host(found), due, rtol=1e-5 if due.dtype == np.float32 else 1e-12, atol=1e-12)
    if device == "cpu" and any(x.size for x in operands):
        doubles = [x.astype(np.float64) for x in operands]
        gradcheck(lambda *xs: einsum(subscripts, *xs), *doubles, max_entries=6, directions=1)


PATH = ["einsum_path", (0, 1), (0, 1)]


@pytest.mark.parametrize("optimize", [False, True, "greedy", "optimal", PATH, ("greedy", 100)])
def test_every_order_of_products_gives_the_same(optimize: Any, device: str) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.integers(-4, 5, size=s) / 4 for s in ((2, 3), (3, 4), (4, 2)))
    found = einsum("ij,jk,kl->il", *(put(x, device) for x in (a, b, c)), optimize=optimize)
    assert np.array_equal(host(found), a @ b @ c)


def test_nothing_larger_than_operands_and_result_is_made_of_three() -> None:
    """The products of two would have a * b * c * d elements; numpy.einsum makes none of them, and neither do we."""
    x = [tensor(np.ones((6, 6, 6)), requires_grad=True) for _ in range(3)]
    with noting() as seen:
        einsum("abc,abd,abe->cde", *x)
        assert "einsum in einsum" in seen
    with noting() as seen:
        einsum("ij,jk,kl->il", *(tensor(np.ones((2, 2))) for _ in range(3)))
        assert "einsum in einsum" not in seen


def test_more_labels_than_letters() -> None:
    """numpy.einsum_path wants a letter a label; there are 48, and two for the ellipsis."""
    operands: list[Any] = []
    for i in range(6):
        operands += [np.ones((1,) * 14), [*range(8 * i, 8 * i + 8), Ellipsis]]
    assert einsum(*operands).shape == (1,) * 54


def test_one_operand_without_arithmetic_gives_a_view() -> None:
    a = np.arange(9.0).reshape(3, 3)
    for subscripts in ("ji", "ii->i", "ij", "...i->i..."):
        assert np.shares_memory(einsum(subscripts, a), a)
    x = tensor(a, requires_grad=True)
    y = x * x
    view = einsum("ji", y)
    total = (y * y).sum()
    with no_grad():
        view += 1.0
    with pytest.raises(GraphError, match="overwritten"):
        total.backward()


def test_small_integers_and_bools_stay_what_they_are(device: str) -> None:
    for dtype in (np.int8, np.bool_, np.int32, np.float32):
        values = np.array([[1, 0], [1, 1]], dtype)
        for subscripts in ("ij->i", "ij,jk", "ij,ij->", "ii", "ij,jk,kl->"):
            operands = [values] * (1 + subscripts.count(","))
            due = np.einsum(subscripts, *operands)
            found = einsum(subscripts, *(tensor(put(v, device)) for v in operands))
            assert found.dtype == due.dtype
            assert np.array_equal(host(found), due)


def test_dtype_and_casting_are_numpys() -> None:
    x = tensor(np.ones(3, np.float32), requires_grad=True)
    assert einsum("i,i", x, x, dtype=np.float64).dtype == np.float64
    assert einsum("i,i", x, np.ones(3), dtype=np.float32, casting="same_kind").dtype == np.float32
    assert einsum("i,i", x, np.ones(3, np.int64)).dtype == np.float64
    assert einsum("i,i,->i", x, np.ones(3), 2).shape == (3,)


CAPTURED = {
    "einsum": lambda x, y: einsum("ij,kj->ki", x, y),
    "einsum over both axes": lambda x, y: einsum("ij,ij->", x, y),
    "einsum over rows": lambda x, y: einsum("ij,ij->i", x, y),
    "einsum, an outer product": lambda x, y: einsum("ij,kl->ijkl", x, y),
    "einsum of three": lambda x, y: einsum("ij,kj,kl->il", x, y, x),
    "tensordot": lambda x, y: products.tensordot(x, y, (0, 0)),
    "inner": products.inner,
    "vdot": products.vdot,
    "kron": products.kron,
    "matrix and vector": lambda x, y: matmul(x, y[0]),
    "vector and matrix": lambda x, y: matmul(x[:, 0], y),
    "a stack and a matrix": lambda x, y: matmul(x.reshape(3, 1, 3), y),
}


@pytest.mark.parametrize("call", CAPTURED.values(), ids=CAPTURED)
def test_products_and_their_gradients_can_be_captured(call: Any, strict: StrictProvider) -> None:
    strict.machine.own_gemm = True
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(3, 3)).astype(np.float32) for _ in range(2)]
    x, y = (tensor(put(v, "cuda:0"), requires_grad=True) for v in values)

    def step() -> Any:
        x.grad = y.grad = None
        out = call(x, y)
        out.backward(put(np.ones(out.shape, np.float32), "cuda:0") if not strict.machine.capturing() else weights)
        return out

    stream = strict.xp.cuda.Stream(non_blocking=True)
    with stream, strict.xp.cuda.using_allocator(strict.xp.cuda.MemoryPool().malloc):
        eager = step()
        weights = put(np.ones(eager.shape, np.float32), "cuda:0")
        due = [host(v) for v in (eager, x.grad, y.grad)]
        stream.begin_capture()
        out = step()
        graph = stream.end_capture()
        graph.launch()
        for found, d in zip((out, x.grad, y.grad), due, strict=True):
            np.testing.assert_array_equal(host(found), d)
