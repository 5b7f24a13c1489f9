"""The days of a backtest: a split for each start, and whether the lake holds what these splits
need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange, in_words, midnight
from pipelines.base.errors import PermanentError, TransientError, UsageError
from pipelines.nightly.freshness import FEATURES
from pipelines.nightly.ingested import INGEST
from pipelines.nightly.upstream import settled_days
from pipelines.run import Run
from pipelines.training.frames import Split
from pipelines.usecases.definition import UseCase


def splits_of(
    train_starts: Sequence[date],
    use_case: UseCase,
    *,
    train_days: int,
    delay_days: int,
    test_days: int,
) -> list[Split]:
    """A split for each start, in the order given; raises `UsageError` for lengths or starts that
    make no sense.
    """
    twice = sorted({str(start) for start in train_starts if train_starts.count(start) > 1})
    if twice or not train_starts:
        raise UsageError(
            "the folds are not distinct" if twice else "no fold was asked for",
            where="--train-starts",
            expected="one day or more, each once: 2018-07-11,2018-07-04",
            found=", ".join(twice) or "nothing",
            next_step="give every start once",
        )
    if delay_days < use_case.label.delay_days:
        raise UsageError(
            "the delay is shorter than labels take to mature, so the last train days would have no"
            " labels",
            where="--delay-days",
            expected=f"{use_case.label.delay_days} or more",
            found=str(delay_days),
            next_step=f"use --delay-days {use_case.label.delay_days}",
        )
    return [
        Split.of(day, train_days=train_days, delay_days=delay_days, test_days=test_days)
        for day in train_starts
    ]


def require_days(run: Run, splits: Sequence[Split], versions: Mapping[str, int]) -> DayRange:
    """The days from the first to the last that `features` holds; raises `PermanentError` where a
    fold misses some.

    Needed are the train and the test days of every fold; the longer history is taken as far as it
    is there.
    """
    counts = run.lake.read(FEATURES, version=versions[FEATURES]).select("day").distinct().collect()
    held = sorted(row["day"] for row in counts)
    needed = set(chain.from_iterable(chain(split.train, split.test) for split in splits))
    missing = sorted(needed.difference(held))
    if missing:
        raise PermanentError(
            "the lake does not hold the features of all train and test days",
            where=run.lake.path(FEATURES),
            day=in_words(missing),
            expected=f"rows on {in_words(needed)}",
            found=f"rows on {in_words(held) or 'no day'}",
            next_step=(
                "choose --train-starts within these days, or load more with tollgate run ingest and"
                " run features"
            ),
        )
    return DayRange(held[0], held[-1])


def require_reports(run: Run, splits: Sequence[Split]) -> datetime:
    """The moment (UTC) up to which reports are in the lake: the end of the last ingested day.

    Raises `TransientError` where a day is not ingested on which a test day's label may still be
    reported.
    """
    delay = run.use_case.label.delay_days
    waited_for = set(chain.from_iterable(split.test.widened(after=delay) for split in splits))
    standing = settled_days(run, IngestAccount)
    missing = standing.lacking(sorted(waited_for))
    if missing:
        raise TransientError(
            "reports on the test days are not in the lake yet, so frauds would be counted as"
            " legitimate",
            where=f"the {delay} days after each test day",
            day=in_words(missing),
            expected=f"ingested: {in_words(waited_for)}",
            found=f"ingested: {in_words(standing.accepted) or 'no day'}",
            next_step=f"tollgate run {INGEST} --from {missing[0]} --to {missing[-1]}",
        )
    return midnight(max(standing.accepted) + timedelta(days=1))
