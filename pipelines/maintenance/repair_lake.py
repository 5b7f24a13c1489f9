"""Repair of the lake: damaged files of its tables moved aside, and which days to run again with
which stages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from features.feast_objects import view_name
from features.state import entities_with_state
from pipelines.accounts.audit import RepairDetail
from pipelines.base.days import grouped
from pipelines.base.errors import ConfigurationError, PermanentError
from pipelines.base.settings import is_remote
from pipelines.lake.delta_health import RUNBOOK, Damage, checksum_damages, landed_checksum_damages
from pipelines.lake.delta_repair import TakenAway, folder_for, remaining, repair
from pipelines.nightly.freshness import FEATURES
from pipelines.nightly.ingest.quarantine import TABLE as QUARANTINE
from pipelines.nightly.ingested import INGEST
from pipelines.run import Run, code_version
from pipelines.services import local as services

CHAIN = (INGEST, FEATURES, "score", "monitor")
_MOST = 1000
"""Damaged files that one call handles: data files of a whole disk may be gone."""


@dataclass(frozen=True, kw_only=True)
class LakeRepair:
    """What was taken away, what could not be (and why), and the commands that bring the rows back,
    in order.
    """

    taken: Sequence[TakenAway]
    refused: Sequence[PermanentError]
    commands: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "store": "lake",
            "taken_away": [_plain(each) for each in self.taken],
            "refused": [error.fields() for error in self.refused],
            "run_again": list(self.commands),
        }


def repair_lake(run: Run) -> LakeRepair:
    """Take the damaged files of all tables away; nothing is deleted, and the ledger's audit names
    each.

    Raises `ConfigurationError` where a Spark server may have the tables in its memory, `StoreError`
    where the disk does not take it. On an object store there is nothing to do: it takes whole files
    only.
    """
    if is_remote(run.settings.lake):
        return LakeRepair(taken=(), refused=(), commands=())
    _require_no_server(run)
    lake = Path(run.settings.lake)
    handled: list[Damage] = []
    taken: list[TakenAway] = []
    refused: list[PermanentError] = []
    while (problems := remaining(lake, handled)) and len(handled) < _MOST:
        damage = problems[0]
        handled.append(damage)
        _take_away(run, lake, damage, taken, refused)
    # after the tables: what was taken away above took its checksum along
    checksums = list(checksum_damages(lake))
    if not is_remote(run.settings.landing):
        checksums += landed_checksum_damages(Path(run.settings.landing))
    for damage in checksums:
        _take_away(run, lake, damage, taken, refused)
    return LakeRepair(taken=taken, refused=refused, commands=_commands(run, taken))


def _take_away(
    run: Run,
    lake: Path,
    damage: Damage,
    taken: list[TakenAway],
    refused: list[PermanentError],
) -> None:
    """Repair one damage and write it into the audit; adds to `taken`, or to `refused` where it is
    not safe.
    """
    metadata = {
        "stage": "repair",
        "run_id": run.run_id,
        "code": code_version(),
        "days": list(damage.days),
    }
    try:
        done = repair(
            damage, folder_for(lake, damage, run.clock()), said=json.dumps(metadata), at=run.clock()
        )
    except PermanentError as error:
        refused.append(error)
        return
    taken.append(done)
    detail = RepairDetail(
        damage=damage.description,
        done=done.done,
        moved=tuple(str(path) for path in done.moved),
    )
    run.ledger.audit(damage.table.name, detail, actor=run.actor, at=run.clock())


def _require_no_server(run: Run) -> None:
    """Raise `ConfigurationError` where a Spark Connect server is set or running."""
    running = [
        each.name
        for each in services.status(run.settings)
        if each.name == "spark" and each.pid is not None
    ]
    if running or run.settings.spark_remote:
        raise ConfigurationError(
            "a Spark server may have the tables in its memory",
            where=run.settings.spark_remote or "this home's Spark Connect server",
            expected="no Spark at work on this lake while its log is repaired",
            found=(
                "one that is running"
                if running
                else "TOLLGATE_SPARK_REMOTE (or SPARK_REMOTE) names one"
            ),
            next_step=(
                "`tollgate down` (or stop that server and unset the variable), then run the same"
                " command again"
            ),
            runbook=RUNBOOK,
        )


def _commands(run: Run, taken: Sequence[TakenAway]) -> list[str]:
    """The commands to type, in order: each stage from the damaged table's own on, for the days that
    have lost rows.
    """
    days: dict[str, set[date]] = {}
    states = False
    for each in taken:
        if each.damage.kind not in ("commit", "data"):
            continue
        stage = _stage_of(run, each.damage.table.name)
        states = states or stage == "materialize"
        if stage in CHAIN:
            affected = _days_of(run, stage, each.damage)
            for later in CHAIN[CHAIN.index(stage) :]:
                days.setdefault(later, set()).update(affected)
    commands = []
    for stage in CHAIN:
        for span in grouped(days.get(stage, set())):
            commands.append(f"tollgate run {stage} --from {span.first} --to {span.last}")
    newest = max(run.ledger.latest("materialize", status="done"), default=None)
    if newest is not None and (states or days.get(FEATURES)):
        commands.append(f"tollgate run materialize --from {newest} --to {newest}")
    return commands


def _stage_of(run: Run, table: str) -> str:
    """The stage that writes a table."""
    stored = run.use_case.stored_features
    owners = {feed.name: INGEST for feed in run.use_case.feeds}
    owners |= {
        QUARANTINE: INGEST,
        FEATURES: FEATURES,
        "predictions": "score",
        "alerts": "score",
        "metrics": "monitor",
    }
    owners |= {view_name(entity): "materialize" for entity in entities_with_state(stored)}
    return owners.get(table, "")


def _days_of(run: Run, stage: str, damage: Damage) -> set[date]:
    """The days that the damaged file names, and those whose newest account names a version that is
    gone.
    """
    named = {date.fromisoformat(day) for day in damage.days}
    if damage.kind == "data" or damage.version is None:
        return named
    accounts = run.ledger.latest(stage, status="done")
    gone = {
        day
        for day, record in accounts.items()
        if record.account.written_version(damage.table.name) == damage.version
    }
    return named | gone


def _plain(taken: TakenAway) -> dict[str, Any]:
    damage = taken.damage
    return {
        "table": damage.table.name,
        "file": str(damage.file),
        "found": damage.problem,
        "version": damage.version,
        "days": list(damage.days),
        "moved": [str(path) for path in taken.moved],
        "done": taken.done,
    }
