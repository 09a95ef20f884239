"""Writes the figures of README.md: numbers and a picture, from the result files, between two marks.

    python benchmarks/readme_figures.py            rewrites the block and draws benchmarks/results/throughput-cpu.png
    python benchmarks/readme_figures.py --check    says whether README.md holds what it would write; writes nothing

The block stands between the lines `<!-- figures -->` and `<!-- /figures -->`. A result file that is not there leaves
out its part; nothing in the block is written by hand. Drawing needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
PICTURE = "throughput-cpu.png"
DRAWN = "bench-big-cpu.json"
"""The document that the picture is of."""
IN_THE_PICTURE = {"modes": ("eager", "capture"), "peers": ("torch", "torch-compile", "jax")}
"""More curves could not be told apart."""
NETS = {"64-32-10": "bench-tiny-cpu.json", "784-256-128-10": DRAWN}
PROGRAMS = {
    "eager": "minigrad, eager",
    "capture-numpy": "minigrad, captured, NumPy",
    "capture": "minigrad, captured, compiled",
    "torch": "PyTorch, eager",
    "torch-fused": "PyTorch, eager, fused Adam",
    "torch-compile": "PyTorch, torch.compile",
    "jax": "JAX, jit",
}
"""As bench calls them, and as the table does."""
Documents = Mapping[str, Mapping[str, Any]]
"""What result files hold, by name of the file."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown; all columns but the first to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def number(value: float) -> str:
    """With three digits, and no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def step_times(documents: Documents) -> list[str]:
    """Microseconds of a training step by network, batch size and program."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    versions: dict[str, str] = {}
    for net, name in NETS.items():
        for row in documents.get(name, {}).get("rows", []):
            if row["status"] == "ok":
                found.setdefault((net, row["batch"]), {})[row["program"]] = row["us"]
        versions |= {n: p["version"] for n, p in documents.get(name, {}).get("programs", {}).items()}
    programs = [p for p in PROGRAMS if any(p in cells for cells in found.values())]
    if not found:
        return []
    rows = []
    for program in programs:
        cells = [number(found[case][program]) if program in found[case] else "-" for case in found]
        rows.append([f"{PROGRAMS[program]}", *cells])
    told = next(documents[name]["environment"] for name in NETS.values() if name in documents)
    asked = next(documents[name]["settings"] for name in NETS.values() if name in documents)
    peers = dict.fromkeys(f"{PROGRAMS[p].partition(',')[0]} {versions[p]}" for p in programs if p not in asked["modes"])
    libraries = [f"NumPy {told['versions']['numpy']}", *peers]
    threads = "its threads" if told["blas_threads"] is None else f"{told['blas_threads']} threads"
    kernels = f" ({told['blas_kernels']} kernels of OpenBLAS)" if told.get("blas_kernels") else ""
    return [
        "Microseconds of a training step (forward, cross-entropy, backward, Adam; float32):",
        "",
        *table(["network, batch", *(f"{net}, {batch}" for net, batch in found)], rows),
        "",
        f"{told['processor']}, {threads}{kernels}, {', '.join(libraries)}; {told['date']}, commit {told['commit']}; "
        f"medians of {asked['rounds']} rounds, in each of which everything runs once.",
    ]


def ratios(documents: Documents) -> list[str]:
    """Our time / theirs, paired, from the table of `ratios.py`."""
    cells = documents.get("ratios-cpu.json", {}).get("cells", [])
    columns = [c for c in dict.fromkeys(f["column"] for f in cells)
               if any(f["reached"] is not None for f in cells if f["column"] == c)]  # fmt: skip
    if not columns:
        return []
    by_row: dict[str, dict[str, float | None]] = {}
    for found in cells:
        by_row.setdefault(found["row"], {})[found["column"]] = found["reached"]
    rows = [
        [name, *("-" if reached[c] is None else f"{reached[c]:.2f}" for c in columns)]
        for name, reached in by_row.items()
    ]
    return ["Our time / theirs, each pair within one round; below 1 we are faster:", "", *table(["", *columns], rows)]


def _others(document: Mapping[str, Any], other: str, named: str = "") -> list[float]:
    """ours_over_this of a program, over all cases whose title ends as told."""
    return [r[other]["ours_over_this"] for t, r in document["results"].items() if other in r and t.endswith(named)]


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}, median {statistics.median(values):.2f}"


