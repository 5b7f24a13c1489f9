"""What Airflow leaves behind goes by age; a database that cannot be cleaned is told and fails
nothing.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.airflow import server as airflow_server
from pipelines.airflow.upkeep import tend_airflow
from pipelines.base.settings import Settings

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
BEFORE = NOW - timedelta(days=90)


def test_old_task_logs_go_and_new_ones_stay(settings: Settings) -> None:
    logs = settings.home / "airflow" / "logs"
    for name, days in (
        ("dag_id=a/run_id=1/1.log", 100),
        ("dag_id=a/run_id=2/1.log", 80),
        ("x/old.log", 91),
    ):
        path = logs / name
        path.parent.mkdir(parents=True)
        path.write_text("told")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(path, (at, at))
    done = tend_airflow(settings, before=BEFORE)
    assert (done.log_files, done.log_bytes, done.rows_cleaned, done.problem) == (2, 8, False, "")
    assert sorted(path.name for path in logs.iterdir()) == ["dag_id=a"]
    assert [path.name for path in (logs / "dag_id=a").iterdir()] == ["run_id=2"]


@pytest.mark.slow
@pytest.mark.airflow
def test_old_rows_of_the_database_go_and_the_newest_run_of_a_dag_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.home / "airflow").mkdir(parents=True)
    airflow_server.make_database(settings)
    path = settings.home / "airflow" / "airflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        columns = {row[1]: row for row in database.execute("PRAGMA table_info(log)")}
        assert {"dttm", "event"} <= columns.keys()
        for days in (200, 100, 10):
            at = (NOW - timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S.000000")
            database.execute(
                "INSERT INTO log (dttm, event) VALUES (?, ?)", (at, f"{days} days ago")
            )
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")  # as within a task
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    done = tend_airflow(settings, before=BEFORE)
    assert (done.rows_cleaned, done.problem) == (True, "")
    with closing(sqlite3.connect(path)) as database:
        kept_events = [event for (event,) in database.execute("SELECT event FROM log")]
        archived = database.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE '_airflow_deleted%'"
        ).fetchall()
    assert "10 days ago" in kept_events
    assert not {"200 days ago", "100 days ago"} & set(kept_events)
    assert archived == []


@pytest.mark.slow
def test_a_database_that_cannot_be_cleaned_is_told(settings: Settings) -> None:
    path = settings.home / "airflow" / "airflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 100)
    done = tend_airflow(settings, before=BEFORE)
    assert not done.rows_cleaned
    assert done.problem
