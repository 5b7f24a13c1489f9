"""Which days can be scored: those whose features were built and let pass; all others say why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.platform.days import DayRange, grouped
from pipelines.platform.errors import GateError, PermanentError, TransientError
from pipelines.platform.ledger import StageRecord
from pipelines.run import Run


def feature_rows(run: Run, days: DayRange, version: int | None) -> dict[date, int]:
    """Rows of `features` at that version for each of `days`; 0 for a day that the ledger knows to be empty.

    Raises `TransientError` for a day whose features are not built yet, `GateError` for one whose features were refused,
    `PermanentError` where ledger and lake contradict each other.
    """
    records = run.ledger.latest("features", first=days.first, last=days.last)
    refused = [day for day in days if day in records and records[day].status == "refused"]
    if refused:
        raise _refused(refused, records[refused[0]])
    counts = _counts(run, days, version)
    missing = [day for day in days if day not in counts]
    if unbuilt := [day for day in missing if day not in records or records[day].status != "done"]:
        raise _unbuilt(unbuilt)
    if lost := [day for day in missing if records[day].payload.get("rows", 0) > 0]:
        raise _lost(run, lost, records[lost[0]])
    return {day: counts.get(day, 0) for day in days}


def _counts(run: Run, days: DayRange, version: int | None) -> Mapping[date, int]:
    if version is None:
        return {}
    rows = run.lake.read("features", days=days, version=version).groupBy("day").count().collect()
    return {row["day"]: int(row["count"]) for row in rows}


def _unbuilt(days: list[date]) -> TransientError:
    return TransientError(
        "features are not built yet",
        where="features",
        day=_named(days),
        expected="features of every day that is to be scored",
        found=f"none for {len(days)} day{'s' if len(days) > 1 else ''}",
        held_back=("predictions", "alerts"),
        next_step=f"tollgate run features --from {days[0]} --to {days[-1]}, then score again",
    )


def _refused(days: list[date], record: StageRecord) -> GateError:
    return GateError(
        "the day's features were refused, so they are not scored",
        where="features",
        day=_named(days),
        expected="features that passed their gate",
        found=f"refused by run {record.run_id}: {record.payload.get('reason', 'see its gate')}",
        held_back=("predictions", "alerts"),
        next_step=f"mend the input, then tollgate run features --from {days[0]} --to {days[-1]}",
    )


def _lost(run: Run, days: list[date], record: StageRecord) -> PermanentError:
    return PermanentError(
        "the ledger counts features that the lake does not hold",
        where=run.lake.path("features"),
        day=_named(days),
        expected=f"{record.payload['rows']:,} rows on {days[0]} (run {record.run_id})",
        found="0 rows",
        held_back=("predictions", "alerts"),
        next_step=f"tollgate run features --from {days[0]} --to {days[-1]}, then score again",
    )


def _named(days: list[date]) -> str:
    return ", ".join(map(str, grouped(days)))
