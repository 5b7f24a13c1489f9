"""Training data from the lake: feature rows with the reports known at a moment, at pinned table
versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange, in_words, midnight
from pipelines.base.errors import PermanentError, TooEarlyError, TransientError
from pipelines.nightly.freshness import FEATURES, stale_days
from pipelines.nightly.upstream import settled_days
from pipelines.releases.fallback import goes_on
from pipelines.run import Run
from pipelines.training.candidate import training_days, training_split
from pipelines.training.evidence.frame_digest import frame_digest
from pipelines.training.evidence.leaks import Rebuilt
from pipelines.training.frame import read_training_frame
from pipelines.training.frames import rows_of
from pipelines.training.golden_store import GoldenSet
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.first_training import too_early

if TYPE_CHECKING:
    import pandas as pd

HELD_BACK = ("the new release",)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """`frame` is a training frame (see `pipelines.training.frames`), ordered by the event key.

    `versions` are the Delta versions that were read, by table; `rows` the number of feature rows of
    each day.
    """

    frame: pd.DataFrame
    versions: Mapping[str, int]
    rows: Mapping[date, int]


def current_versions(run: Run, as_of: date | None = None) -> dict[str, int]:
    """Newest versions of the tables that a model learns from; raises `PermanentError` where one is
    not there.

    In a home that is too young for a training as of `as_of` (by default today) that is a
    `TooEarlyError`.
    """
    tables = [FEATURES, *(feed.name for feed in run.use_case.feeds)]
    versions = run.lake.versions(tables)
    missing = [table for table in tables if table not in versions]
    if missing:
        young = _too_early(run, as_of or run.clock().date())
        kind = TooEarlyError if young else PermanentError
        raise kind(
            "there is nothing to train on yet",
            where=run.lake.root,
            expected=f"tables {', '.join(tables)}",
            found="; ".join(filter(None, [f"missing: {', '.join(missing)}", young])),
            next_step=(
                "tollgate run features --from D --to D"
                if missing == [FEATURES]
                else (
                    "load days first: tollgate run ingest --from D --to D, then tollgate run"
                    " features"
                )
            ),
        )
    return versions


def read_training_data(
    run: Run,
    as_of: date,
    columns: Sequence[str],
    *,
    versions: Mapping[str, int],
    golden: GoldenSet | None = None,
) -> TrainingData:
    """What a training as of a day may see: feature rows of its days, and the reports made by that
    day's 00:00 UTC.

    The cases of `golden` are left out. `columns` are feature columns (float64 in the frame); the
    frame also holds event key, time, first report, unit and day. Raises `PermanentError` where
    there are not enough days (`TooEarlyError` where there cannot be yet) or a day has other numbers
    of events and of feature rows, `TransientError` where days are not ingested yet or features are
    stale.
    """
    use_case, days = run.use_case, training_days(run.use_case, as_of)
    rows = _rows_by_day(run, FEATURES, days, versions)
    _require_days(run, as_of, rows)
    _require_ingested(
        run, DayRange(training_split(use_case, as_of).test.first, as_of - timedelta(days=1))
    )
    _require_complete(run, days, rows, versions)
    _require_fresh(run, days)
    frame = read_training_frame(run, days, columns, known_at=midnight(as_of), versions=versions)
    return TrainingData(frame=_without(frame, use_case, golden), versions=dict(versions), rows=rows)


def read_again(
    run: Run,
    as_of: date,
    columns: Sequence[str],
    data: TrainingData,
    golden: GoldenSet | None = None,
) -> Rebuilt:
    """The digest of the newest training days and of the test days, as learnt from and as read once
    more.

    Three of the nine weeks of the fraud use case: a second read of all would cost as long as the
    first.
    """
    split = training_split(run.use_case, as_of)
    days = DayRange(split.train.first, split.test.last)
    again = read_training_frame(
        run, days, columns, known_at=midnight(as_of), versions=data.versions
    )
    first, second = rows_of(data.frame, days), _without(again, run.use_case, golden)
    key = run.use_case.events.key
    return Rebuilt(
        days=days, rows=len(first), digest=frame_digest(first, key), again=frame_digest(second, key)
    )


def _without(frame: pd.DataFrame, use_case: UseCase, golden: GoldenSet | None) -> pd.DataFrame:
    """The frame's rows that are not golden cases, numbered anew."""
    if golden is None:
        return frame
    golden_rows = frame[use_case.stored_features.schema.id].isin(golden.keys_of(use_case))
    return frame[~golden_rows].reset_index(drop=True)


