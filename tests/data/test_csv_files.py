"""data.load of .csv files: what is read, how the task is decided, and the one line that a bad file gets."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad import data
from minigrad.data import files
from minigrad.errors import FileFormatError

PLAIN = "a,b,target\n1,2,x\n3,4,y\n5,6,x\n"


def write(folder: Path, content: str | bytes, name: str = "my.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_plain_table(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    found = data.load(path)
    x, y = found
    np.testing.assert_array_equal(x, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(y, [0, 1, 0])
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert found.name == str(path)
    assert found.feature_names == ("a", "b")
    assert found.target_names == ("x", "y")
    assert (found.target, found.task) == ("target", "classification")
    assert "3 samples, 2 features, 2 classes" in repr(found)


SAME = {
    "bom": b"\xef\xbb\xbf" + PLAIN.encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "windows": PLAIN.replace("\n", "\r\n").encode(),
    "old mac": PLAIN.replace("\n", "\r").encode(),
    "no last newline": PLAIN.rstrip().encode(),
    "blank lines": ("\n  \n" + PLAIN.replace("\n", "\n\n") + "\n \n").encode(),
    "spaces": PLAIN.replace(",", " , ").replace("\n", "  \n").encode(),
    "quotes": b'"a","b","target"\n"1","2","x"\n3, "4" ,y\n"5",6,x\n'.replace(b'"4" ', b'"4"'),
    "other notations": b"a,b,target\n+1,2.,x\n3e0,.4E1,y\n05,60e-1,x\n",
    "columns in another order": b"target,a,b\nx,1,2\ny,3,4\nx,5,6\n",
    "another name in other case": PLAIN.replace("target", "Label").encode(),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME.keys())
def test_the_same_table_written_otherwise(tmp_path: Path, content: bytes) -> None:
    found = data.load(write(tmp_path, content))
    np.testing.assert_array_equal(found.x, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(found.y, [0, 1, 0])
    assert found.feature_names == ("a", "b")
    assert found.target_names == ("x", "y")


def test_packed(tmp_path: Path) -> None:
    np.testing.assert_array_equal(data.load(write(tmp_path, gzip.compress(PLAIN.encode()), "my.CSV.GZ")).y, [0, 1, 0])


def test_what_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, PLAIN)
    write(tmp_path, PLAIN, "iris")
    assert len(data.load("my.csv")) == len(data.load("./my.csv")) == len(data.load(Path("my.csv"))) == 3
    assert len(data.load("iris")) == 150  # a known name comes first
    write(tmp_path, PLAIN, "bare")
    for source in ("bare", "./iris"):
        with pytest.raises(FileFormatError, match=r"the name must end in \.npz, \.csv or \.csv\.gz"):
            data.load(source)


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    content = 'a,"b, ""c""",y\n1,2,"p,\nq"\n3,4,"r"\n5,bad,r\n'
    with pytest.raises(FileFormatError, match=r"""line 5, column 'b, "c"': 'bad' is not a number"""):
        data.load(write(tmp_path, content))
    found = data.load(write(tmp_path, content.replace("bad", "6")))
    assert found.feature_names == ("a", 'b, "c"')
    assert found.target_names == ("p,\nq", "r")


def decided(folder: Path, cells: list[Any], **options: Any) -> data.Dataset:
    return data.load(write(folder, "a,y\n" + "".join(f"1,{c}\n" for c in cells)), **options)


MANY = [*range(50), *range(50)]
TASKS: list[tuple[list[Any], dict[str, Any], str, tuple[str, ...], list[float]]] = [
    (["b", "a", "b"], {}, "classification", ("a", "b"), [1, 0, 1]),
    (["True", "False"], {}, "classification", ("False", "True"), [1, 0]),
    ([10, 9, 10, 9], {}, "classification", ("9", "10"), [1, 0, 1, 0]),
    (["10.0", "9.0", "-1e1", "10", "9", "-10"], {}, "classification", ("-10", "9", "10"), [2, 1, 0, 2, 1, 0]),
    (["-0", "1", "0", "1"], {}, "classification", ("0", "1"), [0, 1, 0, 1]),
    (MANY, {}, "classification", tuple(map(str, range(50))), MANY),
    ([*MANY, 50, 50], {}, "regression", (), [*MANY, 50, 50]),
    ([*MANY, 50, 50], {"task": "classification"}, "classification", tuple(map(str, range(51))), [*MANY, 50, 50]),
    ([1, 2, 3], {}, "regression", (), [1, 2, 3]),
    ([1, 2, 3], {"task": "classification"}, "classification", ("1", "2", "3"), [0, 1, 2]),
    ([0, 1, 0, 1], {"task": "regression"}, "regression", (), [0, 1, 0, 1]),
    ([0.5, 1, 0.5, 1], {}, "regression", (), [0.5, 1, 0.5, 1]),
    ([0.5, 0.5], {}, "regression", (), [0.5, 0.5]),
    (["1e30", "2e30"] * 2, {}, "regression", (), [1e30, 2e30] * 2),
    (["1", "n/a", "1"], {"task": "classification"}, "classification", ("1", "n/a"), [0, 1, 0]),
]


