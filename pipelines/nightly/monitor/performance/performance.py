"""What predictions were worth, once their labels have matured: average precision, precision of the
review list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.performance import ChampionPerformance, Estimate, PerformanceAccount, Worth
from pipelines.base.days import DayRange, batched, midnight
from pipelines.nightly.known_units import KnownUnits, known_units
from pipelines.nightly.monitor.performance.estimate import estimate
from pipelines.nightly.monitor.performance.review_outcome import on_list, worth
from pipelines.nightly.monitor.performance.slice_outcome import SliceWorth
from pipelines.nightly.monitor.performance.slices import (
    slice_keys,
    slice_worths,
    with_slice_columns,
)
from pipelines.problems.labels import with_reports
from pipelines.problems.metrics import average_precision, card_precision_by_day
from pipelines.releases.scorer import RULE_RELEASE
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 5_000_000
"""Rows (key, unit, score, report) that are held in memory at once: about 0.3 GB."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """Of `subject_day`, by the release that scored it; events of cards that were known that morning
    are left out.

    `average_precision` is None without a positive; `card_precision` is the share of the review
    capacity that was well spent; `n` events and `positives` were judged, and each of the declared
    `slices`. Where by policy the rule decided, `model` is what the champion would have done.
    """

    subject_day: date
    release: str
    average_precision: float | None
    card_precision: float
    n: int
    positives: int
    worth: Worth
    slices: tuple[SliceWorth, ...] = ()
    model: ChampionPerformance | None = None

    @property
    def watched(self) -> Worth:
        """The worth that says how the model does: the champion's, whoever decided."""
        return self.model.worth if self.model else self.worth

    def account(self) -> PerformanceAccount:
        """What the ledger keeps, without the slices, which have their own place there."""
        return PerformanceAccount(
            subject_day=self.subject_day,
            release=self.release,
            average_precision=self.average_precision,
            card_precision=self.card_precision,
            n=self.n,
            positives=self.positives,
            worth=self.worth,
            model=self.model,
        )


def matured_day(run: Run, day: date) -> date:
    """The newest day whose labels are all known when `day` is over."""
    return day - timedelta(days=run.use_case.label.delay_days)


def performance(
    run: Run, days: DayRange, units_of: Callable[[], KnownUnits] | None = None
) -> dict[date, Performance]:
    """Performance of those of `days` that were scored, with their labels as they matured.

    `units_of` gives the units that are known on these days, where the caller needs them for others
    too.

    The label of an event of day S is as it was known at S + delay + 1 day, 00:00 UTC, whenever this
    is asked: 1 where a report had come by then, else 0.
    """
    rows = _rows(run, days)
    if not rows:
        return {}
    units = units_of() if units_of else known_units(run, days)
    performances: dict[date, Performance] = {}
    for part in batched(days, rows, ROWS_AT_ONCE):
        table = _with_reports(run, part)
        day_of = table["day"].to_numpy()
        for day in part:
            day_rows = table.take(np.flatnonzero(day_of == np.datetime64(day)))
            if day_rows.num_rows:
                performances[day] = _performance(run, day, day_rows, units)
    return performances


def estimates(
    run: Run,
    days: DayRange,
    calibrations: Mapping[date, tuple[NDArray[np.float64], Sequence[Worth]]],
    units_of: Callable[[], KnownUnits] | None = None,
) -> dict[date, Estimate]:
    """What the scores of those `days` lead to expect that have a calibration, and the matured days
    it is made of.

    `units_of` as in `performance`.
    """
    wanted = [day for day in days if day in calibrations]
    if not wanted:
        return {}
    span = DayRange(wanted[0], wanted[-1])
    rows = _rows(run, span)
    if not rows:
        return {}
    known_then = units_of() if units_of else known_units(run, span)
    use_case = run.use_case
    estimated: dict[date, Estimate] = {}
    for part in batched(span, rows, ROWS_AT_ONCE):
        predictions = run.lake.read("predictions", days=part)
        table = predictions.select(*dict.fromkeys(["day", use_case.review.unit, "score"])).toArrow()
        day_of = table["day"].to_numpy()
        for day in (day for day in part if day in calibrations):
            day_rows = table.take(np.flatnonzero(day_of == np.datetime64(day)))
            units = day_rows[use_case.review.unit].to_numpy()
            judged = ~known_then.mask(day, units)
            if judged.any():
                probability, past = calibrations[day]
                estimated[day] = estimate(
                    unit=units[judged],
                    score=day_rows["score"].to_numpy()[judged],
                    capacity=use_case.review.capacity,
                    probability=probability,
                    past=past,
                )
    return estimated


