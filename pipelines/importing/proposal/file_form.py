"""The form of a file that nobody has described yet: kind, encoding, separator, quote sign, and a
sample by column.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.base.printable import shown

SAMPLE_ROWS = 5_000
_SAMPLE_BYTES = 2_000_000
_DELIMITERS = (",", ";", "\t", "|")
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NO_SOURCES = {b"PK\x03\x04": "a zip file (or a spreadsheet)", b"\xd0\xcf\x11\xe0": "a spreadsheet"}
csv.field_size_limit(_SAMPLE_BYTES)


@dataclass(frozen=True)
class SampleColumn:
    """A column's first values as text (None: empty), and its Arrow type in a Parquet file (CSV:
    `text`).
    """

    name: str
    kind: str
    values: tuple[str | None, ...]

    @property
    def there(self) -> list[str]:
        """The values that are not empty, without blanks around them."""
        return [text.strip() for text in self.values if text is not None and text.strip()]


@dataclass(frozen=True)
class FileForm:
    """How a file is to be read, and a sample of it; columns whose name occurs twice, and nested
    ones, are left out.
    """

    format: Literal["csv", "parquet"]
    columns: tuple[SampleColumn, ...]
    left_out: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'


def form_of(path: Path) -> FileForm:
    """Look at the beginning of a file.

    Raises `UsageError` where there is none, `ConfigurationError` where it is empty, of another
    kind, or cannot be read.
    """
    if not path.is_file():
        raise UsageError(
            "there is no such file",
            where="FILE",
            expected="a CSV file (gzipped or not) or a Parquet file",
            found=f"{path}{' is a folder' if path.is_dir() else ''}",
            next_step="give one of the files that you want to import",
        )
    try:
        start = _beginning(path, 4)
        if start == b"PAR1":
            return _parquet(path)
        for magic, kind in _NO_SOURCES.items():
            if start.startswith(magic):
                raise _unusable(path, f"this is {kind}")
        return _csv(
            path, _unpacked(path) if start[:2] == b"\x1f\x8b" else _beginning(path, _SAMPLE_BYTES)
        )
    except (
        OSError,
        EOFError,
        ValueError,
        OverflowError,
        NotImplementedError,
        csv.Error,
        zlib.error,
    ) as error:
        raise _unusable(path, str(error)) from error


def _parquet(path: Path) -> FileForm:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipelines.importing.conversion.source_files import plain

    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    once = [field for field in schema if schema.names.count(field.name) == 1]
    usable = [field.name for field in once if not pa.types.is_nested(field.type)]
    batch = next(file.iter_batches(batch_size=SAMPLE_ROWS, columns=usable), None)
    table = schema.empty_table().select(usable) if batch is None else pa.table(batch)
    columns = []
    for name in usable:
        values = plain(table[name])
        columns.append(SampleColumn(name, str(values.type), tuple(texts_of(values))))
    left_out = tuple(dict.fromkeys(name for name in schema.names if name not in usable))
    return FileForm("parquet", tuple(columns), left_out)


def texts_of(values: Any) -> list[str | None]:
    """Values of a column as text, times beyond the year 9999 and of unknown zones too; None where
    there is none.
    """
    import pyarrow as pa

    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp(values.type.unit))
    try:
        return list(values.cast(pa.string()).to_pylist())
    except pa.ArrowException:
        return [None if value is None else str(value) for value in values.to_pylist()]


def _csv(path: Path, data: bytes) -> FileForm:
    encoding, text = _decoded(data)
    if not text.strip():
        raise _unusable(path, "the file is empty")
    if "\0" in text:
        raise _unusable(path, "text with NUL bytes: another encoding, or no text file")
    if len(data) >= _SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1] or text
    delimiter = max(_DELIMITERS, key=lambda candidate: _fields(text, candidate))
    quote = "'" if text.count(f"'{delimiter}'") > text.count(f'"{delimiter}"') else '"'
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    names = next(rows)
    kept: list[list[str]] = []
    for row in rows:
        if len(row) == len(names):
            kept.append(row)
        if len(kept) == SAMPLE_ROWS:
            break
    columns = tuple(
        SampleColumn(name, "text", tuple(row[place] or None for row in kept))
        for place, name in enumerate(names)
        if name and names.count(name) == 1
    )
    left_out = tuple(dict.fromkeys(name for name in names if names.count(name) > 1))
    return FileForm("csv", columns, left_out, encoding, delimiter, quote)


def _fields(text: str, delimiter: str) -> int:
    """Into how many fields the sign parts the header, where it parts most of the next lines into as
    many.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    counts = [len(row) for row, _ in zip(rows, range(50), strict=False) if row]
    return counts[0] if counts and counts.count(counts[0]) > len(counts) / 2 else 0


def _decoded(data: bytes) -> tuple[str, str]:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            decoder = codecs.getincrementaldecoder(
                "utf-8-sig" if encoding == "utf-8" else encoding
            )("replace")
            return encoding, decoder.decode(data)
    try:
        return "utf-8", codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "cp1252", data.decode("cp1252", errors="replace")


def _beginning(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read(_SAMPLE_BYTES)


def _unusable(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        "no mapping can be proposed for the file",
        where=str(path),
        expected="a CSV file with a header (gzipped or not), or a Parquet file",
        found=shown(problem, longest=200),
        next_step="save it as CSV or Parquet, or write the mapping by hand: docs/importing.md",
    )
