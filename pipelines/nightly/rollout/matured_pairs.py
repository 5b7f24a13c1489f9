"""Review precision of two releases on the same matured day, from the scores that were stored for
both.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from pipelines.accounts.rollout import MaturedPair
from pipelines.accounts.score import ScoreAccount
from pipelines.base.days import DayRange, midnight
from pipelines.nightly.known_units import known_units
from pipelines.nightly.monitor.performance.performance import matured_day
from pipelines.problems.labels import with_reports
from pipelines.problems.metrics import card_precision_by_day
from pipelines.run import Run


def matured_pair(run: Run, day: date, challenger: str) -> MaturedPair | None:
    """The review precision of both on the matured day.

    The day is the newest whose labels are all known when `day` is over; None where `challenger` did
    not score it beside a champion. Labels are as they were known then; units that were known
    already are left out.
    """
    subject, use_case = matured_day(run, day), run.use_case
    scored = run.ledger.latest(ScoreAccount, first=subject, last=subject, status="done").get(
        subject
    )
    compared = scored.account.comparison if scored else None
    if (
        compared is None
        or compared.challenger != challenger
        or not run.lake.exists(use_case.labels.name)
    ):
        return None
    columns = [
        "day",
        *use_case.events.key,
        use_case.review.unit,
        "champion_score",
        "challenger_score",
    ]
    single = DayRange.single(subject)
    predictions = run.lake.read("predictions", days=single)
    compared_rows = predictions.where(predictions["challenger"] == challenger).select(
        *dict.fromkeys(columns)
    )
    reports = run.lake.read(
        use_case.labels.name, days=single.widened(after=use_case.label.delay_days + 1)
    )
    rows = with_reports(compared_rows, reports, use_case).toArrow()
    if not rows.num_rows:
        return None
    units = rows[use_case.review.unit].to_numpy()
    judged = ~known_units(run, single).mask(subject, units)
    known_at = midnight(subject + timedelta(days=use_case.label.delay_days + 1))
    times = rows[use_case.label.reported_at].to_pylist()
    label = np.array([time is not None and time <= known_at for time in times], dtype=np.int64)[
        judged
    ]

    def precision(column: str) -> float:
        score = np.nan_to_num(rows[column].to_numpy()[judged], nan=-1.0)
        precisions = card_precision_by_day(
            np.zeros(len(label)), units[judged], score, label, use_case.review.capacity
        )
        return float(next(iter(precisions.values()), 0.0))

    return MaturedPair(
        day=subject,
        release=challenger,
        challenger=precision("challenger_score"),
        champion=precision("champion_score"),
        n=len(label),
        positives=int(label.sum()),
    )
