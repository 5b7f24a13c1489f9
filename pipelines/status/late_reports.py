"""How late the reports of the last weeks came, from what `features` counted of each day; reads the
ledger alone.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.accounts.features import FeaturesAccount
from pipelines.run import Run
from pipelines.status.deadlines import Heads
from pipelines.usecases.policies.label_delays import LabelDelays

LAST_DAYS = 56


def late_reports(run: Run, newest: date | None, heads: Heads) -> LabelDelays | None:
    """The reports made on the `LAST_DAYS` days that end with the newest day of `features`; None
    where none are.

    `heads` are the ledger's newest records: the reports of the first days with features say nothing
    of delays.
    """
    if newest is None:
        return None
    records = run.ledger.latest(
        FeaturesAccount, first=newest - timedelta(days=LAST_DAYS - 1), last=newest, status="done"
    )
    first = min(day for stage, day in heads if stage == FeaturesAccount.STAGE)
    whole_from = first + timedelta(days=run.use_case.stored_features.reach_days)
    counted = []
    for day, record in records.items():
        if record.account.reports is not None:
            delays = LabelDelays.of_account(record.account.reports)
            counted.append(delays.unmatched_as_late() if day >= whole_from else delays)
    total = LabelDelays.total(run.use_case.label.delay_days, counted)
    return total if total.reported else None


def late_warning(run: Run, delays: LabelDelays | None) -> str:
    """What a person should know where more come late than the policy allows, else nothing."""
    policy = run.use_case.evidence
    if (
        delays is None
        or delays.reported < policy.late_reports
        or delays.late_share <= policy.late_share
    ):
        return ""
    return (
        f"{delays.describe()}, in the last {LAST_DAYS} days: until they came, their events counted"
        f" as negative; raise label.delay_days in pipelines/usecases/{run.use_case.name}.py, or"
        " have reports come sooner"
    )
