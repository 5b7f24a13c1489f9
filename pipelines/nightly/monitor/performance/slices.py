"""Performance by slice: the parts that the use case declares, judged on the labels of a matured
day.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.base.days import DayRange
from pipelines.nightly.monitor.performance.slice_outcome import SliceWorth, few
from pipelines.problems.metrics import average_precision
from pipelines.problems.slice_rows import SliceRows, slice_columns
from pipelines.run import Run
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.evidence import KeyGroup

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame


def with_slice_columns(run: Run, predictions: DataFrame, days: DayRange) -> DataFrame:
    """Predictions of `days` with the stored features that slices look at and that they do not hold
    themselves.

    The features are those that the lake holds now; NULL where an event has none, which puts it into
    no band.
    """
    wanted = [name for name in slice_columns(run.use_case) if name not in predictions.columns]
    if not wanted or not run.lake.exists("features"):
        return predictions
    features = run.lake.read("features", days=days)
    join = ["day", *run.use_case.events.key]
    return predictions.join(
        features.select(*join, *(name for name in wanted if name in features.columns)), join, "left"
    )


def slice_keys(use_case: UseCase) -> tuple[str, ...]:
    """The entity keys that slices go by, each once."""
    parts = chain.from_iterable(piece.where for piece in use_case.evidence.slices)
    groups = (part for part in parts if isinstance(part, KeyGroup))
    return tuple(dict.fromkeys(group.key for group in groups))


def slice_worths(
    use_case: UseCase,
    rows: pa.Table,
    *,
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    listed: NDArray[np.bool_],
    money: NDArray[np.float64],
) -> tuple[SliceWorth, ...]:
    """Every declared slice of a day's `rows`, in the order of declaration; the arrays are parallel
    to the rows.

    `label` is 0/1, `listed` says whose unit is on the review list. Ranges of keys are cut from the
    keys of the day.
    """
    frame = _frame(use_case, rows)
    selected, least = SliceRows.of(frame, use_case), use_case.evidence.slice_positives
    worths = []
    for piece in use_case.evidence.slices:
        missing = selected.missing(frame, piece)
        if missing:
            worths.append(SliceWorth(name=piece.name, note=f"no column {', '.join(missing)}"))
            continue
        inside = selected.mask(frame, piece)
        positive = inside & (label == 1)
        note = few(int(positive.sum()), least)
        worths.append(
            SliceWorth(
                name=piece.name,
                events=int(inside.sum()),
                positives=int(positive.sum()),
                caught=int((positive & listed).sum()),
                missed_money=float(money[positive & ~listed].sum()),
                average_precision=None if note else average_precision(label[inside], score[inside]),
                note=note,
            )
        )
    return tuple(worths)


def _frame(use_case: UseCase, rows: pa.Table) -> pd.DataFrame:
    """Bands as float64 (NaN: unknown), keys as they are."""
    import pandas as pd

    bands = [name for name in slice_columns(use_case) if name in rows.column_names]
    keys = [name for name in slice_keys(use_case) if name in rows.column_names]
    values = {name: rows[name].to_numpy() for name in keys}
    return pd.DataFrame({name: rows[name].to_numpy().astype(np.float64) for name in bands} | values)
