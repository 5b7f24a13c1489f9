"""The lake depends on what has landed only: not on the order of ingestion, nor on repeats; held
against an oracle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from pipelines.usecases.definition import IngestPolicy
from tests.guarantees.plugin import Tried
from tests.oracles.ingest import COLUMNS, Text, World, ingested
from tests.pipelines.nightly.ingest.lake_content import content_hash, quarantine, table
from tests.pipelines.nightly.ingest.landing_days import day, events, land, put, text_file

pytestmark = pytest.mark.slow
LATENESS = 2
DAYS = 5

Landed = dict[date, dict[str, list[Text]]]


def variants(random: Random, key: int, on: date) -> Text:
    """One of few contents for a key, so that copies and conflicts are frequent; now and then a bad
    row.
    """
    event_day = on - timedelta(days=random.choice([0, 0, 0, 1, 2, LATENESS + 1, -1]))
    row: dict[str, str | None] = {
        "transaction_id": str(key),
        "event_time": f"{event_day} {random.choice([9, 17]):02d}:00:00",
        "customer_id": str(random.choice([1, 2])),
        "terminal_id": "7",
        "amount": random.choice(["10.00", "10.0", "25.5"]),
    }
    if random.random() < 0.1:
        row[random.choice(COLUMNS)] = random.choice(["", "x", "NaN", "-3", "2026-11-04"])
    return row


def landed_world(seed: int, keys: int, days: int = DAYS) -> Landed:
    """Landing days with two files each, in which every key lands up to four times, near or far
    apart.
    """
    random = Random(seed)
    world: Landed = {day(n): {"part-0.csv.gz": [], "part-1.csv.gz": []} for n in range(days)}
    for key in range(keys):
        origin = random.randrange(days)
        copy = variants(random, key, day(origin))
        for _ in range(random.choice([1, 1, 2, 3, 4])):
            on = day(random.choice([origin, random.randrange(days)]))
            row = copy if random.random() < 0.6 else variants(random, key, on)
            world[on][random.choice(["part-0.csv.gz", "part-1.csv.gz"])].append(row)
    return world


def land_world(run: Run, world: Landed) -> None:
    for on, files in world.items():
        put(run.landing, on, {name: text_file(rows) for name, rows in files.items()})


def lenient(run: Run) -> Run:
    """The run with a short lateness and any number of bad rows allowed."""
    policy = IngestPolicy(bad_row_budget=1.0, lateness_days=LATENESS)
    return replace(run, use_case=replace(run.use_case, ingest=policy))


def require_equal(run: Run, expected: World) -> None:
    rows = [
        (datetime.fromisoformat(row[1]).astimezone(UTC), row[0], *row[2:5], row[5], row[6])
        for row in table(run)
    ]
    expected_rows: list[tuple[Any, ...]] = []
    for key, kept in expected.table.items():
        expected_rows += [
            (content[0], key, *content[1:], content[0].date(), source) for source, content in kept
        ]
    assert sorted(rows) == sorted(expected_rows)
    records = run.ledger.latest("ingest", status="done")
    for on, books in expected.books.items():
        account = records[on].account
        counts = {
            name: getattr(account, name) for name in ("accepted", "quarantined", "duplicates")
        }
        assert (on, counts) == (
            on,
            {
                "accepted": books.accepted,
                "quarantined": books.quarantined,
                "duplicates": books.duplicates,
            },
        )
        assert account.rules == dict(books.rules)
    counted = Counter((row["day"], row["rule"]) for row in quarantine(run))
    expected_counts: dict[tuple[date, str], int] = {}
    for on, books in expected.books.items():
        expected_counts |= {(on, rule): count for rule, count in books.rules.items()}
    assert counted == expected_counts


@pytest.mark.guarantee(
    "duplicates, late, out of order",
    fault="keys that land up to four times, equal or not, near or far apart",
    seen="the rows and books of the plain oracle",
)
@settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=strategies.integers(0, 10_000))
def test_bulk_ingest_equals_the_oracle(
    make_run: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
    thorough: bool,
    seed: int,
) -> None:
    run = lenient(in_home(make_run, tmp_path_factory.mktemp("bulk")))
    world = landed_world(seed, keys=1500 if thorough else 500)
    land_world(run, world)
    ingest(run, DayRange(day(0), day(DAYS - 1)))
    require_equal(run, ingested(world, lateness_days=LATENESS))


@pytest.mark.guarantee(
    "missing upstream",
    fault="days land, and are ingested in another order",
    seen="the tables and books of the plain oracle",
)
def test_days_in_any_order_equal_the_oracle_and_correct_the_books_of_others(
    make_run: Callable[..., Run], thorough: bool
) -> None:
    run = lenient(make_run())
    days = DAYS if thorough else DAYS - 1
    world = landed_world(5, keys=600 if thorough else 200, days=days)
    land_world(run, world)
    order = list(range(days))
    Random(3).shuffle(order)
    for number in order:
        ingest(run, DayRange.single(day(number)))
    require_equal(run, ingested(world, lateness_days=LATENESS))


@pytest.mark.guarantee(
    "a re-run has one effect",
    fault="a day that had won rows over others is corrected to half of them",
    seen="the rows and books of the plain oracle",
)
def test_a_correction_gives_rows_back_to_the_days_that_had_lost_them(
    make_run: Callable[..., Run],
) -> None:
    run = lenient(make_run())
    world = landed_world(11, keys=400)
    land_world(run, world)
    ingest(run, DayRange(day(0), day(DAYS - 1)))
    world[day(2)] = {name: rows[::2] for name, rows in world[day(2)].items()}
    land_world(run, world)
    ingest(run, DayRange.single(day(2)))
    require_equal(run, ingested(world, lateness_days=LATENESS))


@pytest.mark.guarantee(
    "duplicates, late, out of order",
    fault="six files in other orders, one twice, one two days late",
)
def test_six_files_in_several_orders_one_twice_one_late_have_one_content(
    make_run: Callable[..., Run], tmp_path: Path, tried: Tried, thorough: bool
) -> None:
    files = [events(day(0), 120, start=1000 * n) for n in range(6)]
    late, rest = files[5], files[:5]
    hashes, orders = set(), list(permutations(range(5)))
    Random(7).shuffle(orders)
    for attempt, order in enumerate(orders[: 50 if thorough else 2]):
        run = in_home(make_run, tmp_path / str(attempt))
        landing = run.landing
        land(landing, day(0), *(rest[n] for n in order), rest[order[attempt % 5]])
        land(landing, day(2), late)
        counts = {0: (120, 0), 2: (0, 120)}
        for number in (0, 2) if attempt % 2 else (2, 0):
            account = ingest(run, DayRange.single(day(number))).accounts[day(number)]
            assert account.changed_days == (day(0),)
            assert (account.duplicates, account.late) == counts[number], number
        hashes.add(content_hash(run))
        assert sum(row[4] for row in table(run)) == sum(
            (row["amount"] for row in chain.from_iterable(files)), Decimal(0)
        )
    assert len(hashes) == 1
    tried(attempt + 1, f"{attempt + 1} orders, {len(hashes)} content hash")


@pytest.mark.guarantee(
    "a crash leaves old or new",
    fault="a run dies between its commit and the ledger",
    seen="the next run names the change, once",
)
def test_a_change_that_the_ledger_has_lost_is_named_again(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = in_home(make_run, tmp_path / "home")
    land(run.landing, day(0), events(day(0), 50))
    land(run.landing, day(1), events(day(1), 50))
    ingest(run, DayRange.single(day(0)))
    forgetful = in_home(make_run, tmp_path / "home", ledger=f"sqlite:///{tmp_path}/other.sqlite")
    account = ingest(forgetful, DayRange.single(day(1))).accounts[day(1)]
    assert account.changed_days == (day(0), day(1))
    assert ingest(forgetful, DayRange.single(day(1))).accounts[day(1)].changed_days == ()


def in_home(make_run: Callable[..., Run], home: Path, **changes: object) -> Run:
    """A run in a home of its own."""
    run = make_run()
    derived = Settings.build(home=home, jars=run.settings.jars, **changes)
    return replace(run, settings=derived)