@pytest.mark.parametrize(("cells", "options", "task", "names", "y"), TASKS)
def test_the_task(
    tmp_path: Path, cells: list[Any], options: dict[str, Any], task: str, names: tuple[str, ...], y: list[float]
) -> None:
    found = decided(tmp_path, cells, **options)
    assert (found.task, found.target_names) == (task, names)
    assert found.y.dtype == (np.int64 if names else np.float32)
    np.testing.assert_array_equal(found.y, np.asarray(y, found.y.dtype))
    assert decided(tmp_path, cells, dtype=np.float64, **options).y.dtype == (np.int64 if names else np.float64)


text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs", "Cc")), min_size=1).map(str.strip)
titles = text.filter(
    lambda t: t and not files.NUMBER.fullmatch(t) and t.lower() not in ("y", "class", "label", "target")
)
numbers = st.floats(-(2.0**127), 2.0**127, width=32) | st.floats(-1e30, 1e30) | st.integers(-(2**60), 2**60)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], np.ndarray, list[Any]]:
    """Column names, numbers and targets of one kind."""
    n, columns = draw(st.integers(2, 8)), draw(st.integers(1, 4))
    names = draw(st.lists(titles, min_size=columns, max_size=columns, unique=True))
    x = np.array(draw(st.lists(numbers, min_size=n * columns, max_size=n * columns)), np.float64).reshape(n, columns)
    kind = draw(st.sampled_from([titles, st.floats(-1e30, 1e30).filter(lambda v: v != int(v))]))
    y = draw(st.lists(kind, min_size=n, max_size=n).filter(lambda y: len(set(y)) > 1))
    return names, x, y


@given(table=tables(), delimiter=st.sampled_from(",;\t"), gz=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory,
    table: tuple[list[str], np.ndarray, list[Any]],
    delimiter: str,
    gz: bool,
    end: str,
) -> None:
    names, x, y = table
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["y", *names], *([t, *map(repr, row)] for t, row in zip(y, x.tolist(), strict=True))])
    content = buffer.getvalue().encode()
    name = "t.csv.gz" if gz else "t.csv"
    found = data.load(
        write(tmp_path_factory.getbasetemp(), gzip.compress(content, 1) if gz else content, name), dtype=np.float64
    )
    np.testing.assert_array_equal(found.x, x)
    assert found.feature_names == tuple(names)
    if found.classes:
        assert [found.target_names[i] for i in found.y] == y
        assert found.target_names == tuple(sorted(set(y)))
    else:
        np.testing.assert_array_equal(found.y, y)


def body(rows: str) -> str:
    return f"a,b,y\n1,2,p\n{rows}\n3,4,q\n"


