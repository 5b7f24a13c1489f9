"""Whether the days of a run may pass: within the budget of bad rows, and through the gates of their
suites.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from expectations.frame import gate_frame
from expectations.gate import run_suite
from expectations.result import GateResult
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.errors import GateError
from pipelines.nightly.ingest.account import FeedAccount
from pipelines.nightly.ingest.arrival import HELD_BACK, REFUSED_PAGE, listed
from pipelines.nightly.ingest.bad_rows import RefusedDay, next_step
from pipelines.nightly.ingest.changes import accepted_rows
from pipelines.nightly.ingest.prepared import Prepared
from pipelines.nightly.ingest.quarantine import QuarantinedRow, quarantined_rows
from pipelines.nightly.ingest.reading import SOURCE_DAY
from pipelines.nightly.volume import volume_ratio
from pipelines.run import Run
from pipelines.usecases.policies.watch import WatchPolicy

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE = 3


def over_budget(run: Run, feeds: list[Prepared]) -> dict[date, str]:
    """The days of which a feed has more quarantined rows than the budget allows, and which rules
    these broke.
    """
    refused: dict[date, str] = {}
    for day, refused_day in _refused_days(run, feeds):
        text = f"{refused_day.feed.name} {day}: {refused_day.describe()}"
        refused[day] = f"{refused[day]}; {text}" if day in refused else text
    return refused


def _refused_days(run: Run, feeds: list[Prepared]) -> list[tuple[date, RefusedDay]]:
    budget = run.use_case.ingest.bad_row_budget
    refused = []
    for feed in feeds:
        for day, account in feed.accounts.items():
            if account.quarantined > account.allowed(budget):
                refused.append((day, RefusedDay(feed.feed, account, budget)))
    return refused


def budget_error(run: Run, feeds: list[Prepared], refused: Mapping[date, str]) -> GateError:
    """The error for days over budget: counts by rule, some of the rows, and the ways out."""
    days, budget = sorted(refused), run.use_case.ingest.bad_row_budget
    refused_days = _refused_days(run, feeds)
    broken = [refused_day for _, refused_day in refused_days]
    sample = _sample_of(feeds, refused_days)
    shown = "; ".join(f"{row.file}: {row.reason}: {row.raw[:300]}" for row in sample)
    return GateError(
        f"too many bad rows: {len(days)} day{'s are' if len(days) > 1 else ' is'} refused whole",
        where=run.settings.landing_of(run.use_case.name),
        day=listed(days),
        expected=f"at most {100 * budget:g} % quarantined rows of a feed's day (bad_row_budget)",
        found=f"{'; '.join(refused[day] for day in days[:_SAMPLE])}. For instance {shown}",
        held_back=HELD_BACK,
        next_step=next_step(
            run.use_case, broken, f"`tollgate run ingest --from {days[0]} --to {days[-1]}`"
        ),
        runbook=REFUSED_PAGE,
    )


def _sample_of(
    feeds: list[Prepared], refused_days: list[tuple[date, RefusedDay]]
) -> list[QuarantinedRow]:
    """Some bad rows of the days that are refused; those of other days are within the budget."""
    from pyspark.sql import functions as f

    sample: list[QuarantinedRow] = []
    for feed in feeds:
        days = [day for day, refused in refused_days if refused.feed.name == feed.feed.name]
        if days and len(sample) < _SAMPLE:
            rows = feed.rows.where(f.col(SOURCE_DAY).isin(days))
            sample += quarantined_rows(rows, feed.feed, limit=_SAMPLE)
    return sample[:_SAMPLE]


def gates(run: Run, feeds: list[Prepared]) -> dict[str, GateResult]:
    """The verdict of each suite that is declared for a feed's rows, and for its days
    (`<feed>_by_day`), by name.
    """
    results: dict[str, GateResult] = {}
    for feed in feeds:
        name, days = feed.feed.name, listed(sorted(feed.accounts))
        if suite := run.use_case.suites.get(name):
            accepted = accepted_rows(feed.rows, feed.feed)
            rows = sum(account.accepted for account in feed.accounts.values())
            frame = gate_frame(accepted.drop("source_day"), rows=rows)
            results[name] = run_suite(suite, frame, subject=f"{name} landed on {days}")
        if suite := run.use_case.suites.get(f"{name}_by_day"):
            subject = f"volume of {name} on {days}"
            results[f"{name}_by_day"] = run_suite(
                suite, day_profile(run, feed), subject=subject, day_column="day"
            )
    return results


def gate_error(failed: Mapping[str, GateResult], days: list[date]) -> GateError:
    """The error for a gate that closed."""
    return GateError(
        f"the gate of {', '.join(failed)} is closed",
        day=listed(days),
        expected="every critical check to hold",
        found="; ".join(result.describe() for result in failed.values()),
        held_back=HELD_BACK,
        next_step=(
            "every row passed its rules, so look at what these checks mean: in the files, in the"
            " mapping that imported them, or in the check itself (expectations/); then `tollgate"
            f" run ingest --from {days[0]} --to {days[-1]}`"
        ),
        runbook=REFUSED_PAGE,
    )


def day_profile(run: Run, feed: Prepared) -> pd.DataFrame:
    """One row for each landing day with rows: `day`, `rows` (accepted), and shares of the rows that
    landed (0 to 1).

    `volume_ratio`: rows over what is usual for the weekday, NaN without enough history;
    `duplicate_share`, `late_share`, `quarantined_share`; `busiest_hour_share` of the accepted rows.
    """
    import pandas as pd

    volumes, policy = _known_volumes(run, feed), run.use_case.watch
    records = [
        {"day": str(day), **_profile(day, account, volumes, policy)}
        for day, account in feed.accounts.items()
        if account.rows_in
    ]
    columns = ("day", "rows", "volume_ratio", "duplicate_share", "late_share", "quarantined_share")
    return pd.DataFrame(records, columns=[*columns, "busiest_hour_share"])


def _profile(
    day: date, account: FeedAccount, volumes: Mapping[date, int], policy: WatchPolicy
) -> dict[str, Any]:
    return {
        "rows": account.accepted,
        "volume_ratio": volume_ratio(day, volumes, policy),
        "duplicate_share": account.duplicates / account.rows_in,
        "late_share": account.late / account.rows_in,
        "quarantined_share": account.quarantined / account.rows_in,
        "busiest_hour_share": account.busiest_hour / account.accepted if account.accepted else None,
    }


def _known_volumes(run: Run, feed: Prepared) -> dict[date, int]:
    """Accepted rows of each landing day: of this run, and of the weeks before from the ledger."""
    first, last = min(feed.accounts), max(feed.accounts)
    earliest = first - timedelta(weeks=run.use_case.watch.weeks)
    records = run.ledger.latest(IngestAccount, first=earliest, last=last, status="done")
    name = feed.feed.name
    # a day from before the use case had this feed says nothing of it
    counts = {
        day: record.account.feeds[name].accepted
        for day, record in records.items()
        if name in record.account.feeds
    }
    return counts | {day: account.accepted for day, account in feed.accounts.items()}
