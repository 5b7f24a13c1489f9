"""Training and test rows of a split in time: train days, label delay, test days, and the cards that
are left out.

A *training frame* is a pandas frame with one row for each event: the event key, its time and the
report's time (`datetime64[us, UTC]`, NaT where never reported), its `day` (`datetime64[us]`,
midnight), the review unit, and float64 feature columns. Labels are not a column: they are what was
known at a moment (`labels_at`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.problems.metrics import Array
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Split:
    """Train days, a delay in which labels mature, test days; the three follow each other without a
    gap.
    """

    train: DayRange
    test: DayRange

    @classmethod
    def of(cls, train_start: date, *, train_days: int, delay_days: int, test_days: int) -> Split:
        """The split whose training window begins on `train_start`; raises `UsageError` for
        impossible lengths.
        """
        if train_days < 1 or test_days < 1 or delay_days < 0:
            raise UsageError(
                "the split has impossible lengths",
                expected="at least 1 train day, 0 delay days, 1 test day",
                found=f"{train_days} train, {delay_days} delay, {test_days} test days",
                next_step="correct --train-days, --delay-days, --test-days",
            )
        train = DayRange.of_length(train_start, train_days)
        test = DayRange.of_length(train.last + timedelta(days=1 + delay_days), test_days)
        return cls(train, test)

    @classmethod
    def before(cls, test_end: date, use_case: UseCase) -> Split:
        """The use case's own split whose last test day is `test_end`."""
        test_days, delay_days = use_case.model.test_days, use_case.label.delay_days
        start = test_end - timedelta(days=2 * test_days + delay_days - 1)
        return cls.of(start, train_days=test_days, delay_days=delay_days, test_days=test_days)

    @property
    def known_at(self) -> datetime:
        """The moment at which a model for these test days is made: what is reported later is not
        known to it.
        """
        return self.test.start

    def history(self, days: int) -> DayRange:
        """The `days` days that end with the training window: what a model may learn from."""
        return DayRange(self.train.last - timedelta(days=days - 1), self.train.last)


def rows_of(frame: pd.DataFrame, days: DayRange) -> pd.DataFrame:
    """The frame's rows of these days."""
    day = frame["day"].to_numpy()
    return frame[(day >= np.datetime64(days.first)) & (day <= np.datetime64(days.last))]


def labels_at(frame: pd.DataFrame, use_case: UseCase, as_of: datetime) -> Array:
    """Labels as known at `as_of`, float64: 1 reported by then, 0 mature without a report, NaN not
    mature.

    A report that comes after the label delay turns a 0 into a 1 for every `as_of` from then on.
    """
    import pandas as pd

    moment = pd.Timestamp(as_of)
    reported = (frame[use_case.label.reported_at] <= moment).to_numpy()
    delay = timedelta(days=use_case.label.delay_days)
    mature = (frame[use_case.events.time] + delay <= moment).to_numpy()
    return np.where(reported, 1.0, np.where(mature, 0.0, np.nan))


def learnable(
    frame: pd.DataFrame, use_case: UseCase, days: DayRange, as_of: datetime
) -> tuple[pd.DataFrame, Array]:
    """The rows of `days` whose label was known at `as_of`, and these labels (0.0 or 1.0)."""
    rows = rows_of(frame, days)
    label = labels_at(rows, use_case, as_of)
    labelled = ~np.isnan(label)
    return (rows, label) if labelled.all() else (rows[labelled], label[labelled])


def judged(
    frame: pd.DataFrame, use_case: UseCase, split: Split, as_of: datetime
) -> tuple[pd.DataFrame, Array]:
    """Test rows of a split and their labels, as known at `as_of`; rows without a label by then are
    left out.

    Also left out are the rows of a unit that, since the training window began, had a positive which
    was reported before the test day began: its card would be blocked.
    """
    rows, label = learnable(frame, use_case, split.test, as_of)
    blocked_from = _first_report(frame, use_case, DayRange(split.train.first, split.test.last))
    known_since = rows[use_case.review.unit].map(blocked_from)
    blocked = (known_since < rows["day"].dt.tz_localize("UTC")).to_numpy()
    return rows[~blocked], label[~blocked]


def _first_report(frame: pd.DataFrame, use_case: UseCase, days: DayRange) -> pd.Series:
    """By review unit: when its first report was made that concerns an event of `days`."""
    rows = rows_of(frame, days)
    reported = rows[rows[use_case.label.reported_at].notna()]
    return reported.groupby(use_case.review.unit)[use_case.label.reported_at].min()
