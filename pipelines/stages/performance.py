"""What predictions were worth, once their labels have matured: average precision, precision of the review list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.platform.days import DayRange, batched, midnight
from pipelines.release.metrics import average_precision, card_precision_by_day
from pipelines.release.scorer import RULE_RELEASE
from pipelines.run import Run
from pipelines.stages.known_units import KnownUnits, known_units
from pipelines.stages.labels import with_reports
from pipelines.watch.estimate import Estimate, estimate
from pipelines.watch.worth import Worth, worth

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 5_000_000
"""Rows (key, unit, score, report) that are held in memory at once: about 0.3 GB."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Of `subject_day`, by the release that scored it; events of cards that were known that morning are left out.

    `average_precision` is None without a positive; `card_precision` is the share of the review capacity that was well
    spent; `n` events and `positives` were judged. Where by policy the rule decided, `model` is what the champion would
    have done: release, card_precision, worth.
    """

    subject_day: date
    release: str
    average_precision: float | None
    card_precision: float
    n: int
    positives: int
    worth: Worth
    model: Mapping[str, Any] | None = None

    @property
    def watched(self) -> Worth:
        """The worth that says how the model does: the champion's, whoever decided."""
        return Worth.from_json(self.model["worth"]) if self.model else self.worth

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return {**vars(self), "subject_day": str(self.subject_day), "worth": self.worth.to_json()}


def matured_day(run: Run, day: date) -> date:
    """The newest day whose labels are all known when `day` is over."""
    return day - timedelta(days=run.use_case.label.delay_days)


def performance(run: Run, days: DayRange) -> dict[date, Performance]:
    """Performance of those of `days` that were scored, with their labels as they matured.

    The label of an event of day S is as it was known at S + delay + 1 day, 00:00 UTC, whenever this is asked: 1 where a
    report had come by then, else 0.
    """
    rows = _rows(run, days)
    if not rows:
        return {}
    known = known_units(run, days)
    found: dict[date, Performance] = {}
    for part in batched(days, rows, ROWS_AT_ONCE):
        table = _with_reports(run, part)
        day_of = table["day"].to_numpy()
        for day in part:
            mine = table.take(np.flatnonzero(day_of == np.datetime64(day)))
            if mine.num_rows:
                found[day] = _performance(run, day, mine, known)
    return found


def estimates(
    run: Run, days: DayRange, calibrations: Mapping[date, tuple[NDArray[np.float64], Sequence[Worth]]]
) -> dict[date, Estimate]:
    """What the scores of those `days` lead to expect that have a calibration, and the matured days it is made of."""
    wanted = [day for day in days if day in calibrations]
    if not wanted:
        return {}
    span = DayRange(wanted[0], wanted[-1])
    rows = _rows(run, span)
    if not rows:
        return {}
    known = known_units(run, span)
    use_case = run.use_case
    found: dict[date, Estimate] = {}
    for part in batched(span, rows, ROWS_AT_ONCE):
        predictions = run.lake.read("predictions", days=part)
        table = predictions.select(*dict.fromkeys(["day", use_case.review.unit, "score"])).toArrow()
        day_of = table["day"].to_numpy()
        for day in (one for one in part if one in calibrations):
            mine = table.take(np.flatnonzero(day_of == np.datetime64(day)))
            units = mine[use_case.review.unit].to_numpy()
            judged = ~known.mask(day, units)
            if judged.any():
                probability, past = calibrations[day]
                found[day] = estimate(
                    unit=units[judged],
                    score=mine["score"].to_numpy()[judged],
                    capacity=use_case.review.capacity,
                    probability=probability,
                    past=past,
                )
    return found


def _rows(run: Run, days: DayRange) -> dict[date, int]:
    if not (run.lake.exists("predictions") and run.lake.exists(run.use_case.labels.name)):
        return {}
    counts = run.lake.read("predictions", days=days).groupBy("day").count().collect()
    return {row["day"]: int(row["count"]) for row in counts}


def _with_reports(run: Run, days: DayRange) -> pa.Table:
    """Predictions of the days with the time of their first report: day, event key, unit, score, release, report."""
    use_case = run.use_case
    stored = run.lake.read("predictions", days=days)
    amount = [name for name in (use_case.stored_features.schema.amount,) if name in stored.columns]
    beside = [name for name in ("champion", "champion_score") if name in stored.columns]
    columns = ["day", *use_case.events.key, use_case.review.unit, "score", "release", *beside, *amount]
    predictions = stored.select(*dict.fromkeys(columns))
    reports = run.lake.read(use_case.labels.name, days=days.widened(after=use_case.label.delay_days + 1))
    return with_reports(predictions, reports, use_case).toArrow()


def _performance(run: Run, day: date, rows: pa.Table, known: KnownUnits) -> Performance:
    use_case = run.use_case
    units = rows[use_case.review.unit].to_numpy()
    judged = ~known.mask(day, units)
    label = _labels(run, day, rows)[judged]
    score = rows["score"].to_numpy()[judged]
    amount = use_case.stored_features.schema.amount
    money = rows[amount].to_numpy().astype(np.float64) if amount in rows.column_names else np.zeros(len(units))

    def judged_by(scores: NDArray[np.float64]) -> tuple[float, Worth]:
        capacity = use_case.review.capacity
        by_day = card_precision_by_day(np.zeros(len(label)), units[judged], scores, label, capacity)
        found = worth(unit=units[judged], score=scores, label=label, amount=money[judged], capacity=capacity)
        return float(next(iter(by_day.values()), 0.0)), found

    precision, mine = judged_by(score)
    release, model = rows["release"][0].as_py(), None
    champion = rows["champion"][0].as_py() if "champion" in rows.column_names else None
    if release == RULE_RELEASE and champion not in (None, RULE_RELEASE):
        theirs, other = judged_by(rows["champion_score"].to_numpy()[judged])
        model = {"release": champion, "card_precision": theirs, "worth": other.to_json()}
    return Performance(
        subject_day=day,
        release=release,
        average_precision=average_precision(label, score) if label.any() else None,
        card_precision=precision,
        n=len(label),
        positives=int(label.sum()),
        worth=mine,
        model=model,
    )


def _labels(run: Run, day: date, rows: pa.Table) -> NDArray[np.int64]:
    known_at = midnight(day + timedelta(days=run.use_case.label.delay_days + 1))
    reported = rows[run.use_case.label.reported_at].to_pylist()
    return np.fromiter((time is not None and time <= known_at for time in reported), np.int64, len(reported))
