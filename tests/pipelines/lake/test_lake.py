"""The lake: whole days replaced in one commit that says where it came from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError, StoreError
from pipelines.lake.lake import Lake
from pipelines.run import Run

pytestmark = pytest.mark.slow
DAYS = DayRange.parse("2026-11-01", "2026-11-03")


def test_days_are_replaced_whole_and_the_others_stay(make_run: Callable[..., Run]) -> None:
    run = make_run()
    lake = run.lake
    frame = run.spark.range(90).selectExpr(
        "id", "date_add(DATE'2026-11-01', cast(id % 3 as int)) AS day"
    )
    first = lake.replace_days(
        frame, "things", DAYS, provenance=run.provenance("test", {"source": 7})
    )
    second = lake.replace_listed_days(
        frame.where("day <> DATE'2026-11-02' AND id < 30"),
        "things",
        [date(2026, 11, 3), date(2026, 11, 1)],
        provenance=run.provenance("test"),
    )
    assert (first, second) == (0, 1)
    counts = {
        str(row.day): row["count"] for row in lake.read("things").groupBy("day").count().collect()
    }
    assert counts == {"2026-11-01": 10, "2026-11-02": 30, "2026-11-03": 10}
    assert lake.read("things", version=0).count() == 90
    assert lake.read("things", days=DayRange.single(date(2026, 11, 2))).count() == 30
    newest, oldest = lake.history("things")
    assert newest.metadata["days"] == ["2026-11-01", "2026-11-03"]
    assert oldest.metadata["inputs"] == {"source": 7}
    assert lake.versions(["things", "nothing"]) == {"things": 1}


def test_rows_outside_the_replaced_days_are_refused_and_nothing_changes(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    frame = run.spark.range(3).selectExpr(
        "id", "date_add(DATE'2026-11-01', cast(id as int)) AS day"
    )
    run.lake.replace_days(frame, "things", DAYS, provenance=run.provenance("test"))
    with pytest.raises(PermanentError, match="DELTA_REPLACE_WHERE_MISMATCH"):
        run.lake.replace_days(
            frame, "things", DayRange.single(date(2026, 11, 1)), provenance=run.provenance("test")
        )
    assert run.lake.version("things") == 0


def test_a_table_that_is_not_there_is_named(make_run: Callable[..., Run]) -> None:
    with pytest.raises(PermanentError, match="no table 'nothing'"):
        make_run().lake.read("nothing")


def test_a_store_that_does_not_answer_is_not_an_empty_one(make_run: Callable[..., Run]) -> None:
    """This Spark has no client for object stores, which is as good as one that is away."""
    away = Lake(make_run().spark, "s3://nobody/lake")
    for ask in (away.exists, away.read):
        with pytest.raises(StoreError, match="the lake does not answer"):
            ask("transactions")


def test_rows_of_another_schema_are_refused(make_run: Callable[..., Run]) -> None:
    run = make_run()
    frame = run.spark.range(3).selectExpr("id", "DATE'2026-11-01' AS day")
    run.lake.replace_days(frame, "things", DAYS, provenance=run.provenance("test"))
    with pytest.raises(PermanentError, match="do not have the table's columns"):
        run.lake.replace_days(
            frame.selectExpr("id", "'x' AS extra", "day"),
            "things",
            DAYS,
            provenance=run.provenance("test"),
        )
    assert run.lake.version("things") == 0


def test_the_log_read_from_disk_says_what_describe_history_says(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    frame = run.spark.range(3).selectExpr(
        "id", "date_add(DATE'2026-11-01', cast(id as int)) AS day"
    )
    for number in range(12):
        run.lake.replace_days(
            frame, "things", DAYS, provenance=run.provenance("test", number=number)
        )
    described = run.spark.sql(f"DESCRIBE HISTORY delta.`{run.lake.path('things')}`").collect()
    commits = run.lake.history("things")
    assert [(c.version, c.operation) for c in commits] == [
        (row.version, row.operation) for row in described
    ]
    assert [c.metadata["number"] for c in commits] == list(reversed(range(12)))
    assert run.lake.version("things") == 11
    assert [c.version for c in run.lake.history("things", limit=2)] == [11, 10]


def test_a_day_without_rows_that_stays_without_rows_is_a_commit(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    none = run.spark.range(0).selectExpr("id", "DATE'2026-11-01' AS day")
    versions = [
        run.lake.replace_days(none, "things", DAYS, provenance=run.provenance("test"))
        for _ in range(3)
    ]
    assert versions == [0, 1, 2]
