"""Features: every declared feature of the days' events, from the lake into the lake, behind a gate.

Only the days that the windows reach back to are read, so a night costs the same after three years
as after three months. Days that have become stale since they were built are built again with the
days asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from expectations.gate import run_suite
from expectations.result import GateResult
from features.batch import compute_features
from features.layout import Layout
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.gate import GateAccount
from pipelines.base.days import DayRange, batched, grouped
from pipelines.base.errors import GateError, PermanentError
from pipelines.nightly.features.label_delays import label_delays
from pipelines.nightly.freshness import FEATURES, stale_days
from pipelines.nightly.held_rows import HeldRows, held
from pipelines.nightly.ingested import HELD_BACK, require_ingested, require_no_gap
from pipelines.nightly.result import StageResult
from pipelines.problems.labels import with_reports
from pipelines.run import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_AT_ONCE = 4_000_000
"""Rows of features that one commit holds, whole days; a larger day stands alone."""

RUNBOOK_REFUSED = "docs/runbooks/features-refused.md"


def build_features(
    run: Run, days: DayRange, *, include_stale: bool = True, allow_gap: bool = False
) -> StageResult[FeaturesAccount]:
    """Compute the features of `days` and put them into the lake's `features` table in place of what
    is there.

    The table holds event key, time (TIMESTAMP UTC), entity keys, every stored feature (BIGINT or
    DOUBLE) and `day`. With `include_stale`, days whose features rest on data or definitions that
    have changed are built again as well. Accounts, for each day built: rows, version, inputs (table
    versions read), feature_digest, recomputed (was stale), reason (why), gate, reports (how late
    those came that were made on the day, `LabelDelays`; None without any).

    Raises `TransientError` where a day is not ingested yet, or the day before the first while an
    earlier one is (`allow_gap` waives that); `GateError` where a day was refused, or its features
    are: nothing is committed then.
    """
    require_ingested(run, days)
    if not allow_gap:
        require_no_gap(run, days.first)
    inputs = run.lake.versions(feed.name for feed in run.use_case.feeds)
    stale = stale_days(run) if include_stale else {}
    accounts: dict[date, FeaturesAccount] = {}
    versions: dict[str, int] = {}
    for span in grouped({*days, *stale}):
        rows = _rows(run, span, inputs)
        for part in batched(span, rows, ROWS_AT_ONCE):
            built = _build(
                run, part, {day: rows.get(day, 0) for day in part}, inputs, stale
            ).record(run)
            accounts |= built.accounts
            versions |= built.versions
    return StageResult(stage=FEATURES, days=days, accounts=accounts, versions=versions)


def _rows(run: Run, days: DayRange, inputs: Mapping[str, int]) -> dict[date, int]:
    """Number of events of each day that has any."""
    events = run.use_case.events.name
    counted = (
        run.lake.read(events, days=days, version=inputs.get(events))
        .groupBy("day")
        .count()
        .collect()
    )
    return {row["day"]: int(row["count"]) for row in counted}


def _build(
    run: Run,
    days: DayRange,
    rows: Mapping[date, int],
    inputs: Mapping[str, int],
    stale: Mapping[date, str],
) -> StageResult[FeaturesAccount]:
    """Compute, judge and commit a range of days; every day of it gets an account."""
    total = sum(rows.values())
    with held(_computed(run, days, total, inputs), rows=total) as held_rows:
        _require_all(run, rows, held_rows)
        gate = _judge(run, days, held_rows)
        provenance = run.provenance(
            FEATURES, dict(inputs), feature_digest=run.use_case.stored_features.digest
        )
        version = run.lake.replace_days(
            held_rows.to_write, FEATURES, days, provenance=provenance, add_columns=True
        )
    delays = label_delays(run, days, inputs)
    accounts = {
        day: FeaturesAccount(
            rows=rows[day],
            version=version,
            inputs=dict(inputs),
            feature_digest=run.use_case.stored_features.digest,
            recomputed=day in stale,
            reason=stale.get(day, ""),
            gate=GateAccount.of(gate),
            reports=delays[day].account() if day in delays else None,
        )
        for day in days
    }
    return StageResult(stage=FEATURES, days=days, accounts=accounts, versions={FEATURES: version})


def _computed(run: Run, days: DayRange, total: int, inputs: Mapping[str, int]) -> DataFrame:
    """The features of the days' events, lazily, from the input versions and from the days within
    reach only.
    """
    feature_set, use_case = run.use_case.stored_features, run.use_case
    window = days.widened(before=feature_set.reach_days)
    events = run.lake.read(
        use_case.events.name, days=window, version=inputs.get(use_case.events.name)
    )
    reports = run.lake.read(
        use_case.labels.name, days=window, version=inputs.get(use_case.labels.name)
    )
    layout = Layout.of(
        rows=total * len(window) // len(days),
        days=days,
        reach_days=feature_set.reach_days,
        cores=run.settings.spark_cores,
    )
    labelled = with_reports(events, reports, use_case)
    return compute_features(
        labelled, feature_set, days, reported_at=use_case.label.reported_at, layout=layout
    )


def _require_all(run: Run, rows: Mapping[date, int], held_rows: HeldRows) -> None:
    """Every event has become a row of features; raises `PermanentError`."""
    for day, expected in rows.items():
        if held_rows.counts.get(day, 0) != expected:
            raise PermanentError(
                "rows went missing between events and features",
                where=run.lake.path(run.use_case.events.name),
                day=str(day),
                expected=f"{expected:,} rows, as counted",
                found=f"{held_rows.counts.get(day, 0):,} with features",
                held_back=HELD_BACK,
                next_step=(
                    "nothing was written; run the day again and report it if it happens twice"
                ),
            )


def _judge(run: Run, days: DayRange, held_rows: HeldRows) -> GateResult:
    """The suite's verdict on the rows; records the refusal and raises `GateError` where it does not
    pass.
    """
    gate = run_suite(
        run.use_case.suites[FEATURES], held_rows.to_judge, subject=f"features of {days}"
    )
    if not gate.passed:
        refusal = FeaturesAccount(reason=gate.describe(), gate=GateAccount.of(gate))
        run.ledger.record_stages(
            dict.fromkeys(days, refusal), "refused", run_id=run.run_id, at=run.clock()
        )
        raise GateError(
            "the features were refused",
            where=run.lake.path(FEATURES),
            day=str(days),
            expected=f"every critical check of suite {gate.suite!r}",
            found=gate.describe(),
            held_back=HELD_BACK,
            next_step=(
                "look at the events and definitions that the check names; the table is as it was"
                " before"
            ),
            runbook=RUNBOOK_REFUSED,
        )
    return gate
