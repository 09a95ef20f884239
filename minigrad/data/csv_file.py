"""Tables in .csv files: a header, then rows of numbers and one column of targets. Every complaint says where."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import FileFormatError
from .files import FLOAT32_MAX, NUMBER, listed, read_bytes, shown, shown_path

TARGETS = ("target", "label", "class", "y")
"""Names, in any case, by which the target column is found when none is named."""
_DELIMITERS = ",;\t"
_NOT_TEXT = (
    (b"PK\x03\x04", "a zip archive; export a spreadsheet as CSV, and name an archive of arrays .npz"),
    (b"\x1f\x8b", "packed by gzip; name it .csv.gz"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


@dataclass(frozen=True, eq=False)
class Table:
    """What a .csv file holds, cells still text.

    path: as errors show it.
    names: of the columns; no two alike, none empty.
    columns: the cells, stripped, in lists of one length.
    lines: in which line of the file each row begins.
    """

    path: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of a column that is there."""
        return self.columns[self.names.index(name)]

    def place(self, row: int, name: str) -> str:
        """Where a cell is, as an error begins."""
        return f"{self.path}: line {self.lines[row]}, column {shown(name)}"

    def numbers(self, name: str, hint: str = "") -> np.ndarray:
        """A column as numbers.

        Args:
            name: of the column.
            hint: what else an error may say about a cell that is no number.

        Returns:
            (n,) float64, finite and in float32's range.

        Raises:
            FileFormatError: a cell that is empty or no such number; the message names line and column.
        """
        cells = self.column(name)
        joined = "".join(cells)
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            values = None
        # float() takes more than plain numbers do: underscores, other scripts' digits, nan and inf
        if values is None or "_" in joined or not joined.isascii() or not (np.abs(values) <= FLOAT32_MAX).all():
            row, problem = next((i, p) for i, c in enumerate(cells) if (p := _problem(c, hint)))
            raise FileFormatError(f"{self.place(row, name)}: {problem}")
        return values

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Columns as numbers, in the order of `names`.

        Returns:
            (n, len(names)), of that dtype, C-contiguous.

        Raises:
            FileFormatError: as `numbers`.
        """
        x = np.empty((len(self.lines), len(names)), dtype)
        for i, name in enumerate(names):
            x[:, i] = self.numbers(name, "; only the target may be text, so code it as numbers or leave the column out")
        return x

    def texts(self, name: str) -> list[str]:
        """The cells of a column, none of them empty.

        Raises:
            FileFormatError: one is; the message names its line.
        """
        cells = self.column(name)
        if "" in cells:
            raise FileFormatError(f"{self.place(cells.index(''), name)}: the value is missing")
        return list(cells)

    def targets(self, name: str, task: str | None) -> np.ndarray | list[str]:
        """The target column: numbers where every cell is one, else text.

        Args:
            name: of the column.
            task: "regression" takes numbers only; None refuses a mixture of numbers and text.

        Returns:
            (n,) float64, or n strings.

        Raises:
            FileFormatError: an empty cell, or one that is not of the right kind.
        """
        cells = self.texts(name)
        text = [i for i, c in enumerate(cells) if not NUMBER.fullmatch(c)]
        if not text or task == "regression":
            return self.numbers(name, "; a regression needs numbers as targets")
        if task is None and len(text) < len(cells):
            raise FileFormatError(
                f"{self.place(text[0], name)}: {shown(cells[text[0]])} is no number while other targets are; "
                'mend it, or say task="classification" (--task) if these are names of classes'
            )
        return cells

    def find_target(self, given: str | None, features: Sequence[str] = ()) -> str | None:
        """The name of the target column: `given`, else the one column called target, label, class or y.

        Args:
            given: the name asked for.
            features: columns that cannot be it.

        Returns:
            The name; None where there is no such column.

        Raises:
            FileFormatError: several columns are called so.
        """
        if given is not None:
            return given if given in self.names else None
        found = [n for n in self.names if n.lower() in TARGETS and n not in features]
        if len(found) > 1:
            raise FileFormatError(
                f"{self.path}: several columns may hold the targets, {listed(found)}; name one by target= or --target"
            )
        return found[0] if found else None


def _problem(cell: str, hint: str) -> str:
    """What is wrong with a cell that should be a number; "" if nothing."""
    if not cell:
        return "the value is missing"
    if not NUMBER.fullmatch(cell):
        word = cell.lower().lstrip("+-")
        if word in ("nan", "inf", "infinity", "na", "n/a", "null", "none"):
            return f"{shown(cell)} is not a finite number; fill it in or leave the row out"
        if NUMBER.fullmatch(cell.replace(",", ".", 1)):
            return f"{shown(cell)} is not a number; write a decimal point in place of the comma"
        return f"{shown(cell)} is not a number{hint}"
    return "" if abs(float(cell)) <= FLOAT32_MAX else f"{shown(cell)} is beyond float32's range of 3.4e38"


def read_csv(path: str) -> Table:
    """The table in a .csv or .csv.gz file: UTF-8 text, cells separated by comma, semicolon or tab.

    The first line names the columns and tells which separator is used. Cells may be quoted as in RFC 4180; spaces
    around them and blank lines do not count.

    Args:
        path: of the file.

    Returns:
        The table, at least one row.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it holds no such table; the message says where it goes wrong.
    """
    name = shown_path(path)
    text = _decode(name, read_bytes(path))
    if not text.strip():
        raise FileFormatError(f"{name}: the file holds nothing but blanks; the first line must name the columns")
    rows, lines = _records(name, text, _delimiter(text))
    header = rows[0]
    _check_header(name, header)
    if len(rows) == 1:
        raise FileFormatError(f"{name}: there are no rows under the header")
    columns = len(header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != columns:
            mend = "quote a cell that holds the separator" if len(row) > columns else "an empty cell needs it too"
            raise FileFormatError(f"{name}: line {line} has {len(row)} cell(s), the header has {columns}; {mend}")
    return Table(name, tuple(header), tuple(zip(*rows[1:], strict=True)), tuple(lines[1:]))


def _decode(name: str, content: bytes) -> str:
    for start, what in _NOT_TEXT:
        if content.startswith(start):
            raise FileFormatError(f"{name}: not a CSV file but {what}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"{name}: line {line} is not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FileFormatError(f"{name}: line {line} holds a NUL byte; this is not a text file, or a damaged one")
    return text


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)


def _delimiter(text: str) -> str:
    """The separator that cuts the first line into most cells; the comma in case of doubt."""

    def cells(delimiter: str) -> int:
        try:
            return next((len(row) for row in _reader(text, delimiter) if any(map(str.strip, row))), 0)
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=cells)


def _records(name: str, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """Rows of stripped cells without blank lines, and the line where each begins."""
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = _reader(text, delimiter)
    line = 1
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                rows.append([cell.strip() for cell in row])
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileFormatError(f"{name}: line {line}: {_quoting(str(error))}") from None
    return rows, lines


def _quoting(message: str) -> str:
    """The csv module's words, with a mend."""
    if "unexpected end" in message:
        return "a quoted cell that begins here is not closed"
    if "field limit" in message:
        return f"a cell is longer than {csv.field_size_limit()} characters; is a quote missing?"
    return f"{message}; a quote inside a quoted cell is written twice"


def _check_header(name: str, header: list[str]) -> None:
    if all(NUMBER.fullmatch(cell) for cell in header):
        raise FileFormatError(f"{name}: the first line holds only numbers; the first line must name the columns")
    if "" in header:
        raise FileFormatError(
            f"{name}: column {header.index('') + 1} has no name in the first line; name it or leave it out"
        )
    if len(set(header)) < len(header):
        twice = next(n for i, n in enumerate(header) if n in header[:i])
        raise FileFormatError(f"{name}: two columns are called {shown(twice)}; give each a name of its own")
