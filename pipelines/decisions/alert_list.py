"""A day's alert list: the units with the highest scores, each with its riskiest event and what
weighed most in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.problems.unit_ranking import UnitRanking
from pipelines.releases.scorer import Matrix, Scorer
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[Any]
_NOT_LISTED = [
    "decision",
    "champion",
    "champion_score",
    "champion_decision",
    "challenger",
    "challenger_score",
]


def ranked_rows(
    *, unit: Array, event: Array, score: Array, known_units: NDArray[np.bool_], capacity: int
) -> NDArray[np.intp]:
    """Indices of the rows to list, the highest rank first: one row for each of the first `capacity`
    units.

    The arrays are parallel, one entry for each event of the day. A unit is ranked by its highest
    score and stands with the event that has it; units of `known_units` are left out. Equal scores
    are ordered by unit, then by event, so the list does not depend on the order of rows.
    """
    open_rows = np.flatnonzero(~known_units)
    ranking = UnitRanking.of(unit[open_rows], score[open_rows])
    return np.asarray(open_rows[ranking.riskiest_events(event[open_rows], capacity)])


def reasons(scorer: Scorer, matrix: Matrix, count: int) -> list[list[dict[str, Any]]]:
    """For each row of `matrix` the `count` features that weighed most, the heaviest first.

    Weight is the size of the contribution (log-odds); its sign says whether it spoke for or
    against. Equal weights stand in the model's order. Each entry: `feature`, `value`,
    `contribution` (float64).
    """
    contributions = scorer.contributions(matrix)
    heaviest = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :count]
    return [
        [
            {
                "feature": scorer.feature_names[column],
                "value": float(matrix[row, column]),
                "contribution": float(contributions[row, column]),
            }
            for column in columns
        ]
        for row, columns in enumerate(heaviest)
    ]


def alert_table(
    scorers: Mapping[str, tuple[Scorer, Matrix]],
    use_case: UseCase,
    predictions: pa.Table,
    known_units: NDArray[np.bool_],
) -> pa.Table:
    """The day's list as rows of the lake's `alerts` table, the first rank first.

    `predictions` holds the day's rows of that table, `scorers` each release that decided with the
    rows' features in its order, `known_units` whether the row's unit is known already. Rows rank by
    the score that decided them, whichever release gave it (decision 0193). Columns: day, rank INT,
    unit, event columns, score, reasons ARRAY<STRUCT<feature, value, contribution>>, release,
    model_version, fallback.
    """
    import pyarrow as pa

    schema = use_case.stored_features.schema
    rows = ranked_rows(
        unit=predictions[use_case.review.unit].to_numpy(),
        event=predictions[schema.id].to_numpy(),
        score=predictions["score"].to_numpy(),
        known_units=known_units,
        capacity=use_case.review.capacity,
    )
    listed = predictions.drop_columns(_NOT_LISTED).take(rows)
    why = pa.array(
        _reasons_by_release(scorers, listed, rows, use_case.review.reasons), type=_reasons_type()
    )
    ranks = pa.array(np.arange(1, len(rows) + 1, dtype=np.int32))
    listed = listed.append_column("rank", ranks).append_column("reasons", why)
    front = ["day", "rank", use_case.review.unit]
    return listed.select([*front, *(name for name in listed.column_names if name not in front)])


def _reasons_by_release(
    scorers: Mapping[str, tuple[Scorer, Matrix]],
    listed: pa.Table,
    rows: NDArray[np.intp],
    count: int,
) -> list[list[dict[str, Any]]]:
    """Each row's reasons, by the release that decided it."""
    reasons_by_row: list[list[dict[str, Any]]] = [[] for _ in rows]
    decided = np.asarray(listed["release"].to_pylist(), dtype=object)
    for release, (scorer, matrix) in scorers.items():
        places = np.flatnonzero(decided == release)
        for place, row_reasons in zip(
            places, reasons(scorer, matrix[rows[places]], count), strict=True
        ):
            reasons_by_row[place] = row_reasons
    return reasons_by_row


def _reasons_type() -> pa.DataType:
    import pyarrow as pa

    reason = pa.struct(
        [("feature", pa.string()), ("value", pa.float64()), ("contribution", pa.float64())]
    )
    return pa.list_(reason)
