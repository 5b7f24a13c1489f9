"""A day is complete where every stage's account and its rows are there, not where nothing has
failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.airflow.names import CHAIN
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.nightly.completeness import missing_stages
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import account_of, features_account

DAY = date(2026, 11, 19)
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="test", actor="test", clock=lambda: AT)


def record(run: Run, stage: str, status: str = "done", rows: int = 5) -> None:
    counted = {"rows": rows} if stage in ("features", "score", "monitor") else {}
    run.ledger.record_stage(DAY, account_of(stage, counted), status, run_id="r", at=AT)


def missing(run: Run) -> tuple[str, ...]:
    return missing_stages(run, DayRange.single(DAY))[DAY]


def whole(run: Run) -> Path:
    """A day with all accounts, and rows in both tables; returns the file of its predictions."""
    for stage in CHAIN:
        record(run, stage)
    lake = Path(run.settings.lake) / "fraud"
    files = [lake / table / f"day={DAY}" / "a.parquet" for table in ("features", "predictions")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    return files[1]


def test_a_day_of_which_nothing_is_known_has_nothing(run: Run) -> None:
    assert missing(run) == CHAIN
    record(run, "ingest")
    assert missing(run) == CHAIN[1:], "no failure is recorded anywhere"


def test_a_whole_day_misses_nothing(run: Run) -> None:
    whole(run)
    assert missing(run) == ()


def lose(run: Run, file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (lambda run, file: record(run, "score", "refused"), ("score", "monitor")),
        (lambda run, file: record(run, "ingest"), ("features", "score", "monitor")),
        (lambda run, file: record(run, "monitor", "withdrawn"), ("monitor",)),
        (lose, ("score",)),
    ],
)
def test_what_is_refused_older_than_what_it_rests_on_withdrawn_or_lost_is_missing(
    run: Run, change: Callable[[Run, Path], None], stages: tuple[str, ...]
) -> None:
    change(run, whole(run))
    assert missing(run) == stages


def test_a_day_without_rows_needs_none(run: Run) -> None:
    for stage in CHAIN:
        record(run, stage, rows=0)
    assert missing(run) == ()


def _commit(
    run: Run, table: str, stage: str | None, file: str = "a.parquet", **more: object
) -> None:
    """One more commit of a table, whose file is of the day; `stage` None: somebody else has made
    it.
    """
    log = Path(run.settings.lake) / "fraud" / table / "_delta_log"
    log.mkdir(exist_ok=True)
    info = {
        "operation": "WRITE",
        **({"userMetadata": json.dumps({"stage": stage})} if stage else {}),
    }
    add = {"path": f"day={DAY}/{file}", "size": 1, "dataChange": True, **more}
    lines = [json.dumps({"commitInfo": info}), json.dumps({"add": add})]
    (log / f"{len(list(log.iterdir())):020d}.json").write_text("\n".join(lines) + "\n")


def test_a_version_that_is_gone_and_rows_that_a_stranger_wrote_are_missing(run: Run) -> None:
    whole(run)
    _commit(run, "features", "features")
    _commit(run, "predictions", "score")
    assert missing(run) == ()
    _commit(run, "predictions", None, dataChange=False)
    assert missing(run) == (), "compaction changes no rows"
    _commit(run, "predictions", None)
    assert missing(run) == ("score",)
    _commit(run, "predictions", "score")
    assert missing(run) == ()
    _commit(run, "predictions", "repair")
    assert missing(run) == ("score",)
    _commit(run, "predictions", "retain")
    assert missing(run) == ()

    run.ledger.record_stage(DAY, features_account(rows=5, version=7), "done", run_id="r", at=AT)
    for stage in ("score", "monitor"):
        record(run, stage)
    assert missing(run) == ("features",), "version 7 is gone: the table was set back"
