"""Rows of a text table that a person may have saved again: another separator, encoding, line end or
name.

Rows are cut out of the text as it is, so that what stays keeps its bytes: the separators, quotes,
line ends and encoding that the person's program has chosen.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t", "|")
HEADER_WITHIN = 20
"""Lines among which the header is looked for: spreadsheets put a `sep=;` or a title above it."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


class NotUnderstoodError(Exception):
    """The content is no text table that names a unit; the message says why, in a few words."""


@dataclass(frozen=True)
class SavedRow:
    """One row: the number of its first line (from 1), its cells, and its text with the end of the
    line.
    """

    line: int
    cells: tuple[str, ...]
    text: str

    @property
    def blank(self) -> bool:
        """Whether no cell holds anything."""
        return not any(cell.strip() for cell in self.cells)


@dataclass(frozen=True)
class SavedTable:
    """A text table: the rows `above` the header, the `header`, and `all_below` it, in the order of
    the file.
    """

    mark: bytes
    encoding: str
    above: tuple[SavedRow, ...]
    header: SavedRow
    all_below: tuple[SavedRow, ...]

    @property
    def rows(self) -> tuple[SavedRow, ...]:
        """The rows that hold something and are not the header once more (lists put one below the
        other).
        """
        return tuple(row for row in self.all_below if not row.blank and _names(row) != self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, without blanks, in small letters."""
        return _names(self.header)

    def places(self, column: str) -> list[int]:
        """Where a column stands; the same name may stand twice."""
        return [place for place, name in enumerate(self.names) if name == column.casefold()]

    def kept(self, keep: Callable[[SavedRow], bool]) -> bytes:
        """The file without the rows for which `keep` is false."""
        rows = (*self.above, self.header, *(row for row in self.all_below if keep(row)))
        return self.mark + "".join(row.text for row in rows).encode(self.encoding)


def read_table(content: bytes, columns: Collection[str]) -> SavedTable:
    """The table in a file's bytes, whose header names one of `columns`; raises
    `NotUnderstoodError`.
    """
    mark, encoding, text = _decoded(content)
    wanted = {column.casefold() for column in columns}
    unreadable = ""
    for separator in SEPARATORS:
        try:
            rows = _rows(text, separator)
        except csv.Error as error:
            unreadable = unreadable or str(error)
            continue
        for place, row in enumerate(rows[:HEADER_WITHIN]):
            if wanted & set(_names(row)):
                return SavedTable(
                    mark, encoding, tuple(rows[:place]), row, tuple(rows[place + 1 :])
                )
    raise NotUnderstoodError(unreadable or f"no column {' or '.join(sorted(columns))}")


def _names(row: SavedRow) -> tuple[str, ...]:
    return tuple(cell.strip().casefold() for cell in row.cells)


def _decoded(content: bytes) -> tuple[bytes, str, str]:
    """The byte order mark, the encoding and the text.

    Bytes that are no UTF-8 are read as Latin-1: every encoding that begins with ASCII
    (Windows-1252, code page 850) comes through that without loss, and names of columns, separators
    and numbers are ASCII.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return mark, encoding, _text(content[len(mark) :], encoding)
    if b"\0" in content[:1000]:
        zeros_lead = content[:1000:2].count(0) > content[1:1000:2].count(0)
        encoding = "utf-16-be" if zeros_lead else "utf-16-le"
        return b"", encoding, _text(content, encoding)
    try:
        return b"", "utf-8", _text(content, "utf-8")
    except NotUnderstoodError:
        return b"", "latin-1", _text(content, "latin-1")


def _text(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise NotUnderstoodError("no text in an encoding that is known here") from error
    if _NO_TEXT.search(text):
        raise NotUnderstoodError("no text")
    return text


def _rows(text: str, separator: str) -> list[SavedRow]:
    """The rows with the text that each was read from; raises `csv.Error` for quotes that do not
    close.
    """
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows: list[SavedRow] = []
    begin = 0
    for cells in reader:
        rows.append(SavedRow(begin + 1, tuple(cells), "".join(lines[begin : reader.line_num])))
        begin = reader.line_num
    return rows
