"""Feature rows of some days as a matrix, and the same rows with their scores: Spark to Arrow to
numpy and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.releases.contenders import Contenders, Scored, timed
from pipelines.releases.row_decisions import RuledRows, decide_rows
from pipelines.releases.scorer import Matrix, Scorer
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ScoredRows:
    """`predictions` are rows of the table of that name, in order of day and event.

    `matrices` holds their features by release, `scored` each contender's scores; both for the rows
    at hand.
    """

    predictions: pa.Table
    matrices: Mapping[str, Matrix]
    scored: Mapping[str, Scored]

    def of(self, day: date) -> ScoredRows:
        """The rows of one day, as views: nothing is copied."""
        days = self.predictions["day"].to_numpy()
        first, end = (
            int(np.searchsorted(days, np.datetime64(day), side=side)) for side in ("left", "right")
        )
        share = (end - first) / max(1, self.predictions.num_rows)
        return ScoredRows(
            self.predictions.slice(first, end - first),
            {release: matrix[first:end] for release, matrix in self.matrices.items()},
            {
                release: Scored(scores=scored.scores[first:end], seconds=scored.seconds * share)
                for release, scored in self.scored.items()
            },
        )


def score_rows(run: Run, contenders: Contenders, days: DayRange, version: int) -> ScoredRows:
    """The days' rows of `features` at that version, scored in one pass by the champion and, if any,
    the challenger.

    Predictions: event key, time, entity keys and amount as in `features`, `day` DATE; of the
    release that decides: score DOUBLE, decision BOOLEAN (score >= its threshold), release STRING,
    model_version STRING, fallback BOOLEAN; and what both would have said: champion STRING,
    champion_score DOUBLE, champion_decision BOOLEAN, challenger STRING, challenger_score DOUBLE
    (null without one). Raises `PermanentError` where `features` lacks a column of the champion's; a
    challenger that cannot score is left out, with the reason in the log.
    """

    frame = run.lake.read("features", days=days, version=version)
    carried = carried_columns(run, frame.columns)
    champion, challenger = contenders.champion, contenders.challenger
    _require_columns(run, champion, frame.columns)
    others = [scorer for scorer in (challenger, contenders.rule) if scorer is not None]
    names = list(chain.from_iterable(scorer.feature_names for scorer in (champion, *others)))
    rows = frame.select("day", *dict.fromkeys([*carried, *names])).toArrow()
    order = [("day", "ascending"), (run.use_case.stored_features.schema.id, "ascending")]
    rows = rows.sort_by(order).combine_chunks()
    matrices = {champion.release_id: feature_matrix(rows, champion.feature_names)}
    for scorer in others:
        same = scorer.feature_names == champion.feature_names
        matrices[scorer.release_id] = (
            matrices[champion.release_id] if same else feature_matrix(rows, scorer.feature_names)
        )
    scored = {
        release: timed(contenders.scorer(release), matrix) for release, matrix in matrices.items()
    }
    units = rows[run.use_case.review.unit].to_numpy()
    stamps = _stamps(contenders, scored, units, run.use_case.rollout.canary_share)
    stamped = rows.select(["day", *carried])
    for name, values in stamps.items():
        stamped = stamped.append_column(name, values)
    return ScoredRows(stamped, matrices, scored)


def _stamps(
    contenders: Contenders, scored: Mapping[str, Scored], units: NDArray[Any], share: float
) -> dict[str, pa.Array]:
    """The columns that the contenders add: what decided, and what both said."""
    import pyarrow as pa

    champion, challenger, rule = contenders.champion, contenders.challenger, contenders.rule
    champion_scores = scored[champion.release_id].scores
    challenger_scores = scored[challenger.release_id].scores if challenger else None
    ruled = None
    if rule is not None:
        every_row = np.ones(len(units), dtype=np.bool_)
        ruled = RuledRows(rule=rule, rows=every_row, scores=scored[rule.release_id].scores)
    decided = decide_rows(
        contenders, champion_scores, challenger_scores, units=units, canary_share=share, ruled=ruled
    )
    # in the order of CHAMPION, CHALLENGER, RULE; nobody decides a row at the place of a contender
    # that is not there
    deciders = (champion, challenger or champion, rule or champion)
    return {
        "score": pa.array(decided.scores, pa.float64()),
        "decision": pa.array(decided.decisions, pa.bool_()),
        "release": _taken(
            [decider.release_id for decider in deciders], decided.decided_by, pa.string()
        ),
        "model_version": _taken(
            [decider.model_version for decider in deciders], decided.decided_by, pa.string()
        ),
        "fallback": _taken(
            [decider.fallback for decider in deciders], decided.decided_by, pa.bool_()
        ),
        "champion": _constant(champion.release_id, len(units)),
        "champion_score": pa.array(champion_scores, pa.float64()),
        "champion_decision": pa.array(champion.reaches_threshold(champion_scores), pa.bool_()),
        "challenger": _constant(challenger.release_id if challenger else None, len(units)),
        "challenger_score": pa.array(
            challenger_scores if challenger else [None] * len(units), pa.float64()
        ),
    }


def _taken(values: Sequence[Any], decided_by: NDArray[np.int8], kind: pa.DataType) -> pa.Array:
    """The value of each row's decider."""
    import pyarrow as pa

    return pa.array(values, kind).take(pa.array(decided_by))


def feature_matrix(rows: pa.Table, names: Sequence[str]) -> Matrix:
    """The columns `names` (integers or doubles), in that order, as a float64 matrix of shape (rows,
    names).
    """
    matrix = np.empty((rows.num_rows, len(names)))
    for index, name in enumerate(names):
        matrix[:, index] = rows[name].to_numpy(zero_copy_only=False)
    return matrix


def carried_columns(run: Run, columns: Sequence[str]) -> list[str]:
    """The columns that predictions take over from features: event key, time, entity keys, and the
    amount if stored.
    """
    schema = run.use_case.stored_features.schema
    amount = [schema.amount] if schema.amount in columns else []
    return [schema.id, schema.time, *(entity.key for entity in schema.entities), *amount]


def _require_columns(run: Run, scorer: Scorer, columns: Sequence[str]) -> None:
    missing = [
        name
        for name in (*carried_columns(run, columns), *scorer.feature_names)
        if name not in columns
    ]
    if missing:
        raise PermanentError(
            "the features table lacks columns that the model needs",
            where=run.lake.path("features"),
            expected=f"the {len(scorer.feature_names)} inputs of release {scorer.release_id}",
            found=f"no {', '.join(missing)}",
            next_step="rebuild the features (tollgate run features --from … --to …)",
        )


def _constant(text: str | None, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text, pa.string()), rows)
