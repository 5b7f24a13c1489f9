"""Upkeep: files fewer, rows the same, versions kept as long as promised, a backup that can be
restored.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import StoreError
from pipelines.ledger.backup import restore
from pipelines.maintenance.stage import maintain
from pipelines.run import Run
from tests.accounts import ingest_account
from tests.pipelines.watched_lake import FIRST, make_world, store

pytestmark = pytest.mark.slow

DAYS = 3
LATER = DayRange.single(FIRST + timedelta(days=8))
"""A day on which the first day is settled, and the two after it may still change."""


def _with_policy(run: Run, **changes: int) -> Run:
    return replace(
        run, use_case=replace(run.use_case, upkeep=replace(run.use_case.upkeep, **changes))
    )


def _content(run: Run, table: str) -> list[str]:
    return sorted(map(str, run.lake.read(table).toArrow().to_pylist()))


def test_files_are_put_together_and_only_versions_beyond_the_policy_go(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    store(run, make_world(DAYS, rows=60))
    day = DayRange.single(FIRST)
    rows = run.lake.read("transactions", days=day).localCheckpoint()
    run.lake.replace_days(
        rows.repartition(4), "transactions", day, provenance=run.provenance("ingest")
    )
    before, old = _content(run, "transactions"), run.lake.version("transactions")
    table = Path(run.lake.path("transactions"))

    account = maintain(run, LATER).accounts[LATER.last]
    done = account.tables["transactions"]
    assert (done.compacted, done.into, done.removed) == (4, 1, 0), "the other days are left alone"
    assert _content(run, "transactions") == before
    assert run.lake.read("transactions", version=old).count() == len(before), (
        "an earlier version can be read"
    )
    newest = run.lake.history("transactions", limit=1)[0]
    assert (newest.operation, newest.metadata["stage"]) == ("OPTIMIZE", "maintain")
    assert maintain(run, LATER).accounts[LATER.last].tables["transactions"].to_json() == {
        "compacted": 0,
        "into": 0,
        "removed": 0,
    }

    files = len(list(table.rglob("day=*/*.parquet")))
    # no declaration may say 0 days: it is set here past the check, so that nothing has to age
    use_case = copy(run.use_case)
    object.__setattr__(use_case, "upkeep", replace(use_case.upkeep, versions_days=0))
    run = replace(run, use_case=use_case)
    again = maintain(run, LATER).accounts[LATER.last].tables["transactions"]
    assert again.removed == files - len(list(table.rglob("day=*/*.parquet"))) > 0
    assert _content(run, "transactions") == before


def test_the_ledger_is_backed_up_first_and_so_many_backups_are_kept(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    run = _with_policy(run, backups=2)
    run.ledger.record_stage(FIRST, ingest_account(rows_in=7), "done", run_id="r", at=run.clock())
    days = [LATER.last + timedelta(days=7 * week) for week in range(3)]
    runs = [replace(run, clock=partial(midnight, day)) for day in days]
    accounts = [maintain(run, LATER).accounts[LATER.last] for run in runs]
    assert accounts[-1].backups_dropped == (Path(accounts[0].backup).name,)
    assert len(list((run.settings.home / "backups").iterdir())) == 2
    other = f"sqlite:///{run.settings.home / 'other.sqlite'}"
    assert (
        restore(run.settings.home / accounts[-1].backup, other)["stage_records"]
        == accounts[-1].ledger_rows
    )


def test_where_the_backup_cannot_be_written_nothing_else_is_done(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    store(run, make_world(DAYS, rows=60))
    before = run.lake.version("transactions")
    (run.settings.home / "backups").write_text("in the way")
    with pytest.raises(StoreError, match="the backup of the ledger could not be written"):
        maintain(run, LATER)
    assert run.lake.version("transactions") == before
    assert run.ledger.latest("maintain") == {}
