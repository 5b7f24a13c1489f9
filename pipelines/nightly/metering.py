"""What a stage costs: CPU and wall seconds of its run, kept in the ledger for the scorecard."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date
from typing import TypeVar

from pipelines.accounts.account import Account
from pipelines.accounts.cost import CostAccount
from pipelines.base.errors import TollgateError
from pipelines.lake.delta_health import damage_behind, damaged
from pipelines.nightly.result import StageResult
from pipelines.run import Run

log = logging.getLogger("tollgate.cost")

STAGE = CostAccount.STAGE
Made = TypeVar("Made")


def metered(run: Run, stage: str, day: date, call: Callable[[], Made]) -> Made:
    """Call, and record `{stage, rows, wall_seconds, cpu_seconds}` for `day` (the last one of the
    run's).

    CPU is that of this process, all threads; a Spark Connect server works in a process of its own,
    which wall seconds cover. `rows` are those of all days of a stage's result, 0 for a training. A
    call that fails is not recorded; a ledger that does not take the costs is told in the log, and
    what was made stands.
    """
    wall, cpu = time.monotonic(), time.process_time()
    try:
        made = call()
    except TollgateError:
        raise
    except Exception as error:
        if (damage := damage_behind(error, run.settings.lake)) is None:
            raise
        raise damaged(damage) from error
    account = CostAccount(
        stage=made.stage if isinstance(made, StageResult) else stage,
        rows=_rows(made) if isinstance(made, StageResult) else 0,
        wall_seconds=round(time.monotonic() - wall, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
    )
    try:
        run.ledger.record_stage(day, account, "done", run_id=run.run_id, at=run.clock())
    except TollgateError as error:
        log.warning("what %s cost on %s is not recorded: %s", stage, day, error.what)
    return made


def _rows(result: StageResult[Account]) -> int:
    return sum(account.rows_handled() for account in result.accounts.values())
