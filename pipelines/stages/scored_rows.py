"""Feature rows of some days as a matrix, and the same rows with their scores: Spark to Arrow to numpy and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from pipelines.platform.days import DayRange
from pipelines.platform.errors import PermanentError
from pipelines.release.scorer import Matrix, Scorer
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredRows:
    """`predictions` are rows of the table of that name, in order of day and event; `matrix` their features."""

    predictions: pa.Table
    matrix: Matrix

    def of(self, day: date) -> ScoredRows:
        """The rows of one day, as views: nothing is copied."""
        days = self.predictions["day"].to_numpy()
        first, end = (int(np.searchsorted(days, np.datetime64(day), side=side)) for side in ("left", "right"))
        return ScoredRows(self.predictions.slice(first, end - first), self.matrix[first:end])


def score_rows(run: Run, scorer: Scorer, days: DayRange, version: int) -> ScoredRows:
    """The days' rows of `features` at that version, scored in one pass.

    Predictions: event key, time, entity keys and amount as in `features`, `day` DATE, score DOUBLE, decision BOOLEAN
    (score >= the release's threshold), release STRING, model_version STRING, fallback BOOLEAN. Raises `PermanentError`
    where `features` lacks a column of the model.
    """
    import pyarrow as pa

    frame = run.lake.read("features", days=days, version=version)
    carried = carried_columns(run, frame.columns)
    _require_columns(run, scorer, frame.columns)
    rows = frame.select("day", *dict.fromkeys([*carried, *scorer.feature_names])).toArrow()
    order = [("day", "ascending"), (run.use_case.stored_features.schema.id, "ascending")]
    rows = rows.sort_by(order).combine_chunks()
    matrix = feature_matrix(rows, scorer.feature_names)
    scores = scorer.score(matrix)
    stamped = rows.select(["day", *carried])
    for name, values in (
        ("score", pa.array(scores, pa.float64())),
        ("decision", pa.array(scores >= scorer.threshold, pa.bool_())),
        ("release", _constant(scorer.release_id, rows.num_rows)),
        ("model_version", _constant(scorer.model_version, rows.num_rows)),
        ("fallback", pa.repeat(pa.scalar(scorer.fallback), rows.num_rows)),
    ):
        stamped = stamped.append_column(name, values)
    return ScoredRows(stamped, matrix)


def feature_matrix(rows: pa.Table, names: Sequence[str]) -> Matrix:
    """The columns `names` (integers or doubles), in that order, as a float64 matrix of shape (rows, names)."""
    matrix = np.empty((rows.num_rows, len(names)))
    for index, name in enumerate(names):
        matrix[:, index] = rows[name].to_numpy(zero_copy_only=False)
    return matrix


def carried_columns(run: Run, found: Sequence[str]) -> list[str]:
    """The columns that predictions take over from features: event key, time, entity keys, and the amount if stored."""
    schema = run.use_case.stored_features.schema
    amount = [schema.amount] if schema.amount in found else []
    return [schema.id, schema.time, *(entity.key for entity in schema.entities), *amount]


def _require_columns(run: Run, scorer: Scorer, found: Sequence[str]) -> None:
    missing = [name for name in (*carried_columns(run, found), *scorer.feature_names) if name not in found]
    if missing:
        raise PermanentError(
            "the features table lacks columns that the model needs",
            where=run.lake.path("features"),
            expected=f"the {len(scorer.feature_names)} inputs of release {scorer.release_id}",
            found=f"no {', '.join(missing)}",
            next_step="rebuild the features (tollgate run features --from … --to …)",
        )


def _constant(text: str, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text), rows)
