"""detect_anomaly: the operation and the line that made the first NaN or infinity, forward or backward."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad import anomaly
from minigrad.core.node import Indexed
from minigrad.core.op import Op
from minigrad.nn import functional as F
from minigrad.ops.index import scatter

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of what is planted here


def leaf(values: Any, device: str = "cpu") -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def here(offset: int = 0) -> str:
    """file:line of the caller, some lines away."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return f"{__file__}:{frame.f_back.f_lineno + offset}"


def message(call: Any) -> str:
    with pytest.raises(mg.GradientError) as caught, mg.detect_anomaly():
        call()
    return str(caught.value)


def test_the_gradient_rule_that_made_it(device: str) -> None:
    x = leaf([0.0, 1.0], device)
    lines = []

    def call() -> None:
        y = x * 2
        lines.append(here(+1))
        z = mg.sqrt(y)
        mg.sum(z * 3).backward()

    text = message(call)
    assert text.startswith("backward: the gradient rule of sqrt, for argument 0 ('x'), made the first inf")
    assert lines[0] in text


def test_nan_in_a_branch_that_was_not_taken(device: str) -> None:
    """The classic: 0 * inf in the branch that `where` threw away."""
    x = leaf([0.0, 4.0], device)

    def call() -> None:
        safe = mg.where(put([False, True], device), x / mg.sqrt(x * x * 0 + x), 0.0)
        mg.sum(safe).backward()

    text = message(call)
    assert "divide" in text
    assert "NaN" in text
    assert text.startswith("forward: divide made the first NaN out of finite operands")


def test_the_forward_that_made_it(device: str) -> None:
    x = leaf([0.0, 1.0], device)
    for call, name, what in (
        (lambda: mg.log(x), "log", "inf"),
        (lambda: mg.exp(x * 1000), "exp", "inf"),
        (lambda: x / 0.0, "divide", "NaN"),
        (lambda: mg.sum(x * 1e308 * 100), "multiply", "inf"),
    ):
        text = message(call)
        assert text.startswith(f"forward: {name} made the first {what} out of finite operands, at {__file__}:")


def test_what_was_not_finite_before_is_nobodys_fault() -> None:
    x = leaf([1.0, 2.0])
    with mg.detect_anomaly():
        y = x * np.array([np.nan, np.inf]) + np.inf
        mg.where(np.array([True, False]), x, -np.inf)
        x + float("nan")
        x + np.float32("inf")
        assert np.isnan(y.data[0])
    text = message(lambda: mg.sum(x * np.array([np.nan, 1.0])).backward())
    assert text.startswith("backward: the gradient rule of multiply")
    assert text.endswith("and had operands with NaN already")


def test_what_is_not_recorded_is_not_looked_at() -> None:
    with mg.detect_anomaly():
        mg.log(np.zeros(2))
        mg.log(mg.tensor(np.zeros(2)))
        with mg.no_grad():
            mg.log(leaf([0.0]))


def test_a_cotangent_that_is_not_finite() -> None:
    x = leaf([1.0, 2.0])
    y = x * 2
    assert "was passed to backward" in message(lambda: y.backward(np.array([np.nan, 1.0])))
    z = x * 1.0
    z.register_hook(lambda g: g * np.inf)
    assert "came from a hook" in message(lambda: mg.sum(z).backward())


def test_a_sum_of_gradients_that_overflows() -> None:
    x = leaf([1.0])
    h = x * 1.0
    y = h * 1e308 + h * 1e308 + h * 1e308
    assert "a sum overflowed" in message(lambda: y.backward())


def test_second_derivatives_name_the_line_of_the_forward() -> None:
    """|x|^1.5 has a first derivative at 0, and no second."""
    x = leaf([0.0, 1.0])
    lines = []

    def call() -> None:
        lines.append(here(+1))
        y = mg.power(x, 1.5)
        mg.sum(y).backward(create_graph=True)
        g, x.grad = x.grad, None
        mg.sum(g).backward()

    text = message(call)
    assert text.startswith("backward: ")
    assert lines[0] in text


def test_under_transforms() -> None:
    lines = []

    def f(x: Any) -> Any:
        lines.append(here(+1))
        return mg.sum(mg.sqrt(x))

    for transform in (mg.grad, mg.value_and_grad, mg.hessian):
        text = message(lambda transform=transform: transform(f)(np.array([0.0, 1.0])))
        assert "sqrt" in text
        assert lines[-1] in text
    text = message(lambda: mg.grad(mg.checkpoint(f))(np.array([0.0, 1.0])))
    assert lines[-1] in text


