"""The command bench: its files, its table, its advice, on each device; bad input; memory that runs out; peers."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Result, Run
from strict_provider import StrictProvider

from minigrad.bench import counts, memory, peers, report
from minigrad.bench.blas import blas_threads
from minigrad.bench.rows import KEYS, OK
from minigrad.bench.sizes import parse_net
from minigrad.cli.bench import picture

TINY = ("bench", "--model", "6-5-3", "--rounds", 2, "--seconds", 0.002, "--mode", "eager")
BOTH = (*TINY[:-1], "eager,capture")


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Unless a test asks for it, which takes seconds; and then not into the user's folder."""
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path_factory.getbasetemp() / "compiled"))
    monkeypatch.setenv("MINIGRAD_FAST", "0")


@pytest.fixture
def recordable(device: str, request: pytest.FixtureRequest) -> str:
    """A device whose matrix products can be recorded: the strict one takes its module's for a caller's own."""
    if request.node.callspec.params["device"] == "strict":
        request.getfixturevalue("strict").machine.own_gemm = True
    return device


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def refused(done: Result, pattern: str) -> None:
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(r"minigrad: error: [^\n]+\n", done.err), done.err
    assert re.search(pattern, done.err), done.err


def test_files_table_and_advice(run: Run, folder: Path, device: str) -> None:
    place = device.partition(":")[0]
    done = run(*TINY, "--batch-sizes", "1..16", "--device", place, "--out", "b")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith(f"6-5-3, adam, float32, synthetic data on {place}")
    assert [line.split()[0] for line in lines[2:7]] == ["1", "2", "4", "8", "16"]
    assert all(re.search(r" (calls|memory|arithmetic) \d+%$", line) for line in lines[2:7])
    assert re.fullmatch(r"knee: batch \d+, .*", lines[7])
    assert lines[8].startswith("recommended: batch ")
    assert lines[-1] == "written to b"
    found = results(folder / "b")
    rows, net = found["rows"], parse_net("6-5-3")
    assert [r["batch"] for r in rows] == [1, 2, 4, 8, 16]
    for row in rows:
        assert tuple(row) == KEYS
        assert (row["program"], row["status"], row["ours_over_this"], row["products_ours_over_this"]) == (
            "eager",
            OK,
            1,
            1,
        )
        assert row["us_min"] <= row["us"] <= row["us_max"]
        assert len(row["us_rounds"]) == 2
        assert row["samples_per_second"] == pytest.approx(row["batch"] / row["us"] * 1e6)
        assert row["epoch_seconds"] == pytest.approx(-(-60_000 // row["batch"]) * row["us"] * 1e-6)
        assert row["memory_bytes"] > counts.held_bytes(net, 2)
        assert row["launches"] == (None if device == "cpu" else counts.launches(net))
        assert (row["device_us"] is None) == (device == "cpu")
    assert found["advice"]["knee"] in [r["batch"] for r in rows]
    assert found["environment"]["device"] == device
    assert found["ceilings"]["hollow_us"]["eager"] > found["ceilings"]["call_us"] > 0
    assert found["settings"] == found["settings"] | {"net": "6-5-3", "rounds": 2, "batches": [1, 2, 4, 8, 16]}
    drawn = (folder / "b/throughput.png").read_bytes()
    assert drawn[:4] == b"\x89PNG"
    assert picture(found) == drawn, "results.json holds all that the picture needs"


def test_the_step_captured(run: Run, folder: Path, recordable: str) -> None:
    place = recordable.partition(":")[0]
    done = run(*BOTH, "--batch-sizes", "1,8", "--device", place, "--out", "b")
    assert (done.status, done.err) == (0, "")
    found = results(folder / "b")
    assert found["settings"]["modes"] == ["eager", "capture"]
    assert [(r["batch"], r["program"]) for r in found["rows"]] == [(b, n) for b in (1, 8) for n in BOTH[-1].split(",")]
    for row in found["rows"]:
        assert tuple(row) == KEYS
        assert (row["capture_seconds"] is None) == (row["program"] == "eager")
        assert row["binds"]
        if recordable == "cpu":
            assert row["memory_bytes"] > counts.held_bytes(parse_net("6-5-3"), 2)
    assert re.search(r"^recorded and compiled .*: capture [\d.e-]+\.\.[\d.e-]+ s$", done.out, re.MULTILINE)
    assert done.out.count("/capture") == 1
    assert picture(found) == (folder / "b/throughput.png").read_bytes()


@pytest.mark.numba
def test_the_step_compiled(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_FAST")
    done = run(*BOTH, "--batch-sizes", "4", "--threads", 1, "--device", "cpu", "--out", "b", "--no-plot")
    assert (done.status, done.err) == (0, "")
    found = results(folder / "b")
    assert found["programs"]["capture"]["executor"] == "numba"
    assert [(r["program"], r["status"]) for r in found["rows"]] == [("eager", OK), ("capture", OK)]


def test_captured_for_numpy(run: Run, folder: Path) -> None:
    done = run(*TINY[:-1], "eager,capture-numpy", "--batch-sizes", "4", "--device", "cpu", "--out", "b", "--no-plot")
    assert (done.status, done.err) == (0, "")
    found = results(folder / "b")
    assert found["programs"]["capture-numpy"]["executor"] == "numpy"
    assert [r["program"] for r in found["rows"]] == ["eager", "capture-numpy"]


def test_numpy_replays_on_the_cpu_alone(run: Run, folder: Path, strict: StrictProvider) -> None:
    done = run("bench", "--smoke", "--mode", "eager,capture-numpy", "--device", "cuda")
    refused(done, "--mode: capture-numpy runs on the CPU alone, and the device is cuda:0: add --device cpu")


def test_a_refused_capture_is_an_error(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.bench.modes import Capture

    def training(self: Capture) -> Any:
        return lambda x, y: self.model(x).sum().item()

    monkeypatch.setattr(Capture, "training", training)
    done = run(*BOTH, "--batch-sizes", "4", "--device", "cpu", "--out", "b")
    assert done.status == 2
    refusal = (
        r"minigrad: error: the mode 'capture' cannot be timed: .*its value differs.* \(--mode eager goes without\)\n"
    )
    assert re.fullmatch(refusal, done.err), done.err
    assert not (folder / "b/results.json").exists()


def test_csv_holds_what_json_holds(run: Run, folder: Path) -> None:
    assert run(*TINY, "--batch-sizes", "1,3", "--out", "b", "--no-plot").status == 0
    text = (folder / "b/results.csv").read_text()
    rows = [{k: v for k, v in row.items() if k != "us_rounds"} for row in results(folder / "b")["rows"]]
    assert report.from_csv(text) == rows
    assert report.to_csv(report.from_csv(text)) == text
    assert not (folder / "b/throughput.png").exists()


def test_the_second_device(run: Run, folder: Path, strict: StrictProvider) -> None:
    strict.machine.own_gemm = True
    done = run("bench", "--smoke", "--device", "cuda:1", "--out", "b")
    assert (done.status, done.err) == (0, "")
    assert results(folder / "b")["environment"]["device"] == "cuda:1"


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax and optax belong to no extra")
def test_jax(run: Run, folder: Path) -> None:
    done = run(*TINY, "--batch-sizes", "1,8", "--device", "cpu", "--peers", "jax", "--out", "b")
    assert (done.status, done.err) == (0, "")
    assert results(folder / "b")["programs"]["jax"]["optimizer"] == "optax.adam"


def test_smoke_writes_nothing(run: Run, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = run("bench", "--smoke", "--device", "cpu")
    assert (done.status, done.err) == (0, "")
    assert "16-8-4" in done.out
    assert sorted(folder.rglob("*")) == before
    assert run("bench", "--smoke", "--device", "cpu", "--quiet", "--optimizer", "lion").out == ""


def test_the_default_folder_is_numbered(run: Run, folder: Path) -> None:
    done = run(*TINY, "--batch-sizes", "4", "--no-plot", "--device", "cpu")
    assert "written to runs/bench-1" in done.out


def test_options_of_the_training(run: Run, folder: Path) -> None:
    before = blas_threads()
    done = run(
        *("bench", "--smoke", "--data", "digits", "--optimizer", "sgd", "--threads", 1, "--batch-sizes", "256"),
        *("--lr", 0.1, "--lr-batch", 64, "--device", "cpu", "--out", "b"),
    )
    assert (done.status, done.err) == (0, "")
    found = results(folder / "b")
    assert (found["settings"]["net"], found["environment"]["blas_threads"]) == ("64-32-10", 1)
    assert blas_threads() == before
    assert found["advice"] == found["advice"] | {"batch": 256, "lr": 0.4, "rule": "linear", "base_lr": 0.1}


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ("--model 784", r"--model: sizes such as 784-256-128-10 are due"),
        ("--model 784-x-10", r"--model: sizes such as"),
        ("--model 784-10-1", r"--model: .* at least 2"),
        ("--batch-sizes 0..8", r"--batch-sizes: a range such as 1\.\.65536 or a list"),
        ("--batch-sizes 5..7", r"--batch-sizes: .* no power of two"),
        ("--batch-sizes many", r"--batch-sizes: a range"),
        ("--peers tensorflow", r"--peers: unknown peer 'tensorflow': there are torch, .*, and none"),
        ("--mode warp", r"--mode: unknown mode 'warp': there are eager, capture, capture-numpy"),
        ("--optimizer adm", r"--optimizer: invalid choice: 'adm' .*'adam'"),
        ("--data mnist", r"--data: invalid choice: 'mnist' .*'synthetic'"),
        (
            "--data digits --model 784-10",
            r"--model: digits has 64 features and 10 classes, the network 784-10 takes 784",
        ),
        ("--device cuda:77", r"device 'cuda:77' is not (usable here|there): "),
        ("--device gpu", r"unknown device 'gpu': use 'cpu', 'cuda'"),
        ("--rounds 0", r"--rounds: an integer >= 1"),
        ("--seconds 0", r"--seconds: a finite number > 0"),
        ("--threads 0", r"--threads: an integer >= 1"),
        ("--lr -1", r"--lr: a finite number > 0"),
        ("--out two.npz", r"two.npz: File exists; choose a folder"),
    ],
)
def test_bad_input(run: Run, folder: Path, arguments: str, pattern: str) -> None:
    before = sorted(folder.rglob("*"))
    refused(run("bench", "--rounds", 1, "--seconds", 0.01, *arguments.split()), pattern)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_is_not_written_twice(run: Run, folder: Path) -> None:
    command = (*TINY, "--batch-sizes", "1", "--no-plot", "--quiet", "--out", "b")
    assert run(*command).status == 0
    refused(run(*command), "b already holds results.json: choose another --out")


def test_the_sweep_ends_where_memory_is_expected_to(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4 << 20)
    done = run(*TINY, "--batch-sizes", "8,64,1048576,16777216", "--device", "cpu", "--out", "b")
    assert (done.status, done.err) == (0, "")
    rows = results(folder / "b")["rows"]
    assert [(r["batch"], r["status"] == OK, tuple(r)) for r in rows] == [
        (8, True, KEYS),
        (64, True, KEYS),
        (1048576, False, KEYS),
    ]
    assert re.search(r"^1048576 out of memory: would take about .* GiB, 0.0 GiB are to be had$", done.out, re.MULTILINE)


def test_the_sweep_ends_where_memory_runs_out(run: Run, folder: Path, strict: StrictProvider) -> None:
    strict.machine.memory_limit = 2 << 20
    done = run(*TINY, "--batch-sizes", "8,64,65536", "--device", "cuda", "--out", "b")
    assert (done.status, done.err) == (0, "")
    rows = results(folder / "b")["rows"]
    assert [(r["batch"], r["status"][:14]) for r in rows] == [(8, OK), (64, OK), (65536, "out of memory:")]
    assert "64 measured" in done.out


def test_nothing_fits(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    done = run(*TINY, "--batch-sizes", "8,64", "--device", "cpu", "--out", "b")
    assert done.status == 0
    assert "no batch size fits into memory" in done.out
    found = results(folder / "b")
    assert (len(found["rows"]), found["advice"], found["ceilings"]) == (1, None, None)


@pytest.mark.torch
def test_peers(run: Run, folder: Path) -> None:
    done = run(*TINY, "--batch-sizes", "1,8", "--device", "cpu", "--peers", "torch,torch-fused", "--out", "b")
    assert (done.status, done.err) == (0, "")
    found = results(folder / "b")
    assert [(r["batch"], r["program"]) for r in found["rows"]] == [
        (batch, name) for batch in (1, 8) for name in ("eager", "torch", "torch-fused")
    ]
    for row in found["rows"]:
        assert tuple(row) == KEYS
        assert row["status"] == OK
        assert row["ours_over_this_min"] <= row["ours_over_this"] <= row["ours_over_this_max"]
    assert found["programs"]["torch-fused"]["options"] == {"fused": True}
    assert done.out.count("/torch-fused") == 1


@pytest.mark.torch
def test_a_peer_that_lacks_the_optimizer_takes_no_part(run: Run, folder: Path) -> None:
    done = run("bench", "--smoke", "--device", "cpu", "--optimizer", "lion", "--peers", "torch")
    assert (done.status, done.err) == (0, "")
    assert "torch takes no part: PyTorch has no optimizer 'lion'" in done.out


@pytest.mark.torch
def test_a_graph_needs_a_gpu(run: Run, folder: Path) -> None:
    done = run("bench", "--smoke", "--device", "cpu", "--peers", "torch-graph")
    assert "torch-graph takes no part: CUDA graphs need a GPU" in done.out


@pytest.mark.torch
def test_a_peer_that_does_not_reach_the_device_takes_no_part(run: Run, folder: Path, strict: StrictProvider) -> None:
    done = run("bench", "--smoke", "--mode", "eager", "--device", "cuda", "--peers", "torch")
    assert (done.status, done.err) == (0, "")
    assert re.search(r"^torch takes no part: PyTorch \S+ does not reach cuda:0$", done.out, re.MULTILINE)


def test_a_peer_that_fails_takes_no_part(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.bench.modes import Eager

    class Broken(Eager):
        name = library = "jax"

        def step(self, batch: int) -> Any:
            raise SystemError("no compiler\nwas found")

    monkeypatch.setitem(peers.PEERS, "jax", lambda workload, threads: Broken(workload))
    done = run("bench", "--smoke", "--device", "cpu", "--peers", "jax", "--out", "b")
    assert (done.status, done.err) == (0, "")
    assert "jax takes no part: no compiler was found\n" in done.out
    assert results(folder / "b")["missing"] == {"jax": "no compiler was found"}


def test_another_mode_is_another_object(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.bench.modes import MODES, Eager

    class Other(Eager):
        name = "other"

    monkeypatch.setitem(MODES, "other", Other)
    done = run(*TINY, "--batch-sizes", "1,8", "--mode", "eager,other", "--device", "cpu", "--out", "b")
    assert (done.status, done.err) == (0, "")
    rows = results(folder / "b")["rows"]
    assert [r["program"] for r in rows] == ["eager", "other"] * 2
    assert all(r["binds"] for r in rows)
    assert "/other" in done.out


def test_an_interrupt_says_that_nothing_was_written(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.bench import sweep

    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "read_rounds", interrupted)
    done = run(*TINY, "--batch-sizes", "1", "--device", "cpu", "--out", "b")
    assert done.status == 130
    assert done.err == "minigrad: interrupted: the rounds were not finished, nothing was written\n"
