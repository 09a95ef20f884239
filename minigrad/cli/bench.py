"""Time training steps over batch sizes: throughput, what binds it, and which batch size to take.

Batch sizes from small to large are timed in rounds in which everything runs once, beside other libraries where asked.
For each the table says what binds the step: its calls (the same step with next to no arithmetic), the memory it passes
over (counted bytes at the rate of a copy), or its matrix products (timed alone). The table is about the first mode. A
column /torch is its time divided by PyTorch's, and the column products behind it the same for the matrix products
alone: what the BLAS libraries differ by; a column /capture says how many times faster the recorded step is. "capture"
is recorded once and replayed, by compiled code where numba is installed; "capture-numpy" is replayed by NumPy.
The folder gets results.json (all of it, with machine, versions and single rounds), results.csv and throughput.png.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .. import plots
from ..backend.device import resolve_device
from ..bench import advice as advices
from ..bench import report
from ..bench.blas import limited
from ..bench.environment import environment
from ..bench.modes import MODES, ON_CPU_ONLY
from ..bench.peers import PEERS, parse_peers
from ..bench.progress import Progress
from ..bench.rows import measured
from ..bench.sizes import parse_batches, parse_net
from ..bench.sweep import Result, Settings, sweep
from ..bench.workload import SOURCES, dataset_for, default_net
from ..errors import require
from ..optim.by_name import BY_NAME
from .arguments import add_output_arguments
from .options import Parser, UsageError, integer, number, path
from .output import Printer
from .run_folder import RunFolder, free_folder

RESULTS, TABLE, PICTURE = "results.json", "results.csv", "throughput.png"
SMOKE = {"model": "16-8-4", "batch_sizes": "1,8", "rounds": 1, "seconds": 0.002}
"""What --smoke puts in the place of options that are not given."""
DEFAULT_MODES = "eager,capture"
DEFAULTS = {"batch_sizes": "1..65536", "rounds": 7, "seconds": 0.1}


def add_arguments(parser: Parser) -> None:
    """The options of bench."""
    what = parser.add_argument_group("what is timed (defaults in parentheses)")
    how = parser.add_argument_group("how")
    tell = parser.add_argument_group("advice and output")

    def add(group: Any, name: str, metavar: str, text: str, **kwargs: Any) -> None:
        group.add_argument(name, metavar=metavar, help=text, **kwargs)

    optimizers, sources = ", ".join(BY_NAME), ", ".join(SOURCES)
    add(what, "--model", "SIZES", "features-hidden-...-classes (784-256-128-10; digits: 64-32-10)")
    add(what, "--optimizer", "NAME", f"{optimizers} (adam)", choices=tuple(BY_NAME), default="adam")
    add(what, "--batch-sizes", "LIST", "the powers of two in low..high, or a list such as 1,8,32 (1..65536)")
    add(what, "--data", "NAME", f"{sources} (synthetic, 60000 rows an epoch)", choices=SOURCES, default="synthetic")
    add(what, "--mode", "LIST", f"how the step runs: {', '.join(MODES)} ({DEFAULT_MODES})", default=DEFAULT_MODES)
    add(what, "--peers", "LIST", f"{', '.join(PEERS)}, or none (none)", default="none")
    add(what, "--device", "NAME", "cpu, cuda, cuda:<index> or auto (auto)", default="auto")
    add(how, "--rounds", "N", "rounds in which everything runs once (7)", type=integer(1, 10**6))
    add(how, "--seconds", "S", "time of each in a round (0.1)", type=number(0, 3600, True))
    add(how, "--threads", "T", "threads for everybody (as they are)", type=integer(1, 4096))
    how.add_argument("--smoke", action="store_true", help="a tiny sweep in seconds, to see whether it runs")
    rate, base = number(0, low_open=True), advices.BASE_BATCH
    add(tell, "--lr", "X", "a learning rate that is good at --lr-batch rows (the optimizer's default)", type=rate)
    add(tell, "--lr-batch", "N", f"rows ({base})", type=integer(1), default=base)
    add(tell, "--out", "DIR", "folder to write (runs/bench-<number>; none with --smoke)", type=path)
    add_output_arguments(tell)


def run(arguments: argparse.Namespace) -> int:
    """Sweep, tell, write."""
    say = Printer(arguments.quiet)
    settings = settings_of(arguments)
    writes = arguments.out is not None or not arguments.smoke
    plot = writes and not arguments.no_plot
    if plot and importlib.util.find_spec("matplotlib") is None:  # importing it takes a second: not yet
        require("matplotlib", "train", "A picture of the throughput (--no-plot does without)")
    folder = RunFolder(arguments.out or free_folder("bench")) if writes else None
    if folder is not None:
        folder.create((RESULTS, TABLE, PICTURE))
    with limited(settings.threads) as threads:
        told = environment(settings.device, threads)
        say(_head(settings, told))
        try:
            result = _sweep(settings, not arguments.quiet)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the rounds were not finished, nothing was written") from None
    for name, why in result.missing.items():
        say(f"{name} takes no part: {why}")
    for line in [*report.table(result.rows, settings.modes[0]), report.capture_line(result.rows)]:
        if line:
            say(line)
    advice = advices.advise(
        result.rows, settings.modes[0], settings.optimizer, settings.source, arguments.lr, arguments.lr_batch
    )
    for line in report.advice_lines(advice, result.largest_estimate):
        say(line)
    if folder is not None:
        document = report.to_json(settings, result, told, advice)
        folder.write_json(RESULTS, document)
        folder.write(TABLE, report.to_csv(result.rows))
        if plot and advice is not None:
            folder.write(PICTURE, picture(document))
        say(f"written to {folder.path}")
    return 0


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What the options ask for.

    Raises:
        UsageError: a text that means nothing, or sizes that do not fit the data.
        DeviceError: the device is not there.
    """

    def given(name: str) -> Any:
        value = getattr(arguments, name)
        return value if value is not None else (SMOKE if arguments.smoke else DEFAULTS)[name]

    if arguments.model is None:
        arguments.model = (
            SMOKE["model"] if arguments.smoke and arguments.data == "synthetic" else default_net(arguments.data)
        )
    try:
        net = parse_net(arguments.model)
        if arguments.data != "synthetic":
            dataset_for(arguments.data, net)
    except ValueError as error:
        raise UsageError(f"--model: {error}") from error
    try:
        batches = parse_batches(given("batch_sizes"))
    except ValueError as error:
        raise UsageError(f"--batch-sizes: {error}") from error
    try:
        peers = parse_peers(arguments.peers)
    except ValueError as error:
        raise UsageError(f"--peers: {error}") from error
    modes = tuple(dict.fromkeys(arguments.mode.split(",")))
    for mode in modes:
        if mode not in MODES:
            raise UsageError(f"--mode: unknown mode {mode!r}: there are {', '.join(MODES)}")
    device = resolve_device(arguments.device)
    for mode in ON_CPU_ONLY:
        if mode in modes and device != "cpu":
            raise UsageError(f"--mode: {mode} runs on the CPU alone, and the device is {device}: add --device cpu")
    return Settings(
        net, arguments.optimizer, batches, device, modes, peers, arguments.data,
        given("rounds"), given("seconds"), arguments.threads,
    )  # fmt: skip


