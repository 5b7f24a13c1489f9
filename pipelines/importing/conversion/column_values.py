"""A column after its conversion: values in the declared type, and the rows whose value could not be
read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Problem:
    """Rows of a column that broke one rule.

    `rows` are places in the table (int64); `landed` and `shown` are texts for each of them: what
    lands in the place of the value (None: nothing), and what a message may show of it.
    """

    rule: str
    rows: Any
    landed: tuple[str | None, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True)
class ColumnValues:
    """`values`: an Arrow array in the declared type, null where a value is missing or could not be
    read.

    `notes` count what was changed as the mapping declares it, by a few words (`amount rounded`).
    """

    values: Any
    problems: tuple[Problem, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> Any:
        """For each row whether its value could not be read (numpy bool)."""
        mask = np.zeros(len(self.values), dtype=bool)
        for problem in self.problems:
            mask[problem.rows] = True
        return mask


def problem(
    rule: str,
    mask: Any,
    texts: Any,
    *,
    landed: Callable[[str], str | None],
    shown: Callable[[str], str],
) -> tuple[Problem, ...]:
    """The problem of the rows in `mask` (numpy bool), made of their texts (Arrow); none where there
    are no rows.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return ()
    refused_texts = [text or "" for text in texts.take(pa.array(rows)).to_pylist()]
    return (
        Problem(rule, rows, tuple(map(landed, refused_texts)), tuple(map(shown, refused_texts))),
    )


def one_array(values: Any) -> Any:
    """A chunked array as one array."""
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def mask_of(values: Any) -> Any:
    """An Arrow bool array as numpy; null counts as False."""
    return np.asarray(values.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)


def without_blanks(texts: Any) -> Any:
    """Text without blanks around it, those of Unicode too; text that is empty then is null."""
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(
        pc.equal(pc.binary_length(trimmed), 0), pa.scalar(None, trimmed.type), trimmed
    )


def without_declared_empty(texts: Any, empty: tuple[str, ...]) -> Any:
    """Text with null in the place of each that the mapping declares as empty."""
    import pyarrow.compute as pc

    if not empty:
        return texts
    meant = pc.is_in(texts, value_set=pa.array([text.strip() for text in empty], texts.type))
    return pc.if_else(meant, pa.scalar(None, texts.type), texts)
