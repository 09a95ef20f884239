"""Bad input of any kind: exit status 2, one line on stderr that names what is wrong, nothing written, nothing run."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, refused

TRAIN = ("train", "--epochs", 1, "--hidden", 4, "--no-plot", "--quiet", "--out", "out")


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ("", "required: COMMAND; see python -m minigrad --help"),
        ("trane", "invalid choice: 'trane'.*train"),
        ("predict", "required: --model, --data"),
        ("train --frobnicate", "unrecognized arguments: --frobnicate"),
        ("train --epoch 3", "unrecognized arguments: --epoch"),
        ("train --lr -1", "--lr: a finite number > 0 is due, got '-1'"),
        ("train --lr nan", "--lr: a finite number > 0 is due, got 'nan'"),
        ("train --lr inf", "--lr: a finite number > 0 is due, got 'inf'"),
        ("train --lr 0", "--lr: a finite number > 0 is due, got '0'"),
        ("train --lr fast", "--lr: a finite number > 0 is due, got 'fast'"),
        ("train --lr", "--lr: expected one argument"),
        ("train --epochs 0", "--epochs: an integer >= 1 is due, got '0'"),
        ("train --epochs 1e3", "--epochs: an integer >= 1 is due, got '1e3'"),
        ("train --batch-size 0", "--batch-size: an integer >= 1"),
        ("train --batch-size -8", "--batch-size: an integer >= 1"),
        ("train --hidden 8 0", "--hidden: an integer >= 1 is due, got '0'"),
        ("train --hidden 99999999999999999999", "--hidden: an integer <= 9007199254740992 is due"),
        ("train --hidden 1000000000000", "needs about .* GiB, this machine has .*: use smaller --hidden"),
        ("train --hidden 1000000 1000000", "needs about .* GiB"),
        ("train --dropout 1", "--dropout: a finite number >= 0 and < 1 is due, got '1'"),
        ("train --dropout -0.1", "--dropout: a finite number >= 0"),
        ("train --activation rel", "--activation: invalid choice: 'rel' .*'relu'"),
        ("train --optimizer adm", "--optimizer: invalid choice: 'adm' .*'adam'"),
        ("train --schedule cosin", "--schedule: invalid choice"),
        ("train --init he", "--init: invalid choice"),
        ("train --normalization group", "--normalization: invalid choice"),
        ("train --scale robust", "--scale: invalid choice"),
        ("train --task ranking", "--task: invalid choice"),
        ("train --device cuda:77", "device 'cuda:77' is not (usable here|there): "),
        ("train --device gpu", "unknown device 'gpu': use 'cpu', 'cuda'"),
        ("train --seed -1", "--seed: an integer >= 0"),
        ("train --seeds 0", "--seeds: an integer >= 1"),
        ("train --test-size 0", "--test-size: a finite number > 0 and < 1"),
        ("train --test-size 1", "--test-size: a finite number > 0 and < 1"),
        ("train --test-size 0.5 --validation-size 0.5", "leave nothing to train"),
        ("train --validation-size 0.00001", "of 60 rows is none; use a larger share, or 0"),
        ("train --momentum 0.9", "--momentum belongs to --optimizer sgd"),
        ("train --weight-decay -1", "--weight-decay: a finite number >= 0"),
        ("train --decay 0.5", "--decay has no meaning for --schedule constant"),
        ("train --schedule step --decay 2", "--decay of --schedule step must be below 1, got 2"),
        ("train --schedule cosine --decay-every 2", "--decay-every has no meaning for --schedule cosine"),
        ("train --patience 2 --validation-size 0", "--patience watches the validation loss"),
        ("train --patience 0", "--patience: an integer >= 1"),
        ("train --time-limit 0", "--time-limit: a finite number > 0"),
        ("train --target-loss nan", "--target-loss: a finite number is due, got 'nan'"),
        ("train --normalization batch --batch-size 1", "needs two rows a batch"),
        ("train --balance --data line.csv", "--balance weighs classes; this target is a number"),
        ("train --data nothing", "unknown data set 'nothing'; there are digits, iris"),
        ("train --data none.csv", "none.csv: there is no such file"),
        ("train --data ./", "is a folder"),
        ("train --data two.csv --target c", "there is no column 'c'; .*'a', 'b', 'kind'"),
        ("train --data two.npz --target y", "target"),
        ("train --out two.npz", "two.npz: File exists; choose a folder"),
        ("train --out two.npz/deeper", "two.npz/deeper: Not a directory; choose a folder"),
        ("train --resume nowhere", "--resume nowhere: is no folder; start one with train --out nowhere"),
        ("train --resume . --lr 0.1", "--lr cannot be given with --resume"),
        ("train --resume .", "has no config.json, so no run has begun there"),
        ("predict --model nowhere --data two.csv", "--model nowhere: no such file or folder"),
        ("predict --model . --data two.csv", "no model.safetensors in that folder"),
        ("predict --model two.npz --data two.csv", "two.npz: not a safetensors file"),
        ("sweep --lr 0.1 -0.1", "--lr: a finite number > 0 is due, got '-0.1'"),
        ("sweep --validation-size 0", "sweep compares on the validation part"),
        ("sweep --batch-size 1 8 --normalization batch", "needs two rows a batch"),
    ],
)
def test_arguments(run: Run, folder: Path, arguments: str, pattern: str) -> None:
    words = arguments.split()
    if words[:1] in (["train"], ["sweep"]) and "--data" not in words and "--resume" not in words:
        words += ["--data", "two.npz"]
    before = sorted(folder.rglob("*"))
    refused(run(*words), pattern)
    assert sorted(folder.rglob("*")) == before


def test_an_empty_path(run: Run, folder: Path) -> None:
    refused(run("train", "--data", "two.npz", "--out", ""), "--out: a path is due, got an empty one")


def bad_csv(rows: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "bad.csv").write_text(rows) and None


def bad_npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda folder: np.savez(folder / "bad.npz", **arrays)


X = np.arange(40.0).reshape(20, 2)
GOOD = "a,b,y\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("name", "make", "pattern"),
    [
        ("bad.csv", bad_csv(""), "empty"),
        ("bad.csv", bad_csv("a,b,y\n"), "no rows under the header"),
        ("bad.csv", bad_csv("1,2,3\n4,5,6\n"), "first line must name the columns"),
        ("bad.csv", bad_csv(GOOD + "1,2\n"), "line 22 has 2 cell"),
        ("bad.csv", bad_csv(GOOD + "1,two,0\n"), "line 22, column 'b': 'two' is not a number"),
        ("bad.csv", bad_csv(GOOD + "1,,0\n"), "line 22, column 'b'.*missing"),
        ("bad.csv", bad_csv(GOOD + "1,nan,0\n"), "line 22, column 'b': 'nan' is not a finite number"),
        ("bad.csv", bad_csv(GOOD + "1,1e999,0\n"), "line 22, column 'b'"),
        ("bad.csv", bad_csv(GOOD.replace("a,b", "a,a")), "two columns are called 'a'"),
        ("bad.csv", bad_csv("a,y\n" + "1,x\n" * 20), "one class only"),
        ("bad.csv", bad_csv("a,y\n" + "1,x\n2,z\n" * 3), "6 rows are too few"),
        ("bad.csv", bad_csv("a,y\n" + "1,x\n" * 30 + "2,z\n"), r"class 'z' has 1 row\(s\), but each part needs one, 3"),
        ("bad.csv", bad_csv("a,b,c\n" + "1,2,3\n" * 20), "--target"),
        ("bad.csv", bad_csv("a,y\n" + "1,2.5\n" * 20), "every value of the target is 2.5; there is nothing to learn"),
        ("bad.csv", lambda f: (f / "bad.csv").write_bytes(GOOD.encode() + b"\0,1,1\n"), "NUL byte"),
        ("bad.csv", lambda f: (f / "bad.csv").write_bytes(bytes(range(256)) * 4), "bad.csv: "),
        ("bad.npz", bad_npz(x=X), "must hold the arrays x and y"),
        ("bad.npz", bad_npz(x=X, z=X), "must hold the arrays x and y"),
        ("bad.npz", bad_npz(x=X, y=np.arange(19)), "x has 20 rows and y has 19"),
        ("bad.npz", bad_npz(x=X[:, 0], y=np.arange(20) % 2), r"x must be \(n, features\).*reshape\(-1, 1\)"),
        ("bad.npz", bad_npz(x=X.astype(object), y=np.arange(20) % 2), "Python objects .*never opened"),
        ("bad.npz", bad_npz(x=np.where(X == 3, np.nan, X), y=np.arange(20) % 2), "nan"),
        ("bad.npz", bad_npz(x=X.astype(str), y=np.arange(20) % 2), "bad.npz: "),
        ("bad.npz", bad_npz(x=X, y=np.zeros(20, int)), "one class only"),
        ("bad.npz", lambda f: (f / "bad.npz").write_bytes((f / "two.npz").read_bytes()[:300]), "cut off"),
        ("bad.npz", lambda f: (f / "bad.npz").write_bytes(b""), "bad.npz: "),
        ("bad.npz", lambda f: (f / "bad.npz").write_text(GOOD), "not an .npz archive"),
        ("bad.npz", lambda f: (f / "bad.npz").mkdir(), "is a folder"),
    ],
)
def test_data_files(run: Run, folder: Path, name: str, make: Callable[[Path], None], pattern: str) -> None:
    make(folder)
    for command in (TRAIN, ("sweep", "--epochs", 1, "--out", "out")):
        refused(run(*command, "--data", name), pattern)
    assert not (folder / "out").exists()


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickles_are_never_opened(run: Run, folder: Path) -> None:
    evil = Evil(folder / "was-run")
    assert run(*TRAIN, "--data", "two.npz").status == 0
    (folder / "out/summary.json").unlink()
    np.savez(folder / "a.npz", x=np.array([[evil]] * 20, object), y=np.arange(20) % 2)
    for name in ("b.npz", "c.csv", "out/model.safetensors", "out/checkpoint.safetensors", "out/config.json"):
        (folder / name).write_bytes(pickle.dumps(evil))
    with open(folder / "d.npz", "wb") as file:
        np.lib.format.write_array(file, np.array([evil], object), allow_pickle=True)
    for name in ("a.npz", "b.npz", "c.csv", "d.npz"):
        assert run(*TRAIN, "--data", name).status == 2
        assert run("predict", "--model", "out", "--data", name).status == 2
    assert run("train", "--resume", "out").status == 2
    assert not (folder / "was-run").exists()


def test_predict_on_data_that_does_not_fit(run: Run, folder: Path) -> None:
    assert run(*TRAIN, "--data", "two.csv", "--target", "kind").status == 0
    (folder / "few.csv").write_text("a,c\n1,2\n")
    (folder / "class.csv").write_text("a,b,kind\n1,2,perhaps\n")
    np.savez(folder / "wide.npz", x=np.ones((4, 3)))
    for name, pattern in (
        ("few.csv", r"column\(s\) 'b' are missing"),
        ("class.csv", "'perhaps' is not a class of the model, which has 'no', 'yes'"),
        ("wide.npz", "3"),
        ("iris", "missing"),
        ("none.csv", "there is no such file"),
    ):
        refused(run("predict", "--model", "out", "--data", name), pattern)
    refused(run("predict", "--model", "out", "--data", "two.csv", "--out", "two.csv"), "is the data itself")
    refused(
        run("predict", "--model", "out", "--data", "two.csv", "--out", "no/where.csv"), "no/where.csv: No such file"
    )
    assert not (folder / "out/predictions.csv").exists()


def test_an_existing_run_is_not_overwritten(run: Run, folder: Path) -> None:
    assert run(*TRAIN, "--data", "two.npz").status == 0
    before = {p.name: p.read_bytes() for p in (folder / "out").iterdir()}
    refused(run(*TRAIN, "--data", "two.npz"), "out already holds config.json: choose another --out, or .*--resume out")
    assert {p.name: p.read_bytes() for p in (folder / "out").iterdir()} == before


@pytest.fixture
def unfinished(run: Run, folder: Path) -> Path:
    """A run whose last files are missing, so that a resume reads everything."""
    assert run(*TRAIN, "--data", "two.npz", "--normalization", "batch").status == 0
    for name in ("summary.json", "model.safetensors"):
        (folder / "out" / name).unlink()
    return folder / "out"


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"epochs": -1}, "epochs is -1, which train cannot have written"),
        ({"epochs": "many"}, "epochs is 'many'"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"lr": 0.5}, "belongs to another configuration .lr differs"),
        ({"hidden": [4, 0]}, "hidden is"),
        ({"hidden": [5]}, "hidden differs"),
        ({"activation": "rel"}, "activation is 'rel'"),
        ({"data": 3}, "data is 3"),
        ({"data": "gone.npz"}, "gone.npz: there is no such file"),
        ({"data_sha256": "0"}, "not the data that out was trained on"),
        ({"milestones": [3, 0]}, "milestones is"),
        ({"ema": -1}, "ema is -1"),
        ({"ema": 0.5}, "belongs to another configuration .ema differs"),
        ({"nonfinite": None}, "nonfinite is None"),
        ({"optimizer": "lion"}, "optimizer differs"),
        ({"schedule_by": 3}, "schedule_by is 3"),
        ({"momentum": 0.5}, "--momentum belongs to --optimizer sgd"),
        ({"balance": 1}, "balance is 1"),
        ({"patience": 0}, "patience is 0"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_a_changed_configuration(run: Run, unfinished: Path, change: dict[str, Any], pattern: str) -> None:
    values = json.loads((unfinished / "config.json").read_text())
    (unfinished / "config.json").write_text(json.dumps(values | change))
    refused(run("train", "--resume", "out", "--quiet", "--no-plot"), pattern)


def test_a_longer_run_is_no_other_run(run: Run, unfinished: Path) -> None:
    values = json.loads((unfinished / "config.json").read_text())
    (unfinished / "config.json").write_text(json.dumps(values | {"epochs": 3}))
    assert run("train", "--resume", "out", "--quiet", "--no-plot").status == 0
    assert json.loads((unfinished / "summary.json").read_text())["epochs"] == 3


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut, insert, delete or overwrite: one to three times."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1) if data else 0
        kind = rng.randrange(5)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 20))
        elif kind == 3:
            del data[at : at + rng.randint(1, 20)]
        else:
            data[at : at + 8] = rng.choice([b"\0" * 8, b"\xff" * 8, b"-1", b"nan", b"[[[[", b'"', b"\n", b"1e999"])
    return bytes(data)


@pytest.mark.parametrize("target", ["two.csv", "line.csv", "two.npz", "checkpoint", "model", "config"])
def test_mutated_files_are_refused_in_one_line_or_read(run: Run, folder: Path, target: str) -> None:
    """100 mutations of each kind of file: 600 together."""
    assert run(*TRAIN, "--data", "two.npz", "--normalization", "batch").status == 0
    names = {k: f"out/{k}.{'json' if k == 'config' else 'safetensors'}" for k in ("checkpoint", "model", "config")}
    path = folder / names.get(target, target)
    good = path.read_bytes()
    rng = random.Random(target)
    statuses = set()
    for case in range(100):
        path.write_bytes(mutate(good, rng))
        if target in ("two.csv", "line.csv", "two.npz"):
            more = ("--target", "kind") if target == "two.csv" else ()
            done = run(*TRAIN[:-1], f"m{case}", "--data", target, *more)
        elif target == "model":
            done = run("predict", "--model", "out", "--data", "two.npz", "--quiet")
        else:
            (folder / "out/summary.json").unlink(missing_ok=True)
            done = run("train", "--resume", "out", "--quiet", "--no-plot", "--device", "cpu")
        statuses.add(done.status)
        if done.status == 2:
            refused(done, ".")
        else:
            assert done.status in (0, 1), done.err  # read, as another valid file; it may even diverge
            assert done.err.count("\n") == done.status
        assert not list(folder.rglob(".*.tmp"))
    assert 2 in statuses


def start(folder: Path, *arguments: object, **kwargs: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "minigrad", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_usable_checkpoint_and_one_line(folder: Path, number: int) -> None:
    long = ("train", "--data", "two.npz", "--no-plot", "--batch-size", 4, "--epochs")
    plain = {**os.environ, "MINIGRAD_FAST": "0"}  # fit compiles the step of a long run, which rounds in another way
    process = start(folder, *long, 100_000, "--out", "out", env=plain)
    deadline = time.monotonic() + 60
    while not (folder / "out/checkpoint.safetensors").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(
        r"minigrad: interrupted: after step \d+, in epoch \d+; go on with: python -m minigrad train --resume out\n", err
    )
    import minigrad as mg

    reached = mg.load(folder / "out/checkpoint.safetensors")["run"]["step"]
    epochs = reached // 11 + 2
    config = json.loads((folder / "out/config.json").read_text())
    (folder / "out/config.json").write_text(json.dumps(config | {"epochs": epochs}))
    for arguments in (("train", "--resume", "out", "--no-plot"), (*long, epochs, "--out", "whole")):
        process = start(folder, *arguments, env=plain)
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
    assert (folder / "out/model.safetensors").read_bytes() == (folder / "whole/model.safetensors").read_bytes()


def test_a_full_disk(folder: Path) -> None:
    """A limit on the size of files stands in for it: the write fails in the middle."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = start(folder, "train", "--data", "two.npz", "--no-plot", "--quiet", "--out", "out", preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert re.fullmatch(
        r"minigrad: error: out/checkpoint.safetensors: File too large; make room.* then --resume the run\n", err
    )
    assert [p.name for p in (folder / "out").iterdir()] == ["config.json"]
    process = start(folder, "train", "--resume", "out", "--no-plot", "--quiet")
    assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(run: Run, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    refused(run(*TRAIN[:-1], "locked/out", "--data", "two.npz"), "Permission denied; choose a folder")


def test_a_folder_of_the_kernel_cannot_be_written(run: Run, folder: Path) -> None:
    refused(run(*TRAIN[:-1], "/proc/minigrad", "--data", "two.npz"), "/proc/minigrad: ")


def test_a_closed_pipe_does_not_end_the_training(folder: Path) -> None:
    with start(folder, "train", "--data", "two.npz", "--no-plot", "--epochs", 3, "--out", "out") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert (folder / "out/summary.json").exists()


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; from minigrad.cli import main; main(['train', '--help']); "
        "heavy = {'sklearn', 'matplotlib', 'scipy', 'tqdm', 'safetensors', 'pandas', 'torch'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