def replay(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A captured step beside one written by hand, and what a capture takes."""
    found = []
    for executor, what in (("numpy", "replayed by NumPy"), ("fast", "compiled")):
        rows = [r for t, r in document["results"].items() if t.endswith(f", {executor}")]
        if rows:
            values = [r["by hand"]["ours_over_this"] for r in rows]
            found.append((f"captured step, {what} / the same step written by hand", _range(values)))
            took = [1e3 * r["replay"]["capture_cold_s"] for r in rows]
            found.append((f"recording it, {what}, milliseconds", f"{number(min(took))} to {number(max(took))}"))
    return found


def operations(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Single operations beside PyTorch's."""
    return [("one small operation, forward and backward / PyTorch's", _range(_others(document, "torch")))]


def gradients(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a gradient costs."""
    return [("value and gradient of a large array / NumPy's forward", _range(_others(document, "forward alone")))]


def optimizers(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """An update of all parameters beside PyTorch's."""
    return [
        (f"update of 1e5 parameters, {len(values)} optimizers / PyTorch's {form}", _range(values))
        for form in ("default", "fused")
        if (values := _others(document, f"PyTorch, {form}", ", 1e5"))
    ]


def soak(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Memory of a long run."""
    what = f"bytes that memory grows a step, over {document['steps']:,} steps"
    return [(what, number(document["growth_bytes_a_step"]))]


def kills(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Runs that were killed."""
    told = f"{document['wrong']} of {document['kills']}"
    return [("runs killed and resumed that end with other bytes", told)]


SINGLE: dict[str, Callable[[Mapping[str, Any]], list[tuple[str, str]]]] = {
    "replay-cpu.json": replay,
    "per-op-cpu.json": operations,
    "gradient-cost-cpu.json": gradients,
    "optimizers-cpu.json": optimizers,
    "soak-cpu.json": soak,
    "kill-resume.json": kills,
}
"""Result file -> rows of the last table: what, and the figure."""


def figures(documents: Documents) -> list[str]:
    """The last table: one figure a row, with its file."""
    rows = [
        [what, figure, f"[{name}](benchmarks/results/{name})"]
        for name, tell in SINGLE.items()
        if name in documents
        for what, figure in tell(documents[name])
    ]
    return table(["", "figure", "from"], rows) if rows else []


def block(documents: Documents, pictured: bool) -> str:
    """The text between the marks.

    Args:
        documents: the result files.
        pictured: whether the picture is there.
    """
    parts = [[f"![Batch size against throughput](benchmarks/results/{PICTURE})"]] if pictured else []
    parts += [part for part in (step_times(documents), ratios(documents), figures(documents)) if part]
    return "\n\n".join("\n".join(part) for part in parts)


def replaced(text: str, inside: str) -> str:
    """A README with another block.

    Raises:
        ValueError: there is not exactly one pair of marks, each on a line of its own.
    """
    lines = text.split("\n")
    if (lines.count(BEGIN), lines.count(END)) != (1, 1) or lines.index(BEGIN) > lines.index(END):
        raise ValueError(f"README.md needs one line {BEGIN} and below it one line {END}: the figures go between them")
    head, tail = lines[: lines.index(BEGIN) + 1], lines[lines.index(END) :]
    return "\n".join([*head, "", inside, "", *tail] if inside else [*head, *tail])


def drawing(document: Mapping[str, Any]) -> bytes:
    """The picture of a run of bench, with the programs in IN_THE_PICTURE alone; a PNG."""
    from minigrad.cli.bench import picture

    asked = document["settings"]
    chosen = {kind: [n for n in asked[kind] if n in names] for kind, names in IN_THE_PICTURE.items()}
    return picture({**document, "settings": {**asked, **chosen}})


def load(folder: Path) -> dict[str, Any]:
    """Every result file in a folder."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if something would change")
    args = parser.parse_args(argv)
    documents, place = load(args.results), args.results / PICTURE
    text = args.readme.read_text("utf-8")
    drawn = documents.get(DRAWN, {}).get("advice") is not None
    try:
        new = replaced(text, block(documents, drawn))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if args.check:
        print("README.md is what the result files say" if new == text else "README.md is behind the result files")
        return int(new != text)
    if drawn:
        place.write_bytes(drawing(documents[DRAWN]))
        print(f"written to {place}")
    args.readme.write_text(new, "utf-8")
    print(f"written to {args.readme}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
