"""Flags and dates of a source: read as they stand."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.base.printable import shown
from pipelines.importing.conversion.column_values import (
    ColumnValues,
    one_array,
    problem,
    without_declared_empty,
)
from pipelines.importing.mapping.declared_columns import PlainColumn
from pipelines.importing.mapping.label_values import label_value

_FLAGS = {
    "1": True,
    "0": False,
    "yes": True,
    "no": False,
    "y": True,
    "n": False,
    "t": True,
    "f": False,
}


def convert_plain(values: Any, column: PlainColumn, name: str, wanted: Any) -> ColumnValues:
    """Flags (bool) or dates (date32) as `wanted`; other text is a problem of its row."""
    texts = without_declared_empty(one_array(values).cast(pa.string()), column.empty)
    raw_texts = texts.to_pylist()
    read = _flag if pa.types.is_boolean(wanted) else _date
    converted = [read(text if text is not None else _text(column.default)) for text in raw_texts]
    bad = np.array(
        [
            text is not None and value is None
            for text, value in zip(raw_texts, converted, strict=True)
        ],
        bool,
    )
    problems = problem(f"{name}_unreadable", bad, texts, landed=str, shown=shown)
    return ColumnValues(pa.array(converted, wanted), problems)


def _text(default: object) -> str | None:
    return None if default is None else str(default)


def _flag(text: str | None) -> bool | None:
    return _FLAGS.get(label_value(text))


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
