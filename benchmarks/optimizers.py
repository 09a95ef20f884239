"""What a step of every optimizer costs, beside PyTorch's default, foreach and fused ones and beside a copy of memory.

    python benchmarks/optimizers.py                  10^3 to 10^7 parameters, one thread; some ten minutes
    python benchmarks/optimizers.py --huge           10^8 too: 12 GB of memory
    python benchmarks/optimizers.py --device cuda    on a GPU, with CuPy and a PyTorch that sees it

Writes benchmarks/results/optimizers-<device>.json and a picture beside it. "bytes a parameter" are what a pass that
touches everything once must move (gradient read; parameter and state read and written); "share of copy" is the rate at
which that many bytes were moved, against a plain copy within as much memory. A share beyond 1 needs no wonder: more of
what a step moves is read than of what a copy moves. Needs the extra `torch`; without `fast` the compiled loops are left
out.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paired as pairs
from paired import environment, paired, report, summary

NAMES = ("SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Lion")
OPTIONS: dict[str, dict[str, Any]] = {"SGD": {"momentum": 0.9}}
THEIRS: dict[str, dict[str, bool]] = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
OURS = ("minigrad, numba", "minigrad, NumPy", "minigrad, kernel")
COPY = "copy of memory"
ADAM, LARGEST_OF_ALL = "Adam", 10**6
"""The optimizer that is drawn over the sizes, and the size at which all are drawn."""


@contextlib.contextmanager
def fast(wish: str) -> Iterator[None]:
    """MINIGRAD_FAST inside."""
    before = os.environ.get("MINIGRAD_FAST")
    os.environ["MINIGRAD_FAST"] = wish
    yield
    if before is None:
        del os.environ["MINIGRAD_FAST"]
    else:
        os.environ["MINIGRAD_FAST"] = before


def ours(name: str, n: int, device: str, wish: str) -> tuple[Callable[[], Any], int]:
    """A step of an optimizer of n parameters, and how many state buffers it has."""
    import numpy as np

    import minigrad as mg
    from minigrad.backend.device import provider_for

    rng = np.random.default_rng(0)
    p = mg.tensor(rng.standard_normal(n, np.float32), device=device, requires_grad=True)
    p.grad = mg.tensor(rng.standard_normal(n, np.float32), device=device)
    optimizer = getattr(mg.optim, name)([p], lr=1e-6, **OPTIONS.get(name, {}))
    with fast(wish):
        optimizer.step()  # what does the work is chosen here
    states = len(optimizer.state_names(optimizer.param_groups[0]))
    if device == "cpu":
        return optimizer.step, states
    provider: Any = provider_for(p.device)

    def step() -> None:
        optimizer.step()
        provider.synchronize(p.device)

    return step, states


def theirs(name: str, n: int, device: str, how: dict[str, bool]) -> Callable[[], Any] | None:
    """The same of PyTorch, or None where it has no such thing."""
    import torch

    if not hasattr(torch.optim, name):
        return None
    p = torch.randn(n, device=device, requires_grad=True)
    p.grad = torch.randn(n, device=device)
    try:
        optimizer = getattr(torch.optim, name)([p], lr=1e-6, **OPTIONS.get(name, {}), **how)
    except (TypeError, RuntimeError):
        return None
    if device == "cpu":
        return optimizer.step  # type: ignore[no-any-return]

    def step() -> None:
        optimizer.step()
        torch.cuda.synchronize()

    return step


def copy(n: int, device: str) -> Callable[[], Any]:
    """A copy from one half of n floats to the other."""
    import numpy as np

    from minigrad.backend import array as arrays
    from minigrad.backend.device import provider_for, resolve_device

    where = resolve_device(device)
    provider: Any = provider_for(where)
    source, target = (arrays.zeros((max(n // 2, 1),), np.float32, where) for _ in range(2))
    source[...] = 1
    target[...] = 2
    if where == "cpu":
        return lambda: np.copyto(target, source)

    def step() -> None:
        target[...] = source
        provider.synchronize(where)

    return step


def measure(name: str, n: int, args: argparse.Namespace) -> dict[str, Any]:
    """All that can make a step of one optimizer, timed in turn."""
    programs: dict[str, Callable[[], Any]] = {}
    if args.device == "cpu":
        if importlib.util.find_spec("numba") is not None:
            programs[OURS[0]], states = ours(name, n, "cpu", "1")
        programs[OURS[1]], states = ours(name, n, "cpu", "0")
    else:
        programs[OURS[2]], states = ours(name, n, args.device, "0")
    first = next(iter(programs))
    for label, how in THEIRS.items():
        program = theirs(name, n, args.device, how)
        if program is not None:
            programs[f"PyTorch, {label}"] = program
    programs[COPY] = copy(n * (2 + states), args.device)
    rows = summary(paired(programs, args.rounds, args.seconds), first)
    moved = 4 * (3 + 2 * states)
    copied = 4 * (2 + states) * n / rows[COPY]["us"]  # bytes a microsecond: half are read, half written
    for label, row in rows.items():
        row["ns_a_parameter"] = round(1e3 * row["us"] / n, 4)
        if label != COPY:
            row["bytes_a_parameter"] = moved
            row["share_of_copy"] = round(moved * n / row["us"] / copied, 3)
    return rows


GREYS = {
    OURS[0]: ("#000000", "o", "-"),
    OURS[2]: ("#000000", "o", "-"),
    OURS[1]: ("#0072B2", "s", "-"),
    "PyTorch, default": ("#D55E00", "^", "--"),
    "PyTorch, foreach": ("#888888", "v", ":"),
    "PyTorch, fused": ("#E69F00", "D", "--"),
    COPY: ("#BBBBBB", "", "-"),
}
"""Colour, marker and line of each: no two are told apart by colour alone."""


def draw(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Adam over the sizes, and every optimizer at one size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    cases = [(name, int(float(size)), r) for title, r in rows.items() for name, size in [title.split(", ")]]
    sizes = sorted({n for _, n, _ in cases})
    at = max((n for n in sizes if n <= LARGEST_OF_ALL), default=sizes[0])
    names = [name for name in NAMES if any(case[:2] == (name, at) for case in cases)]
    for label, (colour, marker, line) in GREYS.items():
        style = {"color": colour, "marker": marker or None, "markersize": 5}
        adam = [(n, r[label]["ns_a_parameter"]) for name, n, r in cases if name == ADAM and label in r]
        if adam:
            left.plot(*zip(*sorted(adam), strict=True), linestyle=line, label=label, **style)
        if marker:
            found = {name: r[label]["share_of_copy"] for name, n, r in cases if n == at and label in r}
            right.plot(list(found.values()), [names.index(n) for n in found], linestyle="", **style)
    if ADAM in names:
        left.legend(frameon=False, fontsize=8)
    left.set(xscale="log", yscale="log", xlabel="parameters", ylabel="ns a parameter and step", title=ADAM)
    right.axvline(1.0, color="#BBBBBB")
    right.set(xscale="log", xlabel="rate of moving memory, copy = 1", title=f"{at:,} parameters")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    for axes in (left, right):
        axes.grid(True, color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="paired rounds (default 7)")
    parser.add_argument("--seconds", type=float, default=0.1, help="seconds per program and round (default 0.1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of everybody (default 1)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--huge", action="store_true", help="10^8 parameters too")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, help="these optimizers")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--smoke", action="store_true", help="a few calls only, no result file: does it run?")
    args = parser.parse_args()
    args.out = args.out or Path(__file__).parent / "results" / f"optimizers-{args.device}.json"
    if args.smoke:
        args.rounds, args.seconds = 1, 0.005
        pairs.PAUSE = 0.0  # nobody reads these numbers
    return args


def main() -> None:
    args = parse()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy and PyTorch are imported
    import torch

    torch.set_num_threads(args.threads)
    powers = (3,) if args.smoke else (3, 4, 5, 6, 7, 8) if args.huge else (3, 4, 5, 6, 7)
    rows = {}
    for power in powers:
        for name in args.only:
            rows[f"{name}, 1e{power}"] = measure(name, 10**power, args)
    report(rows, args)
    if not args.smoke:
        result = json.loads(args.out.read_text())
        if importlib.util.find_spec("numba") is not None:
            import numba

            result["environment"] = {**environment(args.threads), "numba": numba.__version__}
        result["seconds"] = args.seconds
        args.out.write_text(json.dumps(result, indent=1) + "\n")
    draw(rows, args.out.with_suffix(".png") if not args.smoke else Path(os.devnull))


if __name__ == "__main__":
    main()
