"""Module: finding members, state, modes, moving and converting, copies, repr, and what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad import nn
from minigrad.backend.device import provider_of
from minigrad.nn import functional as F


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float64)


def share_memory(a: mg.Tensor, b: mg.Tensor) -> bool:
    return bool(provider_of(a.data).xp.shares_memory(a.data, b.data))  # type: ignore[union-attr]


class Leafy(nn.Module):
    """A module with every kind of member, in a known order."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(values(1, 2))
        self.layers = [nn.Linear(2, 3, dtype="float64"), nn.ReLU()]
        self.stats = nn.Buffer(values(5))
        self.named = {"a": nn.Parameter(values(3)), "b": (nn.Buffer(np.array([1, 2])), "text")}
        self.number = 4
        self.plain = mg.tensor(values(9), requires_grad=True)  # not a Parameter, hence not a member
        self.inner = nn.Sequential(nn.Tanh(), nn.Linear(3, 1, bias=False, dtype="float64"))


NAMES = ["first", "layers.0.weight", "layers.0.bias", "stats", "named.a", "named.b.0", "inner.1.weight"]
BUFFERS = ["stats", "named.b.0"]


class NoInit(nn.Module):
    """Forgets super().__init__()."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(values(2))

    def forward(self, x: Any) -> Any:
        return x * self.weight


class Tied(nn.Module):
    def __init__(self) -> None:
        self.a = nn.Linear(3, 3, dtype="float64")
        self.b = nn.Linear(3, 3, dtype="float64")
        self.b.weight = self.a.weight
        self.again = self.a

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x))


def test_members_are_found_in_order() -> None:
    m = Leafy()
    assert list(m.state_dict()) == NAMES
    assert [n for n, _ in m.named_parameters()] == [n for n in NAMES if n not in BUFFERS]
    assert [n for n, _ in m.named_buffers()] == BUFFERS
    assert [p is q for p, (_, q) in zip(m.parameters(), m.named_parameters(), strict=True)] == [True] * 5
    assert next(m.buffers()) is m.stats
    assert [n for n, _ in m.named_modules()] == ["", "layers.0", "layers.1", "inner", "inner.0", "inner.1"]
    assert list(m.children()) == [*m.layers, m.inner]
    assert [type(x).__name__ for x in m.modules()] == ["Leafy", "Linear", "ReLU", "Sequential", "Tanh", "Linear"]


def test_forgetting_super_init_is_harmless(device: str) -> None:
    m = NoInit().to(device)
    assert m.training is True
    assert m.eval().training is False
    assert NoInit.training is True
    assert len(list(m.parameters())) == 1
    assert m(put(values(3), device)).item() == 6


def test_unknown_attributes_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
        nn.Linear(2, 2).wieght  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


def test_parameters_and_buffers(device: str) -> None:
    p = nn.Parameter([1, 2], device=device)
    assert (p.dtype, p.device, p.requires_grad, isinstance(p, mg.Tensor)) == (np.float32, device, True, True)
    raw = put(values(1), device)
    assert nn.Parameter(raw).device == nn.Buffer([1.0], device=device).device == device
    assert nn.Parameter(raw).dtype == np.float64
    assert nn.Parameter(mg.tensor(raw)).data is not raw
    assert not nn.Parameter(raw, requires_grad=False).requires_grad
    assert nn.Parameter(raw, dtype="float32").dtype == np.float32
    assert not hasattr(p, "__dict__")
    assert type(p * 2) is mg.Tensor
    with pytest.raises(mg.DTypeError, match="int64"):
        nn.Parameter(np.array([1]))
    with pytest.raises(mg.GraphError, match="Parameter"):
        nn.Buffer(raw).requires_grad = True
    assert nn.Buffer(np.array([1])).requires_grad_(False).requires_grad is False


def test_train_eval_and_freezing() -> None:
    m = Leafy()
    assert all(x.training for x in m.modules())
    assert m.eval() is m
    assert not any(x.training for x in m.modules())
    assert m.train() is m
    assert all(x.training for x in m.modules())
    assert m.requires_grad_(False) is m
    assert not any(p.requires_grad for p in m.parameters())
    m.requires_grad_()
    assert all(p.requires_grad for p in m.parameters())
    with pytest.raises(TypeError, match="mode"):
        m.train(1)  # type: ignore[arg-type]


def test_zero_grad(device: str) -> None:
    m = nn.Linear(2, 1).to(device)
    m(mg.tensor([[1.0, 2.0]], device=device)).sum().backward()
    np.testing.assert_array_equal(host(m.weight.grad), [[1, 2]])
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())


def test_apply_visits_parts_before_wholes() -> None:
    seen: list[nn.Module] = []
    m = Leafy()
    assert m.apply(seen.append) is m
    assert [type(x).__name__ for x in seen] == ["Linear", "ReLU", "Tanh", "Linear", "Sequential", "Leafy"]


def test_tied_parameters(device: str) -> None:
    m = Tied().to(device)
    x = put(np.ones((1, 3)), device)
    assert [n for n, _ in m.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert list(m.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias", "again.weight", "again.bias"]
    assert len(list(m.children())) == 2
    other = Tied().to(device)
    other.load_state_dict(m.state_dict())
    assert other.b.weight is other.a.weight
    np.testing.assert_array_equal(host(other(x)), host(m(x)))
    weight = m.a.weight
    m.to("float32")
    assert m.b.weight is m.a.weight is weight
    assert weight.dtype == np.float32


def test_deepcopy_is_independent_and_keeps_ties_and_the_fusion_plan(device: str) -> None:
    m = nn.Sequential(Tied(), nn.Linear(3, 2, dtype="float64"), nn.ReLU()).to(device)
    x = put(np.ones((1, 3)), device)
    m.eval()
    m(x).sum().backward()
    twin = copy.deepcopy(m)
    assert twin[0].b.weight is twin[0].a.weight  # type: ignore[attr-defined]
    assert not twin.training
    for p, q in zip(m.parameters(), twin.parameters(), strict=True):
        assert type(q) is nn.Parameter
        assert p is not q
        assert p._node is not q._node
        assert not share_memory(p, q)
        assert q.grad is not None
        np.testing.assert_array_equal(host(p.grad), host(q.grad))
    before = host(m(x))
    for q in twin.parameters():
        nn.init.zeros_(q)
    np.testing.assert_array_equal(host(twin(x)), np.zeros((1, 2)))
    np.testing.assert_array_equal(host(m(x)), before)


# --- state ------------------------------------------------------------------------------------------------------------


def test_state_dict_shares_storage_and_has_no_graph(device: str) -> None:
    m = nn.Linear(2, 1).to(device)
    state = m.state_dict()
    assert share_memory(state["weight"], m.weight)
    assert not state["weight"].requires_grad
    nn.init.ones_(m.weight)
    np.testing.assert_array_equal(host(state["weight"]), [[1, 1]])


def test_load_copies_casts_and_takes_arrays(device: str) -> None:
    m = nn.BatchNorm1d(2).to(device)
    storage = m.weight.data if m.weight is not None else None
    source = {
        "weight": values(1, 2),
        "bias": mg.tensor([3.0, 4.0], device=device),
        "running_mean": values(5, 6).astype(np.float16),
        "running_var": mg.tensor(values(7, 8)),
        "num_batches_tracked": np.int32(9),
    }
    m.load_state_dict(source)
    assert m.weight is not None
    assert m.weight.data is storage
    for name, t in m.state_dict().items():
        np.testing.assert_array_equal(host(t), host(source[name]))
        assert t.dtype == (np.int64 if name == "num_batches_tracked" else np.float32)
        assert t.device == device
    source["weight"][0] = 100
    assert host(m.weight)[0] == 1


def test_loading_values_that_overlap_with_the_module(device: str) -> None:
    a, b = NoInit().to(device), NoInit().to(device)
    b.weight.data = put(values(3), device)
    both = nn.Sequential(a, b)
    state = both.state_dict()
    both.load_state_dict({"0.weight": state["1.weight"], "1.weight": state["0.weight"]})
    assert (a.weight.item(), b.weight.item()) == (3, 2)


def test_backward_notices_a_load(device: str) -> None:
    m = nn.Linear(2, 1).to(device)
    x = mg.tensor([[1.0, 2.0]], device=device, requires_grad=True)
    loss = m(x).sum()
    m.load_state_dict(m.state_dict())
    with pytest.raises(mg.GraphError, match="overwritten"):
        loss.backward()


def change(**updates: Any) -> dict[str, Any]:
    state: dict[str, Any] = {**Leafy().state_dict(), **updates}
    return {k: v for k, v in state.items() if v is not None}


LOAD_ERRORS: list[tuple[dict[str, Any], type[Exception], str]] = [
    (change(first=None), KeyError, r"missing keys \['first'\], unexpected keys \[\]"),
    (change(extra=values(1)), KeyError, r"missing keys \[\], unexpected keys \['extra'\]"),
    (change(stats=values(1, 2)), mg.ShapeError, r"'stats' has shape \(2,\), the module's has \(1,\)"),
    (change(stats=np.array([1])), mg.DTypeError, "'stats' has dtype int64.*float64.*astype"),
    (change(**{"named.b.0": values(1, 2)}), mg.DTypeError, "'named.b.0' has dtype float64"),
    (change(stats=[1.0]), TypeError, "'stats' must be a Tensor or an array, got list"),
]


@pytest.mark.parametrize(("state", "error", "message"), LOAD_ERRORS)
def test_a_bad_state_changes_nothing(state: dict[str, Any], error: type[Exception], message: str, device: str) -> None:
    m = Leafy().to(device)
    before = {k: host(v) for k, v in m.state_dict().items()}
    state = {k: v * 2 if k.startswith("layers") else v for k, v in state.items()}
    with pytest.raises(error, match=message):
        m.load_state_dict(state)
    for k, v in m.state_dict().items():
        np.testing.assert_array_equal(host(v), before[k])


# --- devices and dtypes -----------------------------------------------------------------------------------------------


def test_to_converts_in_place(device: str) -> None:
    m = Leafy().to(device)
    m.first.grad = mg.tensor(values(1, 2), device=device)
    parameters = list(m.parameters())
    assert m.to("float32") is m
    assert [p is q for p, q in zip(m.parameters(), parameters, strict=True)] == [True] * 5
    assert [t.dtype.name for t in m.state_dict().values()] == ["float32"] * 5 + ["int64"] + ["float32"]
    assert m.first.grad.dtype == np.float32
    np.testing.assert_array_equal(host(m.first.grad), [1, 2])
    same = m.first.data
    assert m.to(np.float32).to(device).first.data is same


def test_to_moves_what_is_trained_and_what_is_not(device: str) -> None:
    m = Leafy()
    due = {k: host(v) for k, v in m.state_dict().items()}
    m.first.grad = mg.tensor(values(1, 2))
    parameters = list(m.parameters())
    for there in (device, "cpu"):
        assert m.to(there) is m
        assert [p is q for p, q in zip(m.parameters(), parameters, strict=True)] == [True] * 5
        assert {t.device for t in m.state_dict().values()} == {m.first.grad.device} == {there}
        assert m.plain.device == "cpu", "no member"
        assert {k: host(v).tolist() for k, v in m.state_dict().items()} == {k: v.tolist() for k, v in due.items()}
        np.testing.assert_array_equal(host(m.first.grad), [1, 2])
    same = m.first.data
    assert m.to("cpu").cpu().first.data is same


TO_ERRORS: list[tuple[Any, type[Exception], str]] = [
    ("int32", mg.DTypeError, "floating dtype.*'int32'"),
    ("gpu", mg.DTypeError, "device label.*'gpu'"),
    (None, mg.DTypeError, "got None"),
    ("cuda:99", mg.DeviceError, "cuda:99"),
]


@pytest.mark.parametrize(("target", "error", "message"), TO_ERRORS)
def test_to_refuses(target: Any, error: type[Exception], message: str) -> None:
    m = nn.Linear(2, 2)
    with pytest.raises(error, match=message):
        m.to(target)
    assert m.weight.dtype == np.float32


# --- containers, repr, life -------------------------------------------------------------------------------------------


def test_repr() -> None:
    m = nn.MLP(2, [3], 1, dropout=0.5)
    assert repr(m) == (
        "MLP(\n"
        "  (layers): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "    (2): Dropout(p=0.5)\n"
        "    (3): Linear(in_features=3, out_features=1, bias=True)\n"
        "  )\n"
        ")"
    )
    assert "(layers.1): ReLU()" in repr(Leafy())


def test_sequential_is_a_sequence(device: str) -> None:
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    s = nn.Sequential(a, b, c).to(device)
    assert (len(s), s[0], s[-1]) == (3, a, c)
    assert list(s) == [a, b, c]
    assert list(s[1:]) == [b, c]
    x = mg.tensor([[1.0, -2.0]], device=device)
    np.testing.assert_array_equal(host(s[:2](x)), host(F.relu(a(x))))
    s[1] = nn.Identity()
    np.testing.assert_array_equal(host(s(x)), host(c(a(x))))
    s.append(nn.Tanh())
    np.testing.assert_array_equal(host(s(x)), host(F.tanh(c(a(x)))))
    assert [n for n, _ in s.named_parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert nn.Sequential()(x) is x


class Scaled(nn.Sequential):
    """A Sequential with a parameter of its own."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        self.scale = nn.Parameter(values(2))


