"""A landed day becomes lake tables; run again it changes nothing, corrected it changes what it
should.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.lake.delta_health import DamagedTableError
from pipelines.landing.landing import Landing
from pipelines.maintenance.repair_lake import repair_lake
from pipelines.nightly.ingest import ingest
from pipelines.nightly.metering import metered
from pipelines.run import Run
from tests.pipelines.nightly.ingest.lake_content import content_hash, table, versions
from tests.pipelines.nightly.ingest.landing_days import (
    as_text,
    day,
    events,
    land,
    land_text,
    reports,
)

pytestmark = pytest.mark.slow
D = day(0)


def ingest_day(run: Run, on: date) -> IngestAccount:
    account = ingest(run, DayRange.single(on)).accounts[on]
    for feed in account.feeds.values():
        assert feed.rows_in == feed.accepted + feed.quarantined + feed.duplicates
    return account


def test_a_days_rows_are_in_the_lake_as_they_landed(run: Run, landing: Landing) -> None:
    rows = events(D, 300)
    land(landing, D, rows[:100], rows[100:])
    land(landing, D, reports(D, [5, 7]), feed="fraud_reports")
    account = ingest_day(run, D)
    assert {name: counts.to_json() for name, counts in account.feeds.items()} == {
        "transactions": {
            "rows_in": 300,
            "accepted": 300,
            "quarantined": 0,
            "duplicates": 0,
            "late": 0,
        },
        "fraud_reports": {
            "rows_in": 2,
            "accepted": 2,
            "quarantined": 0,
            "duplicates": 0,
            "late": 0,
        },
    }
    assert (account.state, account.rows_in, account.changed_days) == ("arrived", 302, (D,))
    assert run.lake.read("transactions").dtypes == [
        ("transaction_id", "bigint"),
        ("event_time", "timestamp"),
        ("customer_id", "bigint"),
        ("terminal_id", "bigint"),
        ("amount", "decimal(12,2)"),
        ("day", "date"),
        ("source_day", "date"),
    ]
    expected = sorted(((*row.values(), D, D) for row in rows), key=lambda row: row[0])
    stored = sorted(table(run), key=lambda row: row[0])
    assert [(*row[:1], row[1], *row[2:]) for row in stored] == [
        (row[0], row[1].isoformat(), *row[2:]) for row in expected
    ]
    record = run.ledger.latest(IngestAccount)[D]
    recorded = account.replaced(policies=dict(run.use_case.policy_digests))
    assert (record.status, record.account) == ("done", recorded)


def test_a_home_of_any_name_and_checksums_that_somebody_left_change_nothing(
    tmp_path: Path, make_run: Callable[..., Run]
) -> None:
    home = tmp_path / "my home%20 a?b #'ü [1]"
    run = make_run(**dict(Settings.build(home=home, spark_cores=1)))
    landing = run.landing
    rows = events(D, 20)
    land(landing, D, rows[:10], rows[10:])
    land(landing, D, reports(D, [5]), feed="fraud_reports")
    first, second = landing.fetch("transactions", D, tmp_path)
    first.with_name(f".{first.name}.crc").write_bytes(b"crc\0\0\0\2\0\1\2\3\4")
    second.with_name(f".{second.name}.crc").write_bytes(b"")
    assert ingest_day(run, D).rows_in == 21
    land_text(landing, D, [as_text(row) for row in rows])
    land(landing, D, reports(D, [5]), feed="fraud_reports")
    (text,) = landing.fetch("transactions", D, tmp_path)
    text.with_name(f".{text.name}.crc").write_bytes(b"crc\0\0\0\2\0\1\2\3\4")
    assert ingest_day(run, D).changed_days == ()
    assert len(table(run)) == 20


def test_a_cut_commit_is_told_in_one_block_and_a_repaired_table_goes_on(
    run: Run, landing: Landing
) -> None:
    land(landing, D, events(D, 20))
    land(landing, D, reports(D, [5]), feed="fraud_reports")
    ingest_day(run, D)
    whole = content_hash(run)
    log = Path(run.lake.path("transactions"), "_delta_log")
    (log / f"{1:020d}.json").write_bytes((log / f"{0:020d}.json").read_bytes()[:200])
    with pytest.raises(DamagedTableError, match="version 0 is whole"):
        ingest_day(run, D)
    assert [each.damage.version for each in repair_lake(run).taken] == [1]
    assert content_hash(run) == whole
    ingest_day(run, D)
    assert content_hash(run) == whole
    (file,) = Path(run.lake.path("transactions")).glob("day=*/*.parquet")
    file.write_bytes(b"")
    with pytest.raises(DamagedTableError) as caught:
        metered(run, "a look", D, lambda: len(table(run)))
    assert caught.value.where == str(file)
    repair = repair_lake(run)
    assert repair.commands[0] == f"tollgate run ingest --from {D} --to {D}"
    ingest_day(run, D)
    assert content_hash(run) == whole


def test_text_and_parquet_give_the_same_rows(run: Run, landing: Landing) -> None:
    rows = events(D, 200)
    land(landing, D, rows)
    ingest_day(run, D)
    before = content_hash(run)
    land_text(landing, D, [as_text(row) for row in rows])
    assert ingest_day(run, D).changed_days == ()
    assert content_hash(run) == before


@pytest.mark.guarantee(
    "a re-run has one effect",
    fault="a day ingested five times, then corrected",
    seen="the same rows, content hash and table versions; of the correction one row",
)
def test_a_day_run_five_times_has_one_effect_and_a_correction_only_its_own(
    run: Run, landing: Landing
) -> None:
    first, second = events(day(0), 300), events(day(1), 300)
    land(landing, day(0), first)
    land(landing, day(1), second)
    land(landing, day(1), reports(day(1), [3]), feed="fraud_reports")
    ingest(run, DayRange(day(0), day(1)))
    once, made, first_day = content_hash(run), versions(run), content_hash(run, days={day(0)})
    for _ in range(4):
        assert ingest_day(run, day(1)).changed_days == ()
    assert (content_hash(run), versions(run)) == (once, made)

    second[7]["amount"] = Decimal("12.34")
    land(landing, day(1), second, with_reports=False)
    account = ingest_day(run, day(1))
    assert account.changed_days == (day(1),)
    corrected = {row[0]: row for row in table(run)}
    assert corrected[second[7]["transaction_id"]][4] == Decimal("12.34")
    assert content_hash(run) != once
    assert content_hash(run, days={day(0)}) == first_day
    assert sum(row[5] == day(0) for row in corrected.values()) == 300
    assert versions(run) == {**made, "transactions": made["transactions"] + 1}


@pytest.mark.guarantee(
    "empty day",
    fault="a day with its manifest and no rows",
    seen="state `empty`; rows that come later are taken in",
)
def test_a_day_without_rows_is_empty_and_says_so(run: Run, landing: Landing) -> None:
    land(landing, D)
    account = ingest_day(run, D)
    assert (account.state, account.rows_in, account.changed_days) == ("empty", 0, ())
    assert (
        table(run, "transactions") == table(run, "fraud_reports") == table(run, "quarantine") == []
    )
    land(landing, D, events(D, 50))
    assert ingest_day(run, D).changed_days == (D,)
    land(landing, D, [])
    account = ingest_day(run, D)
    assert (account.state, account.changed_days, table(run)) == ("empty", (D,), [])


def test_days_of_labels_alone_come_with_the_days_before_them(run: Run, landing: Landing) -> None:
    land(landing, D, events(D, 50))
    for number in (1, 2):
        land(landing, day(number), with_reports=False)
        land(landing, day(number), reports(day(number), [number]), feed="fraud_reports")
    land(landing, day(3), events(day(3), 50))
    assert set(ingest(run, DayRange.single(D)).accounts) == {D, day(1), day(2)}
    assert sorted(row[0] for row in table(run, "fraud_reports")) == [1, 2]


def test_a_gate_warning_is_recorded_and_lets_pass(run: Run, landing: Landing) -> None:
    rows = events(D, 100)
    for row in rows:
        row["amount"] *= 100
    land(landing, D, rows)
    gate = ingest_day(run, D).gate["transactions"]
    assert (gate.passed, gate.severity) == (True, "warning")
    assert gate.failures[0].meaning == "amounts may be in another unit (cents, another currency)"


def test_commits_say_where_they_come_from(run: Run, landing: Landing) -> None:
    land(landing, D, events(D, 20))
    result = ingest(run, DayRange.single(D))
    (commit,) = run.lake.history("transactions")
    assert (commit.version, commit.metadata["stage"], commit.metadata["run_id"]) == (
        result.versions["transactions"],
        "ingest",
        "test-run",
    )
    assert commit.metadata["landing_days"] == [str(D)]