def _rows(run: Run, days: DayRange) -> dict[date, int]:
    """Rows by day, so that batches can be cut; a single day is one batch, whatever it holds."""
    if not (run.lake.exists("predictions") and run.lake.exists(run.use_case.labels.name)):
        return {}
    if len(days) == 1:
        return {days.first: 1}
    counts = run.lake.read("predictions", days=days).groupBy("day").count().collect()
    return {row["day"]: int(row["count"]) for row in counts}


def _with_reports(run: Run, days: DayRange) -> pa.Table:
    """Predictions of the days: day, event key, unit, score, release, the time of the first report,
    slice columns.
    """
    use_case = run.use_case
    stored = run.lake.read("predictions", days=days)
    amount = [name for name in (use_case.stored_features.schema.amount,) if name in stored.columns]
    keys = [name for name in slice_keys(use_case) if name in stored.columns]
    beside = [name for name in ("champion", "champion_score") if name in stored.columns]
    columns = [
        "day",
        *use_case.events.key,
        use_case.review.unit,
        "score",
        "release",
        *beside,
        *amount,
        *keys,
    ]
    predictions = with_slice_columns(run, stored.select(*dict.fromkeys(columns)), days)
    reports = run.lake.read(
        use_case.labels.name, days=days.widened(after=use_case.label.delay_days + 1)
    )
    return with_reports(predictions, reports, use_case).toArrow()


def _performance(run: Run, day: date, rows: pa.Table, detected_units: KnownUnits) -> Performance:
    use_case, capacity, release = (
        run.use_case,
        run.use_case.review.capacity,
        rows["release"][0].as_py(),
    )
    rows = rows.filter(~detected_units.mask(day, rows[use_case.review.unit].to_numpy()))
    units, score = rows[use_case.review.unit].to_numpy(), rows["score"].to_numpy()
    label = _labels(run, day, rows)
    amount = use_case.stored_features.schema.amount
    money = (
        rows[amount].to_numpy().astype(np.float64)
        if amount in rows.column_names
        else np.zeros(len(units))
    )
    listed = on_list(units, score, capacity)

    def judged_by(scores: NDArray[np.float64]) -> tuple[float, Worth]:
        by_day = card_precision_by_day(np.zeros(len(label)), units, scores, label, capacity)
        day_worth = worth(unit=units, score=scores, label=label, amount=money, capacity=capacity)
        return float(next(iter(by_day.values()), 0.0)), day_worth

    precision, own_outcome = judged_by(score)
    champion, model = _champion(rows, release), None
    if champion:
        champion_outcome, other = judged_by(rows["champion_score"].to_numpy())
        model = ChampionPerformance(release=champion, card_precision=champion_outcome, worth=other)
    return Performance(
        subject_day=day,
        release=release,
        average_precision=average_precision(label, score) if label.any() else None,
        card_precision=precision,
        n=len(label),
        positives=int(label.sum()),
        worth=own_outcome,
        slices=slice_worths(use_case, rows, label=label, score=score, listed=listed, money=money),
        model=model,
    )


def _champion(rows: pa.Table, release: str) -> str | None:
    """The champion whose score stands beside the rule's, where the rule decided."""
    if release != RULE_RELEASE or "champion" not in rows.column_names or not len(rows):
        return None
    champion: str | None = rows["champion"][0].as_py()
    return None if champion == RULE_RELEASE else champion


def _labels(run: Run, day: date, rows: pa.Table) -> NDArray[np.int64]:
    """1 where a report had come by the end of the label delay; a row without a report is 0."""
    known_at = midnight(day + timedelta(days=run.use_case.label.delay_days + 1)).replace(
        tzinfo=None
    )
    reported = rows[run.use_case.label.reported_at].to_numpy()
    return np.asarray(reported <= np.datetime64(known_at), dtype=np.int64)
