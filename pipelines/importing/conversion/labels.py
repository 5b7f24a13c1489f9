"""Labels of a source: positive, negative or unknown, by the mapping's values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.printable import shown
from pipelines.importing.conversion.column_values import one_array
from pipelines.importing.mapping.definition import LabelColumn
from pipelines.importing.mapping.label_values import label_value

Meaning = Literal["positive", "negative", "unknown"]
POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1
_MEANINGS: dict[int, Meaning] = {POSITIVE: "positive", NEGATIVE: "negative", UNKNOWN: "unknown"}


@dataclass
class LabelCounts:
    """How often each value of the label column occurs, by value as it stands in the file, and what
    it means.
    """

    counts: Counter[tuple[str, Meaning]] = field(default_factory=Counter)

    def add(self, other: LabelCounts) -> None:
        """Add the counts of other rows."""
        self.counts.update(other.counts)

    def of(self, meaning: Meaning) -> int:
        """Rows whose label has this meaning."""
        return sum(count for (_, kind), count in self.counts.items() if kind == meaning)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.counts.values())

    def table(self) -> list[dict[str, Any]]:
        """Rows `value`, `meaning`, `rows`, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"value": value, "meaning": meaning, "rows": count}
            for (value, meaning), count in ordered
        ]


def labels_of(values: Any, column: LabelColumn) -> tuple[Any, Any]:
    """Each row's label (numpy int8: 1 positive, 0 negative, -1 unknown) and its value as text
    (Arrow, null: empty).

    Raises `ValueError` where the raw column is of a type that holds no labels.
    """
    values = one_array(values)
    if pa.types.is_nested(values.type):
        raise ValueError("a label is a number, a flag or text")
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    texts = values.cast(pa.string())
    different = pc.unique(texts).to_pylist()
    meanings = np.array([_meaning(value, column) for value in different], dtype=np.int8)
    places = pc.index_in(texts, value_set=pa.array(different, pa.string())).to_numpy(
        zero_copy_only=False
    )
    return meanings[places.astype(np.int64)] if len(texts) else np.array([], dtype=np.int8), texts


def counted(labels: Any, texts: Any) -> LabelCounts:
    """How often each value occurs."""
    counts: Counter[tuple[str, Meaning]] = Counter()
    pairs = pa.table({"value": texts, "label": pa.array(labels, pa.int8())})
    for row in pairs.group_by(["value", "label"]).aggregate([([], "count_all")]).to_pylist():
        value = "(empty)" if row["value"] is None else shown(row["value"])
        counts[(value, _MEANINGS[row["label"]])] += row["count_all"]
    return LabelCounts(counts)


def _meaning(value: str | None, column: LabelColumn) -> int:
    text = label_value(value)
    if text in column.positive_values:
        return POSITIVE
    if isinstance(column.negative, str) or text in column.negative_values:
        return NEGATIVE
    return UNKNOWN
