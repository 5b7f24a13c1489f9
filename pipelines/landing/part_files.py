"""Part files of the landing zone: a table as bytes (Parquet, or gzipped CSV with a header), and the
rows in a file.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FileFormat = Literal["parquet", "csv.gz"]


@dataclass(frozen=True)
class LandedPart:
    """A part file to write: its form, and the Arrow table of its rows."""

    file_format: FileFormat
    table: Any


def encode(table: Any, file_format: FileFormat) -> bytes:
    """An Arrow table as the bytes of a part file; the same table always gives the same bytes."""
    if file_format == "parquet":
        import pyarrow.parquet

        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table, buffer)
        return buffer.getvalue()
    import pyarrow.csv

    text = io.BytesIO()
    pyarrow.csv.write_csv(table, text)
    return gzip.compress(text.getvalue(), compresslevel=6, mtime=0)


def count_rows(path: Path) -> int:
    """Rows of a part file: from the Parquet footer, or by reading the CSV (blank lines and the
    header do not count).

    Raises `ValueError` with the reason where the file is truncated or of another kind.
    """
    return _parquet_rows(path) if path.name.endswith(".parquet") else _csv_rows(path)


def _parquet_rows(path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"not a Parquet file: {error}") from error


def _csv_rows(path: Path) -> int:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            records = sum(1 for record in csv.reader(lines) if record)
    except (EOFError, OSError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"not a gzipped CSV file: {error}") from error
    if records == 0:
        raise ValueError("a CSV file without its header")
    return records - 1
