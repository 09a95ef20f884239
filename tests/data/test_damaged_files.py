"""Files with random damage: each loads, or ends with one error line of a kind that callers expect."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from minigrad import data

X = np.random.default_rng(0).normal(size=(12, 3)).round(3)
CSV = b'a,"b",c,y\n' + b"".join(b'%.3f,%.3f,"%.3f",%s\n' % (*row, b"pq"[i % 2 :][:1]) for i, row in enumerate(X))
FEATURES = {"csv": ("a", "b", "c"), "csv.gz": ("a", "b", "c"), "npz": ("x0", "x1", "x2")}


def good(kind: str) -> bytes:
    if kind == "csv":
        return CSV
    if kind == "csv.gz":
        return gzip.compress(CSV, mtime=0)
    buffer = io.BytesIO()
    if kind == "npz packed":
        np.savez_compressed(buffer, x=X, y=np.arange(12) % 2)
    else:
        np.savez(buffer, x=X, y=np.array(["p", "q"] * 6), feature_names=["x0", "x1", "x2"])
    return buffer.getvalue()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three of: bytes overwritten, a bit flipped, the end cut off, bytes put in or taken out, parts swapped."""
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(content) or 1))
        many = int(rng.integers(1, 9))
        after = content[at + many :]
        content = [
            content[:at] + rng.bytes(many) + after,
            content[:at] + bytes(b ^ (1 << rng.integers(8)) for b in content[at : at + 1]) + content[at + 1 :],
            content[:at],
            content[:at] + rng.bytes(many) + content[at:],
            content[:at] + after,
            content[:at] + rng.choice([b"\0", b'"', b"\n", b",", b"nan", b"\xff" * 4, b"9" * 40]) + content[at:],
            after + content[:at],
        ][rng.integers(7)]
    return content


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "npz", "npz packed"])
def test_random_damage(tmp_path: Path, kind: str) -> None:
    content = good(kind)
    suffix = kind.split()[0]
    path = tmp_path / f"my.{suffix}"
    path.write_bytes(content)
    assert data.load(path).x.shape == (12, 3)
    ends = {"loaded": 0, "refused": 0}
    for seed in range(400):
        path.write_bytes(damaged(content, np.random.default_rng(seed)))
        for read in (
            lambda: data.load(path),
            lambda: data.read_inputs(path, FEATURES[suffix], target_names=("p", "q", "0", "1")),
        ):
            try:
                x, _ = read()
            except (ValueError, OSError) as error:
                ends["refused"] += 1
                message = str(error)
                assert message.startswith(f"{path}: "), (seed, message)
                assert message.isprintable(), (seed, message)
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
            else:
                ends["loaded"] += 1
                assert np.isfinite(x).all()
                assert x.ndim == 2
    assert ends["refused"] > 100
    assert ends["loaded"] > 0
