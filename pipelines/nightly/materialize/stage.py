"""Materialize: each entity's recent events, as of a midnight, from the lake into the online store.

The states are always built as of the newest midnight that was ever asked for, so running an older
day again (after a correction, say) never puts older state over newer. The watermark is the last day
that a *complete* materialisation held; it is kept in the ledger and moves only after every key was
read back. A build is later than every build begun before it, whatever the clock says.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta

from pipelines.accounts.materialize import BuildBegun, BuildSeconds, MaterializeAccount
from pipelines.base.days import DayRange
from pipelines.nightly.ingested import require_ingested
from pipelines.nightly.materialize.states import publish, write_states
from pipelines.nightly.result import StageResult
from pipelines.online.marker import mark_build
from pipelines.run import Run
from pipelines.stores.watermark import STAGE, online_store, watermark


def materialize(run: Run, days: DayRange) -> StageResult[MaterializeAccount]:
    """Bring the online store to the end of `days`, or of the watermark's day where that is later.

    Accounts (the same for each day): `entities` {name: keys}, `watermark` and `built_at` (ISO),
    `marked` (the store bears a mark of the build), `feature_digest`, `seconds` {state, online}.
    Raises `StoreError` where Feast's store refuses or a key is not found afterwards: the watermark
    stays where it was, and running the stage again fills every key. Raises `TransientError` or
    `GateError` where a day is not ingested or was refused.
    """
    require_ingested(run, days)
    before = watermark(run.ledger)
    last = max(days.last, before.day) if before else days.last
    built_at = _begin(run, last)
    stored = run.use_case.stored_features
    started = time.monotonic()
    versions = write_states(run, stored, last, lake=run.lake, built_at=built_at)
    written = time.monotonic()
    store = online_store(run)
    entities = publish(store, run.lake, built_at)
    mark_build(store.address, store.project, built_at.isoformat())
    account = MaterializeAccount(
        entities=entities,
        watermark=last,
        built_at=built_at,
        marked=True,
        feature_digest=stored.digest,
        seconds=BuildSeconds(
            state=round(written - started, 3), online=round(time.monotonic() - written, 3)
        ),
    )
    result = StageResult(
        stage=STAGE, days=days, accounts=dict.fromkeys(days, account), versions=versions
    )
    return result.record(run)


def _begin(run: Run, last: date) -> datetime:
    """The time of this build: now in whole seconds, and later than every build that was ever begun,
    failed ones too.

    A store that skips rows of an equal time would else keep those of a try that failed, where a
    clock stands still or is set back. The ledger knows it before the first row is written.
    """
    now = run.clock().replace(microsecond=0)
    made = [record.account.built_at for record in run.ledger.stage_records(MaterializeAccount)]
    begun = [record.account.built_at for record in run.ledger.stage_records(BuildBegun)]
    newest = max((instant for instant in (*made, *begun) if instant is not None), default=None)
    built_at = max(now, newest + timedelta(seconds=1)) if newest else now
    run.ledger.record_stage(
        last, BuildBegun(built_at=built_at), "begun", run_id=run.run_id, at=run.clock()
    )
    return built_at
