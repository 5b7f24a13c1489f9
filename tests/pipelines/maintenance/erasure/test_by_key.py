"""A card deleted by its key is gone from every file of the home, time travel included; all other
rows stay.
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest

from pipelines.accounts.audit import DeletionDetail
from pipelines.base.days import DayRange
from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.maintenance.erasure import by_key
from pipelines.maintenance.erasure.by_key import Deletion, delete_units
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.freshness import stale_days
from pipelines.nightly.ingest import ingest
from pipelines.nightly.materialize.stage import materialize
from pipelines.nightly.score.stage import score
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import account_of
from tests.conftest import NOW
from tests.guarantees.plugin import Tried
from tests.pipelines.nightly.ingest.landing_days import (
    as_text,
    day,
    events,
    land,
    land_text,
    reports,
)

pytestmark = pytest.mark.slow

CARD = 700_000_000_017
OTHER = 700_000_000_018
IDS = tuple(range(800_000_000_001, 800_000_000_007))
"""The events of the card: two a day; the last was quarantined on its way in."""
CANARIES = [str(CARD), *map(str, IDS)]
DAYS = DayRange(day(0), day(2))
TABLES = (
    "transactions",
    "fraud_reports",
    "quarantine",
    "features",
    "predictions",
    "alerts",
    "customer_state",
)
WHY = "asked for on 12 November"


def the_cards(number: int) -> list[dict[str, Any]]:
    """The card's events of a day, at a terminal that others use too, large enough to head the alert
    list.
    """
    rows = events(day(number), 2, start=IDS[2 * number])
    bad = {IDS[-1]: Decimal(-5)}
    return [
        {
            **row,
            "customer_id": CARD,
            "terminal_id": 5,
            "amount": bad.get(row["transaction_id"], Decimal(900 + n)),
        }
        for n, row in enumerate(rows)
    ]


def land_days(landing: Landing) -> None:
    for number in range(3):
        others = [{**row, "terminal_id": row["terminal_id"] % 9} for row in events(day(number), 80)]
        others[0] |= {"customer_id": OTHER}
        if number == 1:
            land_text(landing, day(number), [as_text(row) for row in (*others, *the_cards(number))])
        else:
            land(
                landing,
                day(number),
                others[:20],
                [*others[20:], *the_cards(number)],
                with_reports=False,
            )
        fraud_ids = [IDS[0], 3] if number == 2 else []
        land(landing, day(number), reports(day(number), fraud_ids), feed="fraud_reports")


def night(run: Run, days: DayRange) -> None:
    for stage in (ingest, build_features, score, materialize):
        stage(run, days)


@pytest.fixture(scope="module")
def three_nights(statistics: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after three nights; each test works on a copy of it."""
    home = tmp_path_factory.mktemp("kept") / "home"
    run = at(home)
    land_days(run.landing)
    night(run, DAYS)
    return home


@pytest.fixture
def run(three_nights: Path) -> Iterator[Run]:
    """A run on the home in its own place: Feast's registry names it."""
    kept = three_nights.with_name("kept")
    shutil.copytree(three_nights, kept)
    yield at(three_nights)
    shutil.rmtree(three_nights)
    kept.rename(three_nights)


def at(home: Path) -> Run:
    now = [NOW]

    def tick() -> datetime:
        now[0] += timedelta(seconds=1)
        return now[0]

    return Run(
        Settings.build(home=home, spark_cores=1),
        load("fraud"),
        run_id="nights",
        actor="test",
        clock=tick,
    )


def rows(run: Run, table: str) -> list[dict[str, Any]]:
    return sorted(run.lake.read(table).toArrow().to_pylist(), key=str)


def is_cards(row: dict[str, Any]) -> bool:
    return any(canary in str(row) for canary in CANARIES)


def others(run: Run) -> dict[str, list[dict[str, Any]]]:
    """All rows of others; of states only the keys, as they are built anew."""
    kept = {table: [row for row in rows(run, table) if not is_cards(row)] for table in TABLES[:-1]}
    return kept | {
        "customer_state": [
            {"key": row["customer_id"]} for row in rows(run, "customer_state") if not is_cards(row)
        ]
    }


def deleted(done: Deletion) -> dict[str, int]:
    return {table: row["deleted"] for table, row in done.tables.items() if row["deleted"]}


