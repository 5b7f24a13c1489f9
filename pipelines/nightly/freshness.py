"""Freshness: which days' features rest on data, or on definitions, that have changed since they
were computed.

A correction, a late row or a late report of day C changes the features of C and of every later day
whose windows reach back to C. Nothing is guessed from clocks: an ingest record names the days that
it changed and the table versions that hold the change, a features record the versions that were
read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.ledger.ledger import StageRecord
from pipelines.run import Run

FEATURES = FeaturesAccount.STAGE


def stale_days(run: Run) -> dict[date, str]:
    """The days whose features in the lake are stale, in order, each with the reason in words.

    A day whose features were never built is not stale; neither is one whose last build was refused,
    as long as the build before it is fresh.
    """
    built = run.ledger.latest(FeaturesAccount, status="done")
    reasons = _by_definition(built, run.use_case.stored_features.digest)
    for landed, changed, versions in _changes(run):
        for day in _reaching(run, changed):
            if day in built and day not in reasons and _older(run, built[day], versions):
                reasons[day] = f"{changed} changed when the files of {landed} were ingested"
    return dict(sorted(reasons.items()))


def _by_definition(
    built: Mapping[date, StageRecord[FeaturesAccount]], digest: str
) -> dict[date, str]:
    outdated = (day for day, record in built.items() if record.account.feature_digest != digest)
    return dict.fromkeys(outdated, "computed by other definitions than today's")


def _changes(run: Run) -> Iterator[tuple[date, date, Mapping[str, int]]]:
    """Landing day, day that it changed, and the versions of the tables that hold the change."""
    for record in run.ledger.stage_records(IngestAccount):
        if record.status == "done":
            for changed in record.account.changed_days:
                yield record.day, changed, record.account.versions


def _reaching(run: Run, changed: date) -> Iterator[date]:
    """The changed day and those after it whose windows reach back to it."""
    return (changed + timedelta(days=n) for n in range(run.use_case.stored_features.reach_days + 1))


def _older(run: Run, built: StageRecord[FeaturesAccount], versions: Mapping[str, int]) -> bool:
    """Whether the features were computed from an older version of a feed's table."""
    inputs = built.account.inputs
    return any(
        inputs.get(feed.name, -1) < versions.get(feed.name, -1) for feed in run.use_case.feeds
    )
