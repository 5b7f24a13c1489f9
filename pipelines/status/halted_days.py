"""Days that stopped half-way: a stage is done, and nothing is known of the one that Airflow was to
start after it.

No failure tells of it: an event that comes while a DAG is paused is lost. Ledger and clock alone
say that something is missing; whoever can ask Airflow says why, and keeps silent about a stage that
is running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from pipelines.airflow.names import CHAIN, Orchestration
from pipelines.ledger.ledger import StageHead

GRACE = timedelta(minutes=20)
"""How long after a stage the next one may be unknown, where Airflow can be asked whether it is
running.
"""

BLIND_GRACE = timedelta(minutes=50)
"""The same where Airflow cannot be asked."""

RUNNING = "running"
Look = Callable[[str, date], str | None]
"""Says of a stage and a day what Airflow knows: `running`, or in words why it is not; None where it
cannot be asked.
"""


@dataclass(frozen=True, kw_only=True)
class Halted:
    """`stage` of `day` is not there, although `before` was done at `since` (UTC); `why` in
    words.
    """

    stage: str
    day: date
    before: str
    since: datetime
    why: str


def halted(
    heads: Mapping[tuple[str, date], StageHead],
    names: Orchestration,
    *,
    first: date,
    at: datetime,
    look: Look | None,
) -> Iterator[Halted]:
    """The days from `first` on, over at `at`, that stopped half-way; of each the first stage that
    is missing.

    `heads` are the newest records. Only what Airflow has started is expected to go on by itself: a
    stage that a person ran by command is followed by the person.
    """
    for day in sorted({day for _, day in heads if first <= day < at.date()}):
        for before, stage in pairwise(CHAIN):
            done = heads.get((before, day))
            if done is None or done.status != "done":
                break
            if (stage, day) in heads:
                continue
            if done.run_id.startswith(f"{names.dag_id(before)}/") and at - done.recorded_at > GRACE:
                state = look(stage, day) if look else None
                if state != RUNNING and (state or at - done.recorded_at > BLIND_GRACE):
                    why = state or "no record of it"
                    yield Halted(
                        stage=stage, day=day, before=before, since=done.recorded_at, why=why
                    )
            break
