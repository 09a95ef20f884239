"""Everything that only a GPU can answer, in one run of a few minutes.

    python benchmarks/gpu_check.py               writes benchmarks/results/gpu-<name>-<date>.json
    python benchmarks/gpu_check.py --rehearse    the checks on the tests' strict device: no GPU, no timing, no file

Each check stands alone: a failure is noted and the next one runs. Exit status: 0 all is well, 1 a check failed, 3 there
is no usable GPU. Needs g++ for the comparison of kernels with their CPU build, and compute-sanitizer and PyTorch where
they are to be used.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import itertools
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
for folder in ("tests", "tests/kernels", "tests/strict"):
    sys.path.insert(0, str(ROOT / folder))

from device_timing import device_us, host_us  # noqa: E402

import minigrad as mg  # noqa: E402
from minigrad import data, nn, optim  # noqa: E402
from minigrad.backend import device as devices  # noqa: E402
from minigrad.backend import gemm, kernels, random  # noqa: E402
from minigrad.nn import functional as F  # noqa: E402

DEVICE = "cuda:0"
NO_GPU = 3
CHECKS: dict[str, Callable[[Any], dict[str, Any]]] = {}
TIMED: dict[str, Callable[[Any], dict[str, Any]]] = {}
f4 = np.float32


def check(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    CHECKS[function.__name__] = function
    return function


def timed(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    TIMED[function.__name__] = function
    return function


# --- right or wrong ---------------------------------------------------------------------------------------------------


@check
def fidelity(provider: Any) -> dict[str, Any]:
    """Every refusal and semantic that the strict device claims, asked of this array library."""
    from fidelity import Samples, run_row
    from fidelity_rows import ROWS

    wrong = {}
    asked = 0
    for row in ROWS:
        if row.stricter or row.mode == "no_sync":  # where CuPy is silent, or nothing can watch it
            continue
        asked += 1
        verdict = run_row(row, provider.xp, Samples(provider.xp))
        if verdict:
            wrong[row.label] = verdict
    return {"good": not wrong, "rows": asked, "wrong": wrong}


@check
def kernels_as_on_the_cpu(provider: Any) -> dict[str, Any]:
    """Every kernel on the device against the same text compiled for the CPU."""
    from kernel_launches import launches
    from kernel_support import ulps
    from shim import host_kernels

    found = {}
    good = True
    for n in (1, 63, 4097, 100_003):
        for file, entry, most, arguments in launches(n, np.random.default_rng(n)):
            there = [provider.from_host(a, DEVICE) if isinstance(a, np.ndarray) else a for a in arguments]
            kernels.kernel(file, entry, DEVICE)(7, 256, *there)
            here = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
            host_kernels(file).launch(entry, 7, 256, here)
            worst = 0
            for mine, other in zip(here, there, strict=True):
                if isinstance(mine, np.ndarray):
                    got = provider.to_host(other)
                    distance = ulps(got, mine) if mine.dtype == f4 else int(not np.array_equal(got, mine))
                    worst = max(worst, distance)
            key = f"{entry} ({most} ulp allowed)"
            found[key] = max(found.get(key, 0), worst)
            good = good and worst <= most
    return {"good": good, "largest distance in ulp": found}


@check
def philox(provider: Any) -> dict[str, Any]:
    """Dropout masks of one seed on both sides."""
    same = []
    for shape in ((1,), (7, 9), (1000, 257)):
        masks = []
        for device in ("cpu", DEVICE):
            mg.manual_seed(4)
            masks.append([np.asarray(mg.tensor(random.keep_mask(shape, 0.3, device)).cpu().data) for _ in range(3)])
        same.append(all(np.array_equal(a, b) for a, b in zip(*masks, strict=True)))
    return {"good": all(same)}


@check
def products(provider: Any) -> dict[str, Any]:
    """Our cuBLAS calls, plain and transposed, both precisions, overwriting and adding, against double precision."""
    reason = gemm.library(provider)[1]
    worst: dict[str, float] = {}
    rng = np.random.default_rng(0)
    for m, k, n in ((1, 784, 256), (32, 784, 256), (128, 256, 10), (7, 5, 3), (2048, 784, 256), (3, 1, 1)):
        for dtype in (np.float32, np.float64):
            for flip_a in (False, True):
                for flip_b in (False, True):
                    a = rng.standard_normal((k, m) if flip_a else (m, k)).astype(dtype)
                    b = rng.standard_normal((n, k) if flip_b else (k, n)).astype(dtype)
                    there = [provider.from_host(x, DEVICE) for x in (a, b)]
                    x, y = (t.T if flip else t for t, flip in zip(there, (flip_a, flip_b), strict=True))
                    out = provider.from_host(np.ones((m, n), dtype), DEVICE)
                    gemm.matmul(x, y, out=out, accumulate=True)
                    want = 1 + (a.T if flip_a else a).astype(float) @ (b.T if flip_b else b).astype(float)
                    error = np.abs(provider.to_host(out) - want).max() / np.sqrt(k)
                    name = np.dtype(dtype).name
                    worst[name] = max(worst.get(name, 0.0), float(error))
    good = worst["float32"] < 2e-5 and worst["float64"] < 1e-13
    return {"good": good, "largest error / sqrt(k)": worst, "cuBLAS": reason or "called directly"}


def train(device: str, steps: int, make: Any = optim.Adam, captured: bool = False) -> tuple[list[float], np.ndarray]:
    """Losses and final weights of a 784-256-128-10 classifier with dropout, clipped and scheduled."""
    mg.manual_seed(1)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((640, 784)).astype(f4), rng.integers(0, 10, 640)
    model = nn.MLP(784, [256, 128], 10, dropout=0.1).to(device)
    optimizer = make(model.parameters(), lr=1e-3)
    scheduler = optim.schedulers.ExponentialLR(optimizer, 0.99)

    def step(batch: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch), labels)
        loss.backward()
        optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        return loss

    losses: list[float] = []
    loader, once = data.DataLoader((x, y), 32, device=device, seed=2), mg.capture(step) if captured else step
    while len(losses) < steps:
        for batch, labels in itertools.islice(loader, steps):
            losses.append(once(batch, labels).item())
            scheduler.step()
    return losses, np.concatenate([p.detach().cpu().numpy().ravel() for p in model.parameters()])


@check
def training(provider: Any) -> dict[str, Any]:
    """The same run on both sides: the losses stay together while rounding allows."""
    found = {}
    steps = 40 if isinstance(provider, devices.CupyProvider) else 5  # kernels on a CPU are slow
    for make in (optim.SGD, optim.Adam, optim.AdamW):
        (ours, weights), (host, others) = train(DEVICE, steps, make), train("cpu", steps, make)
        found[make.__name__] = {
            "loss": float(np.abs(np.subtract(ours, host)).max()),
            "weights": float(np.abs(weights - others).max()),
        }
    return {"good": all(v["loss"] < 1e-2 for v in found.values()), "largest difference": found}


@check
def captured(provider: Any) -> dict[str, Any]:
    """The same run by replays of a CUDA graph, bit for bit; a step that cannot be captured would warn, which raises."""
    machine = getattr(
        provider, "machine", SimpleNamespace()
    )  # the strict device's: products as a GPU with cuBLAS has them
    machine.own_gemm = True
    (eager, weights), (ours, others) = (train(DEVICE, 6, captured=how) for how in (False, True))
    machine.own_gemm = False
    return {"good": eager == ours and np.array_equal(weights, others), "losses": ours}


@check
def suite(provider: Any) -> dict[str, Any]:
    """Every test that takes a device, on this one. The strict device has the whole suite in CI: a sample here."""
    kind = "cuda" if isinstance(provider, devices.CupyProvider) else "strict"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--devices={kind}", "-k", kind]
    command += ["--maxfail=40", *(["-n", "8"] if kind == "cuda" and importlib.util.find_spec("xdist") else [])]
    command += ["tests" if kind == "cuda" else "tests/core/test_tensor.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"good": done.returncode == 0, "summary": lines[-1:] or [done.stderr[-500:]], "failed": failed}


@timed
def sanitizer(provider: Any) -> dict[str, Any]:
    """compute-sanitizer's memcheck and racecheck over every kernel."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"compute-sanitizer": "not installed"}
    found = {}
    for kind in ("memcheck", "racecheck"):
        command = [tool, "--tool", kind, sys.executable, __file__, "--only", "kernels_as_on_the_cpu", "--no-file"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        found[kind] = {"good": done.returncode == 0, "last": (done.stdout + done.stderr).strip().splitlines()[-1:]}
    return {"good": all(v["good"] for v in found.values()), **found}


# --- how fast ---------------------------------------------------------------------------------------------------------


@timed
def adam_bandwidth(provider: Any) -> dict[str, Any]:
    """The fused Adam, 28 bytes a parameter, as a share of what a copy on the device reaches in the same run."""
    xp = provider.xp
    source = xp.empty(1 << 28, np.float32)
    target = xp.empty_like(source)
    copy = 2 * source.nbytes / device_us(xp, partial(xp.copyto, target, source), inner=5) / 1e6
    source = target = None  # their memory is needed
    found: dict[str, Any] = {"copy_TB_s": copy}
    for n in (10_000, 235_000, 10_000_000, 100_000_000, 300_000_000):
        p = nn.Parameter(xp.ones(n, np.float32))
        optimizer = optim.Adam([p], lr=1e-3)
        p.grad = mg.tensor(xp.ones(n, np.float32))
        us = device_us(xp, optimizer.step, inner=10)
        found[f"n={n}"] = {"us": us, "TB_s": 28 * n / us / 1e6, "of_copy": 28 * n / us / 1e6 / copy}
        del p, optimizer
        xp.get_default_memory_pool().free_all_blocks()
    return found


def our_step(batch: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    model = nn.MLP(784, [256, 128], 10).to(DEVICE)
    optimizer = optim.Adam(model.parameters())
    x = mg.tensor(rng.standard_normal((batch, 784)).astype(f4), device=DEVICE)
    y = mg.tensor(rng.integers(0, 10, batch), device=DEVICE)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


@timed
def own_step(provider: Any) -> dict[str, Any]:
    """Microseconds of a 784-256-128-10 training step as it is and captured: to issue it, and on the device."""
    xp, found = provider.xp, {}
    for batch in (32, 128, 1024, 8192):
        for how, step in (("eager", our_step(batch)), ("captured", mg.capture(our_step(batch), copies=False))):
            found[f"batch={batch}, {how}"] = {"host_us": host_us(xp, step), "device_us": device_us(xp, step)}
    return found


@timed
def torch_step(provider: Any) -> dict[str, Any]:
    """PyTorch's eager step of the same network, with its default and its fused Adam."""
    try:
        import torch
    except ImportError:
        return {"torch": "not installed"}
    found: dict[str, Any] = {"torch": torch.__version__}
    for batch in (32, 128, 1024, 8192):
        for fused in (False, True):
            layers = [torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 128), torch.nn.ReLU()]
            model = torch.nn.Sequential(*layers, torch.nn.Linear(128, 10)).cuda()
            optimizer = torch.optim.Adam(model.parameters(), fused=fused)
            x, y = torch.randn(batch, 784, device="cuda"), torch.randint(0, 10, (batch,), device="cuda")

            def step(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> None:
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()

            times = []
            for _ in range(16):
                torch.cuda.synchronize()
                begin = time.perf_counter()
                for _ in range(50):
                    step()
                torch.cuda.synchronize()
                times.append((time.perf_counter() - begin) * 1e6 / 50)
            found[f"batch={batch}, {'fused' if fused else 'default'}"] = {"us": statistics.median(times)}
    return found


@timed
def host_costs(provider: Any) -> dict[str, Any]:
    """Host microseconds to issue one call."""
    xp = provider.xp
    a, b, out = xp.ones((32, 784), f4), xp.ones((784, 256), f4), xp.empty((32, 256), f4)
    launch = kernels.kernel("rows", "row_sum_f32", DEVICE)
    sums = xp.empty(32, f4)
    return {
        "ufunc with out": host_us(xp, lambda: xp.add(out, out, out=out)),
        "our launch": host_us(xp, lambda: launch(1, 256, a, sums, 32, 784)),
        "our product": host_us(xp, lambda: gemm.matmul(a, b, out=out)),
        "cupy.matmul": host_us(xp, lambda: xp.matmul(a, b, out=out)),
    }


# --- the run ----------------------------------------------------------------------------------------------------------


def environment(provider: Any) -> dict[str, Any]:
    xp = provider.xp
    found = {"python": platform.python_version(), "numpy": np.__version__, "minigrad": mg.__version__}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    found["commit"] = commit.stdout.strip() or "unknown"
    if hasattr(xp, "__version__"):
        runtime = xp.cuda.runtime
        found |= {
            "device": runtime.getDeviceProperties(0)["name"].decode(),
            "cupy": xp.__version__,
            "driver": str(runtime.driverGetVersion()),
            "runtime": str(runtime.runtimeGetVersion()),
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rehearse", action="store_true", help="the checks on the strict device, without a GPU")
    parser.add_argument("--only", nargs="+", metavar="CHECK", help=f"of {', '.join({**CHECKS, **TIMED})}")
    parser.add_argument("--no-file", action="store_true", help="write no result file")
    args = parser.parse_args()
    if args.rehearse:
        from strict_provider import StrictProvider

        devices.install(StrictProvider())
    provider = devices.accelerator()
    if provider is None:
        print(f"no usable GPU here: {devices.accelerator_reason()}")
        return NO_GPU
    results: dict[str, Any] = {"environment": environment(provider)}
    print(json.dumps(results["environment"]))
    chosen = {**CHECKS, **({} if args.rehearse else TIMED)}
    for name, function in chosen.items():
        if args.only and name not in args.only:
            continue
        begin = time.perf_counter()
        try:
            results[name] = function(provider)
        except Exception as error:  # one failure must not hide the other answers
            where = traceback.format_exc().splitlines()[-4:-1]
            results[name] = {"good": False, "error": f"{type(error).__name__}: {error}", "where": where}
        print(f"{name} ({time.perf_counter() - begin:.1f} s): {json.dumps(results[name], default=str)}", flush=True)
    verdicts = {name: found.get("good") for name, found in results.items() if name != "environment"}
    for name, good in verdicts.items():
        print(f"{name:24} {'measured' if good is None else 'well' if good else 'FAILED'}")
    failed = [name for name, good in verdicts.items() if good is False]
    if not (args.rehearse or args.no_file):
        device = results["environment"].get("device", "unknown").replace(" ", "-")
        target = ROOT / "benchmarks" / "results" / f"gpu-{device}-{datetime.date.today()}.json"
        target.write_text(json.dumps(results, indent=1, default=str) + "\n")
        print(f"written to {target}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
