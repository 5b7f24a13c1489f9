"""One file of a source as it stands: the mapped columns in plain Arrow types, and each row's number
in the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from pipelines.base.errors import ConfigurationError
from pipelines.base.printable import shown
from pipelines.importing.mapping.definition import Mapping

UNREADABLE_BYTES = "\N{REPLACEMENT CHARACTER}"
"""Stands in a text for bytes that are none in the declared encoding."""

_KINDS = {
    b"PK\x03\x04": "a zip file (or a spreadsheet)",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
}
_GZIP = b"\x1f\x8b"
_SHOWN_NAMES = 30
_SWALLOWED_LINES, _SWALLOWED_SHARE = 10, 0.01
_BLOCK_BYTES = 1 << 24
"""Bytes that Arrow parses at a time: a single row may not be larger."""


@dataclass(frozen=True)
class FileContent:
    """The rows of a file: `table` with the mapped columns (CSV: all of them text), `numbers` of the
    rows in the file.

    Row 1 is the first one below the header. `broken` are numbers of lines that have more or fewer
    fields than the header, and how many they have.
    """

    path: Path
    table: Any
    numbers: Any
    broken: tuple[tuple[int, int], ...] = ()
    fields: int = 0

    @property
    def rows(self) -> int:
        """Rows of the file, broken lines among them."""
        return int(self.table.num_rows) + len(self.broken)


def read_file(path: Path, mapping: Mapping, *, limit: int | None = None) -> FileContent:
    """Read the mapped columns of a file, at most about `limit` rows where one is given.

    Raises `ConfigurationError` where the file is of another kind than the mapping says, lacks a
    column, or has one twice.
    """
    wanted = mapping.source_columns
    try:
        if mapping.source.format == "parquet":
            return _read_parquet(path, mapping, wanted, limit)
        return _read_csv(path, mapping, wanted, limit)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise misfit(
            path, mapping, f"not a readable {mapping.source.format} file: {_first_line(error)}"
        ) from error


def header(path: Path, mapping: Mapping) -> list[str]:
    """Names of all columns of a file."""
    if mapping.source.format == "parquet":
        return list(pa.parquet.read_schema(path).names)
    with _open_csv(path, mapping) as reader:
        return list(reader.schema.names)


def misfit(
    path: Path, mapping: Mapping, problem: str, *, next_step: str = ""
) -> ConfigurationError:
    """The error for a file that does not fit the mapping."""
    return ConfigurationError(
        "a source file does not fit the mapping",
        where=str(path),
        expected=f"a {mapping.source.format} file with {', '.join(mapping.source_columns)}",
        found=problem,
        next_step=next_step or "correct the mapping or the file; nothing was written",
    )


def _read_parquet(
    path: Path, mapping: Mapping, wanted: list[str], limit: int | None
) -> FileContent:
    _require(path, mapping, wanted, pa.parquet.read_schema(path).names)
    if limit is None:
        table = pa.parquet.read_table(path, columns=wanted, partitioning=None)
    else:
        batches = pa.parquet.ParquetFile(path).iter_batches(batch_size=limit, columns=wanted)
        first = next(batches, None)
        schema = pa.schema([pa.parquet.read_schema(path).field(name) for name in wanted])
        table = schema.empty_table() if first is None else pa.table(first)
    columns = {name: plain(table[name]) for name in wanted}
    return FileContent(
        path, pa.table(columns), np.arange(1, table.num_rows + 1), fields=len(wanted)
    )


def _read_csv(path: Path, mapping: Mapping, wanted: list[str], limit: int | None) -> FileContent:
    with _open_csv(path, mapping) as reader:
        names = list(reader.schema.names)
    _require(path, mapping, wanted, names)
    broken: list[tuple[int, int]] = []
    # Read as bytes: one value that is no text in the declared encoding must not cost the others.
    kinds = dict.fromkeys(wanted, pa.binary())
    convert = pa.csv.ConvertOptions(
        column_types=kinds, include_columns=wanted, null_values=[""], strings_can_be_null=True
    )
    with _open_csv(path, mapping, convert=convert, broken=broken) as reader:
        table = pa.Table.from_batches(_batches(reader, limit), schema=reader.schema)
    columns = {name: _texts(table[name]) for name in wanted}
    skipped = np.array([number for number, _ in broken], dtype=np.int64)
    if limit is None and _lines_count_rows(mapping):
        _require_closed_quotes(path, mapping, int(table.num_rows) + len(broken))
    numbers = np.setdiff1d(np.arange(1, table.num_rows + len(broken) + 1), skipped)[
        : table.num_rows
    ]
    return FileContent(path, pa.table(columns), numbers, tuple(broken), len(names))


def _lines_count_rows(mapping: Mapping) -> bool:
    """Whether the lines of a file can be counted: it has quotes, and an encoding in which a line
    end is one byte.
    """
    return bool(mapping.source.quote) and "\n".encode(mapping.source.encoding) == b"\n"


def _require_closed_quotes(path: Path, mapping: Mapping, rows: int) -> None:
    """Raise `ConfigurationError` where far more lines than rows tell of a quote that was opened and
    never closed.

    Such a quote takes all lines up to the next one for a single value, and their rows would be lost
    without a word.
    """
    with _stream(path, mapping) as stream:
        lines = sum(1 for line in io.BufferedReader(stream) if line.strip()) - 1
    swallowed = lines - rows
    if (
        not mapping.source.multiline
        and swallowed > _SWALLOWED_LINES
        and swallowed > _SWALLOWED_SHARE * rows
    ):
        raise misfit(
            path,
            mapping,
            f"{lines:,} lines below the header, but {rows:,} rows: quoted values go over"
            f" {swallowed:,} line ends",
            next_step=(
                'look for a quote that is not closed, or say quote = "" in [source] where quotes'
                " mean nothing; where values do go over lines, say multiline = true; nothing was"
                " written"
            ),
        )


def _open_csv(
    path: Path,
    mapping: Mapping,
    *,
    convert: Any = None,
    broken: list[tuple[int, int]] | None = None,
) -> Any:
    """A reader of the file's batches; lines with another number of fields than the header are put
    into `broken`.
    """

    def remember(line: Any) -> str:
        if broken is not None:
            broken.append((int(line.number) - 1, int(line.actual_columns)))
        return "skip"

    source = mapping.source
    parse = pa.csv.ParseOptions(
        delimiter=source.delimiter,
        quote_char=source.quote or False,
        newlines_in_values=bool(source.quote),
        invalid_row_handler=remember,
    )
    # One thread: only then do broken lines have numbers.
    reading = pa.csv.ReadOptions(
        use_threads=False, encoding=source.encoding, block_size=_BLOCK_BYTES
    )
    return pa.csv.open_csv(
        _stream(path, mapping), read_options=reading, parse_options=parse, convert_options=convert
    )


def _stream(path: Path, mapping: Mapping) -> Any:
    """The file's bytes; unpacked where it is a gzip file, whatever its name."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            raise misfit(
                path,
                mapping,
                f"this is {kind}",
                next_step=(
                    "unpack it or save it as CSV, or correct source.format in the mapping; nothing"
                    " was written"
                ),
            )
    if start.startswith(_GZIP):
        return pa.CompressedInputStream(pa.OSFile(str(path)), "gzip")
    return pa.OSFile(str(path))