MODULE_ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"member 0 must be a Module, got list; unpack"),  # type: ignore[list-item]
    (lambda: nn.Sequential(nn.ReLU(), np.tanh), TypeError, "member 1 must be a Module, got ufunc"),  # type: ignore[arg-type]
    (lambda: nn.Sequential(nn.ReLU())[3], IndexError, "range"),
]


@pytest.mark.parametrize(("call", "error", "message"), MODULE_ERRORS)
def test_error(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_subclass_of_sequential_keeps_its_own_members() -> None:
    assert list(Scaled(nn.Linear(1, 1, bias=False)).state_dict()) == ["0.weight", "scale"]


def test_a_module_that_contains_itself_is_refused() -> None:
    m = Leafy()
    m.inner.parent = m  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"Leafy at 'inner\.parent' contains itself"):
        list(m.parameters())


def test_a_module_dies_with_its_last_reference(device: str) -> None:
    m = nn.MLP(2, 3, 1).to(device)
    m(mg.tensor([[1.0, 2.0]], device=device)).sum().backward()
    gone = weakref.ref(m)
    gc.disable()
    try:
        del m
        assert gone() is None
    finally:
        gc.enable()


def test_pickle_keeps_values_ties_buffers_and_the_device(device: str) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    model.to(device)
    mg.optim.Adam(model.parameters())
    model(mg.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device))
    twin = pickle.loads(pickle.dumps(model))
    assert twin[2].weight is twin[0].weight
    assert [type(p) for p in twin.parameters()] == [nn.Parameter] * 5
    for (name, a), (other, b) in zip(model.state_dict().items(), twin.state_dict().items(), strict=True):
        assert (name, a.device) == (other, b.device)
        np.testing.assert_array_equal(host(a), host(b))
        assert not share_memory(a, b)
    with pytest.raises(mg.GraphError, match="only leaf tensors can be pickled"):
        pickle.dumps(model[0].weight * 2)