def _sweep(settings: Settings, show: bool) -> Result:
    """The sweep, with a bar while it runs."""
    bars: list[Progress] = []

    def begin(total: int) -> Any:
        bars.append(Progress(total, show))
        return bars[-1].update

    try:
        return sweep(settings, begin)
    finally:
        for bar in bars:
            bar.close()


def _head(settings: Settings, told: Mapping[str, Any]) -> str:
    where = settings.device if settings.device != "cpu" else f"cpu, {_threads(told)}"
    return (
        f"{settings.net}, {settings.optimizer}, float32, {settings.source} data on {where}; "
        f"{settings.rounds} round{'s' * (settings.rounds > 1)} of {settings.seconds:g} s"
    )


def _middle_half(batch: int, us: Sequence[float]) -> tuple[float, float]:
    """Samples a second between which the middle half of the rounds lies: one disturbed round is no news."""
    quarters = statistics.quantiles(us, n=4, method="inclusive") if len(us) > 1 else [us[0]] * 3
    return batch / quarters[2] * 1e6, batch / quarters[0] * 1e6


def _threads(told: Mapping[str, Any]) -> str:
    count = told["blas_threads"]
    kernels = f" ({told['blas_kernels']} kernels)" if told.get("blas_kernels") else ""
    return "BLAS threads unknown" if count is None else f"{count} BLAS thread{'s' * (count > 1)}{kernels}"


def picture(document: Mapping[str, Any]) -> bytes:
    """The throughput under its ceilings, from what results.json holds."""
    asked, told, rows = document["settings"], document["environment"], document["rows"]
    modes, peers = asked["modes"], [n for n in asked["peers"] if n not in document["missing"]]
    programs = {
        f"minigrad {n}" if n in modes else n: [
            (r["batch"], r["samples_per_second"], *_middle_half(r["batch"], r["us_rounds"])) for r in measured(rows, n)
        ]
        for n in (*modes, *peers)
    }
    ours = measured(rows, modes[0])
    labels = {"calls": "calls alone", "memory": "memory alone", "arithmetic": "our matrix products alone"}
    # each mode has calls of its own, and none exceeds what the one with the cheapest allows
    account = {
        r["batch"]: {kind: min(m[f"{kind}_us"] for n in modes for m in measured(rows, n) if m["batch"] == r["batch"])
                     for kind in labels}
        for r in ours
    }  # fmt: skip
    ceilings = {text: [(b, b / us[kind] * 1e6) for b, us in account.items()] for kind, text in labels.items()}
    at = next(r for r in ours if r["batch"] == document["advice"]["knee"])
    versions = [f"minigrad {told['versions']['minigrad']}", f"NumPy {told['versions']['numpy']}"]
    versions += dict.fromkeys(f"{n.partition('-')[0]} {document['programs'][n]['version']}" for n in peers)
    where = f"{told['processor']}, {_threads(told)}" if asked["device"] == "cpu" else asked["device"]
    rounds = f"median and middle half of {asked['rounds']} rounds"
    note = f"{where}; {', '.join(versions)}; {told['date']}; {rounds}"
    title = f"A training step of {asked['net']} with {asked['optimizer']}: batch size against throughput"
    return plots.throughput(programs, ceilings, (at["batch"], at["samples_per_second"]), title, note)
