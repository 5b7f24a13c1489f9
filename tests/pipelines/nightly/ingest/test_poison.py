"""Bad rows of many kinds: each is quarantined under its rule with a reason, card numbers masked."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import GateError
from pipelines.nightly.ingest import ingest
from pipelines.nightly.ingest.contract import contract_problems
from pipelines.run import Run
from pipelines.usecases.definition import Column
from pipelines.usecases.registry import load
from tests.guarantees.plugin import Tried
from tests.pipelines.nightly.ingest.lake_content import quarantine, table, versions
from tests.pipelines.nightly.ingest.landing_days import EVENTS, as_text, day, events, land_text, put

D = day(40)
CARD = "4111111111111111"

POISON: dict[str, tuple[dict[str, str | None], str]] = {
    "NaN": ({"amount": "NaN"}, "amount_unreadable"),
    "infinity": ({"amount": "inf"}, "amount_unreadable"),
    "negative": ({"amount": "-41.50"}, "amount_not_negative"),
    "huge": ({"amount": "9999999999.99"}, "amount_plausible"),
    "too huge for the type": ({"amount": "1e30"}, "amount_unreadable"),
    "a third of a cent": ({"amount": "12.345"}, "amount_unreadable"),
    "no key": ({"transaction_id": None}, "transaction_id_missing"),
    "no card": ({"customer_id": None}, "customer_id_missing"),
    "no amount": ({"amount": None}, "amount_missing"),
    "text in a number": ({"amount": "twelve"}, "amount_unreadable"),
    "text in a key": ({"terminal_id": "T-17"}, "terminal_id_unreadable"),
    "a key beyond 64 bits": ({"customer_id": "99999999999999999999"}, "customer_id_unreadable"),
    "a broken key": ({"customer_id": "12.5"}, "customer_id_unreadable"),
    "no such date": ({"event_time": "2026-02-31 12:00:00"}, "event_time_unreadable"),
    "half a date": ({"event_time": "2026"}, "event_time_unreadable"),
    "only a time": ({"event_time": "T12:00"}, "event_time_unreadable"),
    "the future": ({"event_time": "2027-01-01 00:00:00Z"}, "event_time_in_future"),
    "the past": ({"event_time": "2026-01-01 00:00:00Z"}, "event_time_too_late"),
}


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run()


@pytest.mark.guarantee("poison", fault="20 rows of 4,202, each bad in its own way")
@pytest.mark.slow
def test_every_kind_of_poison_is_quarantined_under_its_rule(run: Run, tried: Tried) -> None:
    rows = [as_text(row) for row in events(D, 4200)]
    for row, (values, _) in zip(rows, POISON.values(), strict=False):
        row.update(values)
    short, long = "7,2026-12-12 10:00:00,1", f"8,2026-12-12 10:00:00,1,2,3.00,{CARD}"
    land_text(run.landing, D, rows, short, long)
    account = ingest(run, DayRange.single(D)).accounts[D]
    bad = len(POISON) + 2
    assert account.feeds["transactions"].to_json() == {
        "rows_in": 4202,
        "accepted": 4202 - bad,
        "quarantined": bad,
        "duplicates": 0,
        "late": 0,
    }
    rules = Counter(rule for _, rule in POISON.values()) + Counter(malformed_row=2)
    quarantined = quarantine(run)
    assert account.rules == dict(rules) == dict(Counter(row["rule"] for row in quarantined))
    assert {row["transaction_id"] for row in map(as_row, table(run))} == {
        int(row["transaction_id"] or 0) for row in rows[len(POISON) :]
    }
    reasons = {row["reason"] for row in quarantined}
    assert 'amount ["twelve"] is not a decimal(12,2)' in reasons
    assert "transaction_id is empty" in reasons
    assert f"event_time 2027-01-01 00:00:00 lies after its landing day {D}" in reasons
    assert "amounts are never negative: amount >= 0 does not hold" in reasons
    for row in quarantined:
        assert (row["day"], row["feed"], row["file"]) == (D, "transactions", "part-0.csv.gz")
        assert json.loads(row["raw"])
    assert any("twelve" in row["raw"] for row in quarantined)
    assert not [row for row in quarantined if CARD in row["raw"] or CARD in row["reason"]]
    assert [row for row in quarantined if "************1111" in row["raw"]]
    tried(bad, f"{len(quarantined)} quarantined under {len(rules)} rules, {4202 - bad:,} accepted")


def as_row(values: tuple[object, ...]) -> dict[str, object]:
    return dict(
        zip(
            ("transaction_id", "event_time", "customer_id", "terminal_id", "amount"),
            values,
            strict=False,
        )
    )


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="a card number in rows of wrong type, within the budget and beyond it",
    seen="masked in message and quarantine; in no file outside the landing zone",
)
@pytest.mark.slow
def test_a_card_number_in_a_bad_row_leaves_no_trace(run: Run) -> None:
    rows = [as_text(row) for row in events(D, 400)]
    rows[0]["customer_id"] = f"card {CARD}"
    landing = run.landing
    land_text(landing, D, rows)
    ingest(run, DayRange.single(D))
    for row in rows[:9]:
        row["customer_id"] = "4111 1111 1111 1111"
    land_text(landing, D, rows)
    made = versions(run)
    with pytest.raises(GateError) as caught:
        ingest(run, DayRange.single(D))
    assert "1111 1111" not in str(caught.value)
    assert "************1111" in str(caught.value)
    assert versions(run) == made
    require_no_trace(run)
    assert not list((Path(run.settings.home) / "scratch").iterdir())


@pytest.mark.guarantee(
    "secrets and card numbers", fault="a card number in the text of a row that is good otherwise"
)
@pytest.mark.slow
def test_a_card_number_in_the_text_of_a_good_row_is_quarantined_and_masked(
    run: Run, tried: Tried
) -> None:
    run = with_notes(run)
    rows = [
        f"{','.join(str(value) for value in as_text(row).values())},paid" for row in events(D, 600)
    ]
    rows[0] = rows[0].replace("paid", "call about 4111 1111 1111 1111 12/27")
    rows[1] = rows[1].replace("paid", f"[{CARD}]")
    rows[2] = rows[2].replace("paid", "4111111111111112 is none")
    landing = run.landing
    header = ",".join([*EVENTS.names, "note"])
    put(
        landing, D, {"part-0.csv.gz": (gzip.compress("\n".join([header, *rows, ""]).encode()), 600)}
    )
    account = ingest(run, DayRange.single(D)).accounts[D]
    assert account.rules == {"note_card_number": 2}
    assert {row["reason"] for row in quarantine(run)} == {"note holds a card number"}
    assert [row for row in quarantine(run) if "call about ************1111 12/27" in row["raw"]]
    assert len(table(run)) == 598

    files = require_no_trace(run)
    tried(
        2,
        f"both rows quarantined and masked, 598 accepted; in none of {files} files outside the"
        " landing zone",
    )


@pytest.mark.guarantee(
    "secrets and card numbers",
    fault="a card number where a file without a header has its header",
    seen="the refusal names it masked",
)
def test_a_card_number_in_place_of_a_column_name_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "part-0.csv.gz"
    path.write_bytes(gzip.compress(f"1,2026-12-12 10:00:00,1,2,{CARD}\n".encode()))
    problems = contract_problems(load("fraud").events, path, D)
    assert "column ************1111 is not declared" in problems
    assert CARD not in str(problems)


@pytest.mark.slow
def test_text_that_is_declared_to_be_no_card_number_is_taken(run: Run) -> None:
    run = with_notes(run, not_card_numbers="device numbers, which have the same check digit")
    rows = [
        f"{','.join(str(value) for value in as_text(row).values())},490154203237518"
        for row in events(D, 20)
    ]
    header = ",".join([*EVENTS.names, "note"])
    content = gzip.compress("\n".join([header, *rows, ""]).encode())
    put(run.landing, D, {"part-0.csv.gz": (content, 20)})
    assert ingest(run, DayRange.single(D)).accounts[D].accepted == 20


def with_notes(run: Run, *, not_card_numbers: str = "") -> Run:
    """The run's use case with a column of text."""
    note = Column(
        name="note",
        type="string",
        description="what the sender wrote",
        not_card_numbers=not_card_numbers,
    )
    feed = replace(run.use_case.events, columns=(*run.use_case.events.columns, note))
    return replace(run, use_case=replace(run.use_case, events=feed))


def require_no_trace(run: Run) -> int:
    """The card's number is in no file outside the landing zone, however it is grouped; how many
    files there are.
    """
    files = [
        path
        for path in run.settings.home.rglob("*")
        if path.is_file() and "landing" not in path.parts
    ]
    parquet = [path for path in files if path.suffix == ".parquet"]
    assert parquet
    for path in files:
        whole = (
            str(pq.read_table(path).to_pydict())
            if path in parquet
            else path.read_bytes().decode(errors="replace")
        )
        assert CARD not in whole, path
        assert "4111 1111 1111 1111" not in whole, path
    return len(files)