def _batches(reader: Any, limit: int | None) -> Iterator[Any]:
    rows = 0
    for batch in reader:
        yield batch
        rows += batch.num_rows
        if limit is not None and rows >= limit:
            return


def _texts(values: Any) -> Any:
    """Bytes as text; bytes that are no UTF-8 become U+FFFD."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        texts = [
            None if value is None else value.decode("utf-8", errors="replace")
            for value in values.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])


def plain(values: Any) -> Any:
    """A column in the plain type that a special one stands for: dictionaries, string views,
    float16, int96.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.cast(kind.value_type))
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return values.cast(pa.string()) if values.nbytes < 2**31 else values.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return _texts(values.cast(pa.binary()))
    if pa.types.is_float16(kind):
        # numpy writes a float16 by its shortest text: 0.29, not the 0.29003906 that it is as a
        # double.
        written = values.to_numpy().astype(str).astype(np.float64)
        return pa.chunked_array([pa.array(written, mask=~np.asarray(values.is_valid()))])
    if isinstance(kind, pa.BaseExtensionType):
        return plain(
            pa.chunked_array([chunk.storage for chunk in values.chunks], type=kind.storage_type)
        )
    if pa.types.is_run_end_encoded(kind):
        return plain(
            pa.chunked_array(
                [pc.run_end_decode(chunk) for chunk in values.chunks], type=kind.value_type
            )
        )
    return values


def _require(path: Path, mapping: Mapping, wanted: Sequence[str], names: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        there = ", ".join(shown(name) for name in names[:_SHOWN_NAMES])
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        alone = len(names) == 1 and mapping.source.format == "csv"
        hint = "; is source.delimiter right?" if alone else ""
        raise misfit(path, mapping, f"no {', '.join(missing)} (there is {there}{more}){hint}")
    twice = [name for name in wanted if list(names).count(name) > 1]
    if twice:
        raise misfit(
            path,
            mapping,
            "; ".join(
                f"column {shown(name)} is there {list(names).count(name)} times" for name in twice
            ),
            next_step="rename or remove one of them in the file; nothing was written",
        )


def _first_line(error: Exception) -> str:
    return shown(str(error).splitlines()[0] if str(error) else type(error).__name__, longest=200)
