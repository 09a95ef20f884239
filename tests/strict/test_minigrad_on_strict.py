"""minigrad trains on the strict device as on the CPU, and a training step waits for nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from neighbours import StandIn
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here


RNG = np.random.default_rng(5)
X = RNG.standard_normal((40, 6)).astype(np.float32)
LABELS = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
}


def train(device: str, make: Any, normalization: Any = None, clip: Any = None) -> tuple[list[float], list[np.ndarray]]:
    mg.manual_seed(3)
    model = nn.MLP(6, [16, 8], 3, dropout=0.25, normalization=normalization).to(device)
    optimizer = make(model.parameters())
    losses = []
    for x, y in data.DataLoader((X, LABELS), 8, seed=1, device=device):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip is not None:
            clip(model.parameters())
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().cpu().numpy() for p in model.parameters()]


def same_run(device: str, *how: Any) -> None:
    """Five steps on the CPU and on a device end at the same losses and weights."""
    (losses, weights), (others, theirs) = train(device, *how), train("cpu", *how)
    np.testing.assert_allclose(losses, others, rtol=2e-5)
    for ours, host in zip(weights, theirs, strict=True):
        np.testing.assert_allclose(ours, host, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_training_is_that_of_the_cpu(make: Any, strict: StrictProvider) -> None:
    same_run("cuda", make)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_normalization(normalization: str, strict: StrictProvider) -> None:
    # not Adam: a bias in front of batch norm has no gradient but rounding, which Adam makes steps of
    same_run("cuda", OPTIMIZERS["momentum"], normalization)


CLIPS = {
    "norm": lambda p: optim.clip_grad_norm(p, 0.1),
    "largest": lambda p: optim.clip_grad_norm(p, 0.1, float("inf")),
    "value": lambda p: optim.clip_grad_value(p, 0.01),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_clipping(clip: Any, strict: StrictProvider) -> None:
    same_run("cuda", OPTIMIZERS["sgd"], None, clip)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_training_on_the_second_device(make: Any, strict: StrictProvider) -> None:
    same_run("cuda:1", make)


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS.keys())
def test_normalizing_and_clipping_on_the_second_device(clip: Any, strict: StrictProvider) -> None:
    same_run("cuda:1", OPTIMIZERS["momentum"], "batch", clip)


def test_training_on_the_second_device_made_current(strict: StrictProvider) -> None:
    with strict.scope("cuda:1"):
        same_run("cuda:1", OPTIMIZERS["adam"])


def test_training_by_cublas_calls_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = StandIn(tmp_path)
    provider = install(monkeypatch, StrictProvider(cublas=library.path))
    same_run("cuda", OPTIMIZERS["adam"])
    assert library.calls().count("gemm") == 8 * 5  # three layers; nobody asks for the gradient of x
    assert "matmul" not in provider.machine.tally.launches


def step_parts(strict: StrictProvider, make: Any) -> tuple[Any, dict[str, int]]:
    """One settled step of a 784-256-128-10 classifier: what it counts, and the launches of each part."""
    model = nn.MLP(784, [256, 128], 10).to("cuda")
    optimizer = make(model.parameters())
    x = mg.tensor(RNG.standard_normal((64, 784)).astype(np.float32), device="cuda")
    y = mg.tensor(RNG.integers(0, 10, 64), device="cuda")
    parts = {}
    for _ in range(3):
        strict.machine.reset()
        with strict.machine.no_sync():
            before = 0
            loss = F.cross_entropy(model(x), y)
            for name, work in {"forward": None, "backward": loss.backward, "step": optimizer.step,
                               "zero_grad": optimizer.zero_grad}.items():  # fmt: skip
                if work is not None:
                    work()
                now = strict.machine.tally.launch_count
                parts[name], before = now - before, now
    return strict.machine.tally, parts


@pytest.mark.parametrize(("name", "most"), [("sgd", 16), ("adam", 16)])
def test_a_step_waits_for_nothing(name: str, most: int, strict: StrictProvider) -> None:
    tally, parts = step_parts(strict, OPTIMIZERS[name])
    assert tally.syncs == []
    assert parts["zero_grad"] == 0
    assert sum(parts.values()) == tally.launch_count <= most
    assert tally.to_host.count == 0
    assert tally.to_device.count <= 1  # the row of coefficients


def captured_or_eager(strict: StrictProvider, make: Any, captured: bool, **how: Any) -> tuple[Any, list[np.ndarray]]:
    """Two eager steps, then four more from one graph, or eager ones too."""
    machine, xp = strict.machine, strict.xp
    machine.own_gemm = True
    clip = how.pop("clip", lambda p: None)
    mg.manual_seed(2)
    model = nn.MLP(6, [8, 8], 3, **how).to("cuda")
    optimizer = make(model.parameters())
    x, y = mg.tensor(X[:8], device="cuda"), mg.tensor(LABELS[:8], device="cuda")

    def step() -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        clip(model.parameters())
        optimizer.step()
        return loss

    def feed(k: int) -> None:
        x.data.set(X[8 * k : 8 * k + 8])
        y.data.set(LABELS[8 * k : 8 * k + 8])

    stream, pool, losses = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool(), []
    with stream if captured else contextlib.nullcontext(), xp.cuda.using_allocator(pool.malloc):
        for k in range(2):
            feed(k)
            step()
        if captured:
            stream.begin_capture()
            try:
                loss = step()
            finally:
                graph = stream.end_capture()
        for k in range(1, 5):
            feed(k)
            if captured:
                graph.launch()
            else:
                loss = step()
            losses.append(loss.item())
    return losses, [p.detach().cpu().numpy() for p in model.parameters()]


CAPTURES = {
    "sgd": (OPTIMIZERS["sgd"], {}),
    "momentum": (OPTIMIZERS["momentum"], {}),
    "adam": (OPTIMIZERS["adam"], {}),
    "batch norm": (OPTIMIZERS["momentum"], {"normalization": "batch"}),
    "layer norm": (OPTIMIZERS["adam"], {"normalization": "layer"}),
    "clip by value": (OPTIMIZERS["sgd"], {"clip": CLIPS["value"]}),
    "captured clip": (OPTIMIZERS["sgd"], {"clip": CLIPS["norm"]}),
    "captured dropout": (OPTIMIZERS["sgd"], {"dropout": 0.5}),
}


@pytest.mark.parametrize(
    ("make", "how"),
    [pytest.param(*row, id=name) for name, row in CAPTURES.items()],
)
def test_a_captured_step_is_the_eager_one(make: Any, how: dict[str, Any], strict: StrictProvider) -> None:
    (losses, weights), (others, theirs) = (captured_or_eager(strict, make, c, **how) for c in (True, False))
    assert losses == others
    for captured, eager in zip(weights, theirs, strict=True):
        np.testing.assert_array_equal(captured, eager)


def test_an_epoch_waits_for_nothing(strict: StrictProvider) -> None:
    """Loader, dropout, both norms, clipping, optimizer, schedule: nobody asks for a value."""
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.MLP(8, [8], 3, dropout=0.5, normalization="layer"))
    model = model.to("cuda")
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    schedule = optim.schedulers.CosineAnnealingLR(optimizer, 10)
    loader = data.DataLoader((X, LABELS), 8, seed=1, device="cuda")
    strict.machine.reset()
    with strict.machine.no_sync():
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optim.clip_grad_norm(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    assert strict.machine.tally.to_host.count == 0
    # a step: the state of dropout, the limit of the clip, the coefficients; an epoch: the order of the rows
    assert strict.machine.tally.to_device.count <= 3 * len(loader) + 5


def test_a_capture_on_a_cold_stream_is_refused_and_on_a_warm_one_replays(strict: StrictProvider) -> None:
    """What is made for good must not be made inside a capture: it would hold nonsense until the graph runs."""
    x, y = mg.tensor(X[:, :3], device="cuda"), mg.tensor(LABELS, device="cuda")
    due = F.cross_entropy(x, y).item()
    with (stream := strict.xp.cuda.Stream(non_blocking=True)):
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="captur"):
            F.cross_entropy(x, y)
        stream.end_capture()
        assert F.cross_entropy(x, y).item() == due
        with strict.xp.cuda.using_allocator(strict.xp.cuda.MemoryPool().malloc):
            stream.begin_capture()
            kept = F.cross_entropy(x, y)
            graph = stream.end_capture()
        assert F.cross_entropy(x, y).item() == due
        graph.launch()
        assert kept.item() == due


LOSSES = {
    "mse": (F.mse_loss, False),
    "l1": (F.l1_loss, False),
    "huber": (F.huber_loss, False),
    "bce": (lambda p, y: F.binary_cross_entropy_with_logits(p, (y > 0).astype(np.float32)), False),
    "hinge": (lambda p, y: F.hinge_loss(p, (y > 0).astype(np.float32) * 2 - 1), False),
    "cross_entropy": (F.cross_entropy, True),
    "label_smoothing": (lambda p, y: F.cross_entropy(p, y, label_smoothing=0.1), True),
    "ignore_index": (lambda p, y: F.cross_entropy(p, y, ignore_index=1), True),
    "none": (lambda p, y: F.cross_entropy(p, y, reduction="none").sum(), True),
    "nll": (lambda p, y: F.nll_loss(F.log_softmax(p, 1), y), True),
    "kl_div": (lambda p, y: F.kl_div(F.log_softmax(p, 1), F.softmax(p.detach() * 0.5, 1)), True),
}


@pytest.mark.parametrize(("loss", "classes"), LOSSES.values(), ids=LOSSES.keys())
def test_a_loss_is_that_of_the_cpu_and_does_not_wait(loss: Any, classes: bool, strict: StrictProvider) -> None:
    found = []
    for device in ("cpu", "cuda"):
        p = mg.tensor(X[:, :3], device=device, requires_grad=True)
        y = mg.tensor(LABELS if classes else X[:, 3:], device=device)
        with strict.machine.no_sync():
            value = loss(p, y)
            value.backward()
        found.append((value.detach().cpu().numpy(), p.grad.cpu().numpy()))
    for host, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, host, rtol=1e-5, atol=1e-7)


def test_weighted_cross_entropy(strict: StrictProvider) -> None:
    values = []
    for device in ("cpu", "cuda"):
        weight = mg.tensor(np.array([1.0, 2.0, 0.5], np.float32), device=device)
        p = mg.tensor(X[:, :3], device=device, requires_grad=True)
        loss = F.cross_entropy(p, mg.tensor(LABELS, device=device), weight)
        loss.backward()
        values.append((loss.item(), p.grad.cpu().numpy()))
    assert values[0][0] == pytest.approx(values[1][0], rel=1e-6)
    np.testing.assert_allclose(values[0][1], values[1][1], rtol=1e-5, atol=1e-8)


def test_random_streams_are_those_of_the_cpu(strict: StrictProvider) -> None:
    """Initial weights and dropout masks."""
    found = []
    for device in ("cpu", "cuda"):
        mg.manual_seed(11)
        layer = nn.Linear(5, 4).to(device)
        nn.init.kaiming_uniform(layer.weight)
        mask = F.dropout(mg.tensor(np.ones((7, 9), np.float32), device=device), 0.4)
        found.append((layer.weight.detach().cpu().numpy(), mask.cpu().numpy()))
    for host, ours in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, host)


def test_fit_with_metrics(strict: StrictProvider, tmp_path: Path) -> None:
    def run_fit(device: str, checkpoint: Any = None, epochs: int = 4) -> tuple[Any, list[dict[str, Any]]]:
        mg.manual_seed(0)
        model = nn.MLP(6, [8], 3, dropout=0.5, normalization="batch").to(device)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        history = mg.fit(
            model,
            data.DataLoader((X, LABELS), 8, device=device, seed=4),
            loss=F.cross_entropy,
            optimizer=optimizer,
            epochs=epochs,
            validation=(X, LABELS),
            metrics=("accuracy", "f1"),
            scheduler=optim.schedulers.CosineAnnealingLR(optimizer, 4),
            patience=3,
            checkpoint=checkpoint,
        )
        rows = [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")} for row in history]
        return mg.predict(model, X), rows

    host, rows = run_fit("cpu")
    run_fit("cuda:0", tmp_path / "c", epochs=2)
    for there, others in (run_fit("cuda:0"), run_fit("cuda:0", tmp_path / "c")):
        np.testing.assert_allclose(there, host, atol=1e-5)
        for a, b in zip(rows, others, strict=True):
            assert a == pytest.approx(b, rel=1e-4)


def test_save_and_load(strict: StrictProvider, tmp_path: Path) -> None:
    model = nn.MLP(6, [8], 3, normalization="batch").to("cuda")
    optimizer = optim.Adam(model.parameters())
    F.cross_entropy(model(mg.tensor(X, device="cuda")), mg.tensor(LABELS, device="cuda")).backward()
    optimizer.step()
    mg.save(tmp_path / "m.safetensors", model=model, optimizer=optimizer)
    other = nn.MLP(6, [8], 3, normalization="batch").to("cuda")
    other.load_state_dict(mg.load(tmp_path / "m.safetensors")["model"])
    for ours, theirs in zip(other.state_dict().values(), model.state_dict().values(), strict=True):
        assert ours.device == "cuda:0"
        np.testing.assert_array_equal(ours.cpu().numpy(), theirs.cpu().numpy())


def test_nothing_is_left_behind(strict: StrictProvider) -> None:
    """Memory after one step is memory after ten."""
    model = nn.MLP(6, [16], 3).to("cuda")
    optimizer = optim.Adam(model.parameters())
    x, y = mg.tensor(X, device="cuda"), mg.tensor(LABELS, device="cuda")
    live, pooled = [], []
    for _ in range(10):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        live.append(strict.machine.live_bytes)
        pooled.append(strict.machine.default_pool.total_bytes())
    assert live[2] == live[-1]
    assert pooled[2] == pooled[-1]