def _require_days(run: Run, as_of: date, rows: Mapping[date, int]) -> None:
    """Every test day and at least half of the days to learn from have rows."""
    split = training_split(run.use_case, as_of)
    history = split.history(run.use_case.model.history_days)
    learnt = [day for day in history if rows.get(day)]
    missing_tests = [day for day in split.test if not rows.get(day)]
    if missing_tests or 2 * len(learnt) < len(history):
        there = in_words(day for day, count in rows.items() if count)
        ends = f"--from {history.first} --to {split.test.last}"
        young = _too_early(run, as_of)
        kind = TooEarlyError if young else PermanentError
        raise kind(
            f"there are not enough days to train as of {as_of}",
            where=run.lake.path(FEATURES),
            expected=(
                f"rows on every test day {split.test} and on at least half of the train days"
                f" {history}"
            ),
            found="; ".join(filter(None, [f"rows on {there or 'none of these days'}", young])),
            next_step=(
                f"load what is missing: tollgate run ingest {ends}, then tollgate run features"
                f" {ends}{_earlier_training(run, as_of)}"
            ),
        )


def _earlier_training(run: Run, as_of: date) -> str:
    """The newest day as of which every report can be known, where that is before `as_of`: a clause,
    or nothing.
    """
    statuses = run.ledger.stage_statuses()
    newest = max(
        (day for (stage, day), status in statuses.items() if (stage, status) == ("ingest", "done")),
        default=None,
    )
    if newest is None or newest + timedelta(days=1) >= as_of:
        return ""
    return (
        f"; the newest ingested day is {newest}: if none follows, tollgate train --as-of"
        f" {newest + timedelta(days=1)}"
    )


def _too_early(run: Run, as_of: date) -> str:
    """Why the home cannot hold enough days yet, however well all went; empty where it could."""
    return too_early(
        run.use_case, as_of, min(run.ledger.latest("ingest", status="done"), default=None)
    )


def _require_ingested(run: Run, days: DayRange) -> None:
    """Every day's files are in the lake (an empty day counts), so that no report is missing that
    was made by then.
    """
    standing = settled_days(run, IngestAccount, days.first, days.last)
    missing = standing.lacking(days)
    if missing:
        refused = standing.refused(missing)
        why = (
            f" ({len(refused)} refused, the first {refused[0]}: `tollgate status` says why)"
            if refused
            else ""
        )
        raise TransientError(
            "days are not ingested yet, so reports are missing and positives would be learnt as"
            " negatives",
            where=run.lake.root,
            day=in_words(missing),
            expected=f"every day of {days} ingested",
            found=f"{len(missing)} of {len(days)} days not there{why}",
            held_back=HELD_BACK,
            next_step=(
                f"{'put right what was refused, then ' if refused else ''}tollgate run ingest"
                f" --from {missing[0]} --to {missing[-1]}; {goes_on(run.ledger)} meanwhile"
            ),
        )


def _require_fresh(run: Run, days: DayRange) -> None:
    """The features of the days rest on the data and the definitions of today."""
    stale = {day: reason for day, reason in stale_days(run).items() if day in days}
    if stale:
        first, *_, last = [*stale, *stale]
        raise TransientError(
            "features are stale, so a model would learn what is no longer true",
            where=run.lake.path(FEATURES),
            day=in_words(stale),
            expected="features of today's data and definitions",
            found=f"{first}: {stale[first]}",
            held_back=HELD_BACK,
            next_step=f"tollgate run features --from {first} --to {last}, then train again",
        )


def _require_complete(
    run: Run, days: DayRange, counted: Mapping[date, int], versions: Mapping[str, int]
) -> None:
    """Each day has as many feature rows (`counted`) as events."""
    events = _rows_by_day(run, run.use_case.events.name, days, versions)
    wrong = [day for day in days if counted.get(day, 0) != events.get(day, 0)]
    if wrong:
        first = wrong[0]
        raise PermanentError(
            "features are not complete, so a model would learn from a part",
            where=run.lake.path(FEATURES),
            day=in_words(wrong),
            expected=f"{events.get(first, 0)} rows on {first}, one for each event",
            found=f"{counted.get(first, 0)} rows",
            next_step=f"tollgate run features --from {first} --to {wrong[-1]}",
        )


def _rows_by_day(
    run: Run, table: str, days: DayRange, versions: Mapping[str, int]
) -> dict[date, int]:
    rows = run.lake.read(table, days=days, version=versions[table]).groupBy("day").count().collect()
    return {row["day"]: int(row["count"]) for row in rows}
