"""Are positives reported in time?

One that is reported after the label delay was learnt and judged as negative before.

The candidate's frame holds the first report of every event that was known when it was trained, so
nothing is read. Reports that are still to come are not in it: where delays are long, the share is
larger than what is seen.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from pipelines.releases.verdict import Check, not_applicable
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.label_delays import LabelDelays, class_ends

if TYPE_CHECKING:
    import pandas as pd

NAME = "late_reports"
QUESTION = "Are positives reported before an event without a report counts as negative?"


def reports_are_in_time(frame: pd.DataFrame, use_case: UseCase, known_at: datetime) -> Check:
    """The check, on the events of a training frame (`pipelines.training.frames`) with a report made
    by `known_at`.
    """
    policy = use_case.evidence
    delays = _delays(frame, use_case, known_at)
    if delays.reported < policy.late_reports:
        return not_applicable(
            NAME, QUESTION, f"{delays.reported:,} reports, fewer than {policy.late_reports}"
        )
    too_many = delays.late_share > policy.late_share
    advice = (
        "; until then such positives were learnt and judged as negatives: raise label.delay_days"
        f" in pipelines/usecases/{use_case.name}.py, or have reports come sooner"
    )
    warned = too_many and policy.late_consequence == "warn"
    summary = f"{'warning: ' if warned else ''}{delays.describe()}{advice if too_many else ''}"
    return Check(
        name=NAME,
        question=QUESTION,
        outcome="failed" if too_many and not warned else "passed",
        found=summary,
        figures={
            "reports": float(delays.reported),
            "late_share": delays.late_share,
            "late_allowed": policy.late_share,
        },
        table=[
            {"reported after": name, "reports": count} for name, count in delays.named().items()
        ],
        consequence="refuse" if policy.late_consequence == "refuse" else "ask",
    )


def _delays(frame: pd.DataFrame, use_case: UseCase, known_at: datetime) -> LabelDelays:
    """Of the frame's events that have a report; a class ends with the very instant of its last
    day.
    """
    delay_days, reported_at = use_case.label.delay_days, frame[use_case.label.reported_at]
    known_reports = reported_at.where(reported_at <= known_at)
    delay = (known_reports - frame[use_case.events.time]).dropna().to_numpy()
    ends = np.array(class_ends(delay_days), dtype="timedelta64[D]")
    places, counts = np.unique(np.searchsorted(ends, delay, side="left"), return_counts=True)
    return LabelDelays.of(delay_days, dict(zip(places.tolist(), counts.tolist(), strict=True)))