def people_touch(home: Path) -> None:
    """What stands in a home besides the files of the program: copies of a list, a folder, what a
    killed ingest left.
    """
    lists = sorted((home / "fraud" / "alerts").glob("*.csv"))
    saved = "".join(path.read_text().replace(",", ";") for path in lists)
    (home / "fraud" / "alerts" / "week.csv").write_bytes(saved.encode("cp1252"))
    (home / "fraud" / "alerts" / "week.xlsx").write_bytes(b"PK\x03\x04 no matter what")
    (home / "copies").mkdir()
    (home / "scratch" / "ingest-x").mkdir(parents=True)
    (home / "scratch" / "ingest-x" / "part-0.csv").write_text(f"customer_id\n{CARD}\n")


def found_in(home: Path) -> list[str]:
    """Files of the home that hold the card's key or an id of its events: as text, as Parquet, or as
    eight bytes.
    """
    binary = [int(canary).to_bytes(8, "little") for canary in CANARIES]
    return sorted(
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and _holds(path.read_bytes(), path.suffix, binary)
    )


def _holds(content: bytes, suffix: str, binary: list[bytes]) -> bool:
    if suffix == ".parquet":
        content += str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    if suffix == ".gz":
        content = gzip.decompress(content)
    return any(canary.encode() in content for canary in CANARIES) or any(
        value in content for value in binary
    )


@pytest.mark.guarantee(
    "deleted for good",
    fault="a card of three nights is deleted, interrupted and run again; then a fourth night comes",
)
def test_a_deleted_card_is_in_no_file_and_no_earlier_version_and_the_others_stay(
    run: Run, tried: Tried
) -> None:
    home = run.settings.home
    parity = {
        "examples": {
            "f": [{"event_id": IDS[0], "keys": {"customer_id": CARD}}, {"event_id": 3, "keys": {}}]
        }
    }
    served = {"examples": {"f": [{"event_id": 0, "keys": {"customer": CARD}}]}}
    for stage, payload in (("parity", parity), ("served", served)):
        run.ledger.record_stage(day(0), account_of(stage, payload), "refused", run_id="p", at=NOW)
    people_touch(home)
    before, versions, holding = others(run), run.lake.versions(TABLES), found_in(home)
    places = {path.split("/")[0].removesuffix("-wal") for path in holding}
    assert places == {"lake", "landing", "fraud", "online", "ledger.sqlite", "scratch"}
    assert any("/_delta_log/" in path for path in holding), (
        "as the least or largest value of a file"
    )
    counted = delete_units(run, [str(CARD)], reason=WHY, dry_run=True)
    assert found_in(home) == holding, "a dry run changes nothing"
    assert deleted(counted) == {
        "transactions": 5,
        "fraud_reports": 1,
        "quarantine": 1,
        "features": 5,
        "predictions": 5,
        "alerts": 3,
        "customer_state": 1,
    }
    assert {
        feed: (counts["rows"], counts["files"]) for feed, counts in counted.landing.items()
    } == {
        "transactions": (6, 3),
        "fraud_reports": (1, 1),
    }
    assert (counted.state, counted.records, counted.leftovers) == (
        "counted",
        2,
        ("scratch/ingest-x",),
    )
    assert [unread_file.path for unread_file in counted.unread] == [
        "copies",
        "fraud/alerts/week.xlsx",
    ]

    with failing(by_key, "delete_where", lambda lake, table, *_: table == "transactions"):
        delete_units(run, [str(CARD)], reason=WHY)
    done = delete_units(run, [str(CARD)], reason=WHY)
    assert deleted(done) == deleted(counted)
    assert done.unread == counted.unread
    assert counted.alert_lists["week.csv"] > 1
    assert found_in(home) == []
    assert others(run) == before
    for table, version in versions.items():
        with pytest.raises(Exception, match="does not exist"):
            run.lake.read(table, version=version).collect()
    entries = run.ledger.audit_entries(DeletionDetail)
    assert [entry.detail.state for entry in entries] == ["begun", "begun", "done"]
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in done.keys)

    assert stale_days(run) == {}
    assert ingest(run, DAYS).accounts[day(2)].changed_days == ()
    land(run.landing, day(3), events(day(3), 60))
    night(run, DayRange.single(day(3)))
    assert len(rows(run, "features")) == len(before["features"]) + 60
    assert found_in(home) == []
    tried(
        1, f"{sum(deleted(done).values())} rows and all earlier versions gone, the others as before"
    )


@contextmanager
def failing(owner: Any, name: str, where: Callable[..., bool]) -> Iterator[None]:
    """A run that is interrupted: the first call of a function for which `where` is true fails."""
    real = getattr(owner, name)

    def call(*arguments: Any) -> Any:
        if where(*arguments):
            raise StoreError("interrupted")
        return real(*arguments)

    with patch.object(owner, name, call), pytest.raises(StoreError, match="interrupted"):
        yield
