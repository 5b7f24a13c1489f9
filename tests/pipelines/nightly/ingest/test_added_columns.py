"""A column that is added to a feed with history: old files and old tables are read with its
default, new files must have it.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, ContractError
from pipelines.landing.landing import Landing
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from pipelines.usecases.definition import Column
from tests.pipelines.nightly.ingest.lake_content import content_hash, quarantine, versions
from tests.pipelines.nightly.ingest.landing_days import (
    EVENTS,
    Row,
    as_text,
    day,
    events,
    land,
    put,
    reports,
)

pytestmark = pytest.mark.slow
BEFORE, ADDED_ON = day(0), day(1)
CHANNEL = Column(
    name="channel",
    type="string",
    description="where the card was used",
    added_on=ADDED_ON,
    default="till",
)


def with_columns(run: Run, *columns: Column) -> Run:
    """A run whose events have further columns."""
    feed = replace(run.use_case.events, columns=(*run.use_case.events.columns, *columns))
    return replace(run, use_case=replace(run.use_case, events=feed))


def land_with_channel(landing: Landing, on: date, rows: Sequence[Row], channel: list[str]) -> None:
    """Land events that have the new column."""
    table = pa.Table.from_pylist(list(rows), schema=EVENTS)
    table = table.append_column("channel", pa.array(channel, pa.string()))
    landing.write_day("transactions", on, [table])
    landing.write_day("fraud_reports", on, [])


def channels(run: Run) -> dict[tuple[date, str], int]:
    """Rows of the lake by day and channel."""
    rows = run.lake.read("transactions").groupBy("day", "channel").count().collect()
    return {(row["day"], row["channel"]): row["count"] for row in rows}


def test_history_has_the_default_and_nothing_of_it_is_written_again(
    run: Run, landing: Landing
) -> None:
    land(landing, BEFORE, events(BEFORE, 20))
    ingest(run, DayRange.single(BEFORE))
    before, content = versions(run), content_hash(run)

    later = with_columns(run, CHANNEL)
    assert channels(later) == {(BEFORE, "till"): 20}
    account = ingest(later, DayRange.single(BEFORE)).accounts[BEFORE]
    assert (account.accepted, account.changed_days) == (20, ())
    assert (versions(run), content_hash(run)) == (before, content)

    rows = events(ADDED_ON, 10)
    land_with_channel(landing, ADDED_ON, rows, ["till"] * 4 + ["web"] * 6)
    ingest(later, DayRange.single(ADDED_ON))
    expected = {(BEFORE, "till"): 20, (ADDED_ON, "till"): 4, (ADDED_ON, "web"): 6}
    assert channels(later) == expected
    stored = with_columns(run, replace(CHANNEL, default="elsewhere"))
    assert channels(stored)[BEFORE, "elsewhere"] == 20, "the old files are not rewritten"

    again = ingest(later, DayRange(BEFORE, ADDED_ON))
    assert not any(account.changed_days for account in again.accounts.values())
    version = before["transactions"]
    old = later.lake.read("transactions", version=version).select("channel").distinct().collect()
    assert [row["channel"] for row in old] == ["till"], "an older version of the table, too"


def test_a_late_row_of_an_old_day_stands_beside_rows_without_the_column(
    run: Run, landing: Landing
) -> None:
    land(landing, BEFORE, events(BEFORE, 20))
    ingest(run, DayRange.single(BEFORE))
    later = with_columns(run, CHANNEL)
    late = events(BEFORE, 1, start=900)
    land_with_channel(landing, ADDED_ON, late, ["web"])
    ingest(later, DayRange.single(ADDED_ON))
    assert channels(later) == {(BEFORE, "till"): 20, (BEFORE, "web"): 1}


def test_files_of_old_days_may_have_the_column_or_not_whatever_their_format(
    run: Run, landing: Landing
) -> None:
    later = with_columns(run, CHANNEL)
    rows = events(BEFORE, 30)
    header = ",".join([*EVENTS.names, "channel"])
    lines = [",".join([*map(str, as_text(row).values()), "web"]) for row in rows[:10]]
    plain = [",".join(map(str, as_text(row).values())) for row in rows[10:20]]
    put(
        landing,
        BEFORE,
        {
            "part-0.csv.gz": (gzip.compress("\n".join([header, *lines, ""]).encode()), 10),
            "part-1.csv.gz": (
                gzip.compress("\n".join([",".join(EVENTS.names), *plain, ""]).encode()),
                10,
            ),
        },
    )
    assert ingest(later, DayRange.single(BEFORE)).accounts[BEFORE].accepted == 20
    assert channels(later) == {(BEFORE, "web"): 10, (BEFORE, "till"): 10}


def test_a_new_file_without_the_column_is_refused_and_a_row_without_its_value_is_quarantined(
    run: Run, landing: Landing
) -> None:
    later = with_columns(run, CHANNEL)
    land(landing, ADDED_ON, events(ADDED_ON, 20))
    with pytest.raises(ContractError) as refused:
        ingest(later, DayRange.single(ADDED_ON))
    assert "column channel is missing" in refused.value.found
    assert f"channel is part of the files since {ADDED_ON}" in refused.value.found

    rows = events(ADDED_ON, 200)
    land_with_channel(landing, ADDED_ON, rows, ["web"] * 199 + [None])  # type: ignore[list-item]
    account = ingest(later, DayRange.single(ADDED_ON)).accounts[ADDED_ON]
    assert account.rules == {"channel_missing": 1}
    assert quarantine(later)[0]["reason"] == "channel is empty"


def test_a_column_of_the_labels_can_be_added_too(run: Run, landing: Landing) -> None:
    land(landing, BEFORE, events(BEFORE, 20))
    land(landing, BEFORE, reports(BEFORE, [1, 2]), feed="fraud_reports")
    ingest(run, DayRange.single(BEFORE))
    labels = run.use_case.labels
    cost = Column(
        name="cost",
        type="decimal(8,2)",
        description="what the fraud cost",
        added_on=ADDED_ON,
        default="0.50",
    )
    changed = replace(run.use_case, labels=replace(labels, columns=(*labels.columns, cost)))
    later = replace(run, use_case=changed)
    assert ingest(later, DayRange.single(BEFORE)).accounts[BEFORE].changed_days == ()
    costs = later.lake.read("fraud_reports").select("cost").distinct().collect()
    assert [str(row["cost"]) for row in costs] == ["0.50"]


@pytest.mark.parametrize("change", ["a column without a default", "a column less", "another type"])
def test_columns_that_do_not_fit_the_table_are_refused_before_anything_is_written(
    run: Run, landing: Landing, change: str
) -> None:
    land(landing, BEFORE, events(BEFORE, 20))
    note = Column(name="note", type="string", description="a note")
    first = with_columns(run, replace(note, added_on=ADDED_ON, default="none"))
    ingest(first, DayRange.single(BEFORE))
    changed, problem = {
        "a column without a default": (
            with_columns(first, replace(note, name="memo")),
            "memo is declared and not stored",
        ),
        "a column less": (run, "note is stored and not declared"),
        "another type": (
            with_columns(run, replace(note, type="int", added_on=ADDED_ON, default=0)),
            "note is stored as string and declared as int",
        ),
    }[change]
    before = content_hash(first)
    if change == "a column without a default":
        rows = events(ADDED_ON, 5)
        table = pa.Table.from_pylist(rows, schema=EVENTS)
        for name in ("note", "memo"):
            table = table.append_column(name, pa.array(["x"] * 5))
        landing.write_day("transactions", ADDED_ON, [table])
        landing.write_day("fraud_reports", ADDED_ON, [])
        days = DayRange.single(ADDED_ON)
    else:
        days = DayRange.single(BEFORE)
    with pytest.raises(ConfigurationError) as refused:
        ingest(changed, days)
    assert problem in refused.value.found
    assert "added_on" in refused.value.next_step
    assert content_hash(first) == before