def test_the_users_line_in_a_module_and_through_numpy() -> None:
    class Root(mg.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mg.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            self.line = here(+1)
            return np.sqrt(self.inner(x) * 0)

    model = Root()
    text = message(lambda: mg.sum(model(np.ones((1, 2), np.float32))).backward())
    assert "gradient rule of sqrt" in text
    assert model.line in text


def test_operations_of_every_kind_are_looked_at(device: str) -> None:
    """One array and several, with parameters, pairs of outputs, pieces, and rules that write into leaves."""
    bad = mg.Op("bad", lambda xp, x: (x * 1.0, x * 2.0), saves=())
    bad.defvjp(lambda g, out, x: g[0] / 0.0)
    fine = mg.Op("fine", lambda xp, *xs: xs[0] + xs[1], saves=())
    fine.defvjp_all(lambda needs, g, out, *xs: (g, g * float("inf")))
    raw = mg.Op("raw", lambda xp, x, y, z: (x * y, None), saves=(0, 1), residual=True)
    raw.defvjp_all(lambda needs, g, out, x, y, z: (g * y, g * x, None))

    def write(dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any, y: Any, z: Any) -> Any:
        assert dest[0] is None, "so that the result can be seen"
        return g * y * float("nan"), g * x, None

    raw.def_raw_vjp(write)
    x = leaf([1.0, 2.0], device)
    mg.sum(x).backward()  # storage that a raw rule might write to
    assert "rule of bad, for argument 0 ('x'), made the first inf" in message(lambda: mg.sum(bad(x)[0]).backward())
    assert "rule of fine, for argument 1, made the first inf" in message(lambda: mg.sum(fine(x, x)).backward())
    assert "rule of raw, for argument 0 ('x'), made the first NaN" in message(
        lambda: mg.sum(raw(x, x, None)).backward()
    )
    pieces = mg.Op("piece", lambda xp, x: x[0:1], saves=())
    pieces.defvjp(lambda g, out, x: Indexed(scatter, g * float("nan"), (slice(0, 1),)))
    assert "rule of piece" in message(lambda: mg.sum(pieces(x)).backward())


def test_a_sound_training_step_is_unchanged(device: str) -> None:
    found = []
    for watched in (False, True):
        mg.manual_seed(0)
        model = mg.nn.MLP(4, [5], 3, dropout=0.25, normalization="layer").to(device)
        optimizer = mg.optim.Adam(model.parameters())
        x, y = put(np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4), device), put(np.arange(6) % 3, device)

        def step(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> None:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

        for _ in range(3):
            mg.detect_anomaly()(step)() if watched else step()
        found.append([host(p) for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# --- on and off -----------------------------------------------------------------------------------------------------


def attributes() -> dict[int, dict[str, Any]]:
    return {id(op): dict(vars(op)) for op in Op.instances}


def test_outside_nothing_is_left_of_it() -> None:
    op = mg.Op("first", lambda xp, x: (x * 1.0, x * 2.0), saves=()).defvjp(lambda g, out, x: g[0])
    before = attributes()
    with mg.detect_anomaly():
        assert "pull" in vars(mg.sqrt)
        with mg.detect_anomaly():
            pass
        assert "pull" in vars(mg.sqrt), "until the outermost ends"
    assert attributes() == before
    with pytest.raises(KeyError), mg.detect_anomaly():
        raise KeyError
    assert attributes() == before
    mg.sum(mg.sqrt(leaf([0.0]))).backward()
    assert op.name == "first"


def test_what_an_operation_learned_meanwhile_stays() -> None:
    """Several outputs, and rules given inside."""
    op = mg.Op("pair", lambda xp, x: (x * 1.0, x * 2.0), saves=()).defvjp(lambda g, out, x: g[0] + g[1])
    late = mg.Op("late", lambda xp, x: x * 3.0, saves=())
    x = leaf([1.0])
    with mg.detect_anomaly():
        a, b = op(x)
        late.defvjp(lambda g, out, x: g * 3.0)
        assert late(x).requires_grad
    (a + b).backward()
    assert x.grad.item() == 2.0
    late(x).backward()
    assert x.grad.item() == 5.0


def test_an_operation_made_inside_works() -> None:
    with mg.detect_anomaly():
        op = mg.Op("new", lambda xp, x: x * 3.0, saves=()).defvjp(lambda g, out, x: g * 3.0)
        x = leaf([1.0])
        op(x).backward()
    assert x.grad.item() == 3.0
    with pytest.raises(mg.GraphError, match="no gradient rule"), mg.detect_anomaly():
        mg.Op("mystery", lambda xp, x: x * 2.0)(leaf([1.0]))
    mystery = mg.Op("mystery", lambda xp, x: x * 2.0)
    with pytest.raises(mg.GraphError, match="mystery has no gradient rule"), mg.detect_anomaly():
        mystery(leaf([1.0]))


def test_a_graph_from_outside_the_context() -> None:
    y = mg.sum(mg.sqrt(leaf([0.0])))
    text = message(lambda: y.backward())
    assert "sqrt" in text
    assert "outside detect_anomaly" in text


def test_another_thread_is_not_watched() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                x = leaf([0.0, 1.0])
                mg.sum(mg.sqrt(x * 1.0)).backward()
                assert np.isinf(x.grad.data[0])
        except BaseException as error:
            errors.append(error)

    with mg.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert not errors


def test_the_places_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomaly, "_KEEP", 50)
    x = leaf([0.5])
    with mg.detect_anomaly():
        for _ in range(100):
            mg.sin(mg.sin(mg.sin(x))).backward()
        assert len(anomaly._places.times) <= 100
        line = here(+1)
        y = mg.sqrt(x * 0.0)
        with pytest.raises(mg.GradientError, match=line):
            y.backward()
    assert not anomaly._places.times