LONG = "z" * 999
BAD: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty": ("", {}, "the file is empty"),
    "blanks only": (" \n\n \t\n", {}, "nothing but blanks; the first line must name the columns"),
    "bom only": (b"\xef\xbb\xbf", {}, "nothing but blanks"),
    "header only": ("a,b,y\n", {}, "no rows under the header"),
    "one row": ("a,b,y\n1,2,p\n", {}, "too few rows: 1; at least 2"),
    "no header": ("1,2,0\n3,4,1\n", {}, "the first line holds only numbers; the first line must name the columns"),
    "no target": ("a,b\n1,2\n3,4\n", {}, "no column is called target, label, class, y; .*--target, one of 'a', 'b'"),
    "two targets": ("a,class,Label\n1,2,3\n", {}, "several columns .*'class', 'Label'; name one by .*--target"),
    "no such column": (PLAIN, {"target": "price"}, "no column 'price'; .*target= or --target, one of 'a', 'b', "),
    "no such column, empty": (PLAIN, {"target": ""}, "no column ''"),
    "a long name of a column": (PLAIN, {"target": LONG}, r"no column 'z+\.\.\.'; "),
    "many columns": (",".join(f"c{i}" for i in range(99)) + "\n", {}, "no rows"),
    "many columns, no target": (",".join(f"c{i}" for i in range(99)) + "\n1" + ",1" * 98, {}, "'c19' and 79 more"),
    "target only": ("y\np\nq\n", {}, "'y' is the only column; features are needed"),
    "too few cells": (body("1,p"), {}, r"line 3 has 2 cell\(s\), the header has 3"),
    "too many cells": (body("1,2,p,q"), {}, r"line 3 has 4 cell\(s\), the header has 3; quote"),
    "a cell too many in the header": ("a,b,c,y\n1,2,p\n", {}, r"line 2 has 3 cell\(s\), the header has 4"),
    "text": (body("1,red,p"), {}, "line 3, column 'b': 'red' is not a number; only the target may be text"),
    "text with newlines": (body('1,"r\ne\nd",p'), {}, r"line 3, column 'b': 'r\\ne\\nd' is not a number"),
    "text without end": (body(f"1,{LONG},p"), {}, r"line 3, column 'b': 'z{37}\.\.\.' is not a number"),
    "nan": (body("nan,2,p"), {}, "line 3, column 'a': 'nan' is not a finite number"),
    "inf": (body("1,-inf,p"), {}, "line 3, column 'b': '-inf' is not a finite number"),
    "infinity": (body("1,infinity,p"), {}, "'infinity' is not a finite number"),
    "n/a": (body("1,N/A,p"), {}, "'N/A' is not a finite number; fill it in or leave the row out"),
    "overflow": (body("1,1e999,p"), {}, "'1e999' is beyond float32's range"),
    "beyond float32": (body("1,-3.5e38,p"), {}, "'-3.5e38' is beyond float32's range"),
    "underscore": (body("1_000,2,p"), {}, "line 3, column 'a': '1_000' is not a number"),
    "other digits": (body("1,١٢,p"), {}, "line 3, column 'b': '١٢' is not a number"),
    "hexadecimal": (body("1,0x10,p"), {}, "'0x10' is not a number"),
    "complex": (body("1,1j,p"), {}, "'1j' is not a number"),
    "decimal comma": ("a;b;y\n1,5;2;p\n2;3;q\n", {}, "line 2, column 'a': '1,5' is not a number; write a deci"),
    "expression": (body("1,__import__('os').getpid(),p"), {}, "\"__import__.* is not a number"),
    "missing value": (body("1,,p"), {}, "line 3, column 'b': the value is missing"),
    "row of commas": (body(",,"), {}, "line 3, column 'y': the value is missing"),
    "missing target": (body("1,2,"), {}, "line 3, column 'y': the value is missing"),
    "not utf-8": (body("1,2,\xe9").encode("latin-1"), {}, r"line 3 is not UTF-8 text \(byte 0xe9\); save"),
    "utf-16": (PLAIN.encode("utf-16"), {}, "not a CSV file but UTF-16 text; save it as UTF-8"),
    "rubbish": (bytes(range(128, 256)) * 20, {}, "line 1 is not UTF-8 text"),
    "nul": (body("1,\0,p"), {}, "line 3 holds a NUL byte"),
    "spreadsheet": (b"PK\x03\x04" + b"\0" * 100, {}, "not a CSV file but a zip archive; export"),
    "packed": (gzip.compress(PLAIN.encode()), {}, r"packed by gzip; name it \.csv\.gz"),
    "pickle": (b"\x80\x04\x95\x00\x00", {}, "line 1 is not UTF-8 text"),
    "two of a name": ("a,a,y\n1,2,p\n3,4,q\n", {}, "two columns are called 'a'"),
    "two of a name but for spaces": ("a, a,y\n1,2,p\n3,4,q\n", {}, "two columns are called 'a'"),
    "no name": (",a,y\n0,1,p\n1,2,q\n", {}, "column 1 has no name in the first line"),
    "comma at the end": ("a,b,y,\n1,2,p,\n", {}, "column 4 has no name"),
    "one class": ("a,y\n1,p\n2,p\n", {}, "column 'y' holds one class only, 'p'; a classification needs two"),
    "one number": ("a,y\n1,7\n2,7\n", {}, "column 'y' holds one class only, '7'"),
    "values as classes": ("a,y\n1,0.5\n2,1\n", {"task": "classification"}, "column 'y' holds 0.5, which is no class"),
    "huge classes": ("a,y\n1,1e20\n2,1\n", {"task": "classification"}, r"from 2\*\*53 on"),
    "text as values": ("a,y\n1,3\n2,low\n", {"task": "regression"}, "line 3, column 'y': 'low' is not a number; a r"),
    "numbers and text": ("a,y\n1,3\n2,?\n3,4\n", {}, """line 3, column 'y': '\\?' is no number .*task="class"""),
    "nan among targets": ("a,y\n1,3\n2,nan\n3,4\n", {}, "line 3, column 'y': 'nan' is no number while"),
    "a huge target": ("a,y\n1,1e300\n2,0.5\n", {}, "line 2, column 'y': '1e300' is beyond float32's range"),
    "quote not closed": (body('1,"2,p'), {}, "line 3: a quoted cell that begins here is not closed"),
    "text after a quote": (body('1,"2"3,p'), {}, "line 3: .*a quote inside a quoted cell is written twice"),
    "a cell without end": (body(f'1,"{"9" * 140_000}",p'), {}, "line 3: a cell is longer than 131072 characters"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "match"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_gets_one_line(tmp_path: Path, content: str | bytes, options: dict[str, Any], match: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(FileFormatError, match=match) as caught:
        data.load(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 500


def test_bad_gzip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(PLAIN.encode())
    for content in (packed[:-5], packed[:20] + b"xx" + packed[22:], b"plain text", packed[:3]):
        path = write(tmp_path, content, "my.csv.gz")
        with pytest.raises(FileFormatError, match="not a sound gzip file") as caught:
            data.load(path)
        assert str(caught.value).startswith(f"{path}: ")
    monkeypatch.setattr(files, "LARGEST_TEXT", 1000)
    with pytest.raises(FileFormatError, match="unpacks to more than 1000 bytes"):
        data.load(write(tmp_path, gzip.compress(PLAIN.encode() + b"\n" * 10_000), "bomb.csv.gz"))


@pytest.mark.parametrize("suffix", ["csv", "npz", "csv.gz"])
def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"folder.{suffix}").mkdir()
    os.symlink("loop." + suffix, f"loop.{suffix}")
    os.mkfifo(f"pipe.{suffix}")
    cases: list[tuple[str, type[Exception], str]] = [
        (f"none.{suffix}", FileNotFoundError, f"there is no such file, seen from the folder {tmp_path}"),
        (f"{tmp_path}/none.{suffix}", FileNotFoundError, "there is no such file$"),
        (f"folder.{suffix}", IsADirectoryError, "is a folder"),
        (f"loop.{suffix}", OSError, "cannot be read: "),
        (f"pipe.{suffix}", FileFormatError, "is not a regular file"),
        (f"nul\0.{suffix}", FileFormatError, "no possible name of a file"),
        (f"two\nlines.{suffix}", FileNotFoundError, "there is no such file"),
        (f"{'long' * 99}.{suffix}", OSError, "cannot be read: "),
    ]
    for source, error, match in cases:
        with pytest.raises(error, match=match) as caught:
            data.load(source)
        message = str(caught.value)
        assert message.isprintable()
        assert message.startswith(source[:3]) or "long" in message
        assert len(message) < 500


@pytest.mark.parametrize("suffix", ["csv", "npz", "csv.gz"])
def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied", args[0])

    path = write(tmp_path, PLAIN, f"my.{suffix}")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match=r"my\..*: cannot be read: Permission denied"):
        data.load(path)


def test_a_million_cells_are_read_in_seconds(tmp_path: Path) -> None:
    import time

    rows = "".join(f"{i},{i % 7}.25,{i % 3}.5,{-i}e-3,{i % 2}\n" for i in range(100_000))
    path = write(tmp_path, f"a,b,c,d,y\n{rows * 2}")
    start = time.perf_counter()
    found = data.load(path)
    assert time.perf_counter() - start < 10  # some 2 s where nothing else runs
    assert found.x.shape == (200_000, 4)
