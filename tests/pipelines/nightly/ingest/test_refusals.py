"""A day that is not there, not whole or not as agreed: nothing is committed, and the message says
what to do.
"""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import ContractError, GateError, NotArrivedError
from pipelines.base.settings import CHECKOUT
from pipelines.landing.landing import Landing
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from tests.pipelines.nightly.ingest.lake_content import content_hash, versions
from tests.pipelines.nightly.ingest.landing_days import (
    EVENTS,
    as_text,
    day,
    events,
    land,
    land_text,
    promise,
    put,
    tamper,
)

pytestmark = pytest.mark.slow
D = day(1)


def refusal(run: Run, kind: type[Exception], first: int = 1, last: int = 1) -> Exception:
    with pytest.raises(kind) as caught:
        ingest(run, DayRange(day(first), day(last)))
    page = caught.value.fields()["runbook"]  # type: ignore[attr-defined]
    assert (CHECKOUT / page).is_file()
    return caught.value


@pytest.mark.guarantee(
    "empty day",
    fault="no folder, then no manifest, then a manifest without files",
    seen="`no folder`, `no manifest`, `empty`; no table was made",
)
def test_three_kinds_of_nothing_are_told_apart(run: Run, landing: Landing) -> None:
    land(landing, D, with_reports=False)
    error = refusal(run, NotArrivedError)
    assert str(error).splitlines()[0] == f"fraud_reports of {D} have not arrived"
    assert error.fields()["found"] == f"fraud_reports {D}: no folder"  # type: ignore[attr-defined]
    (Path(landing.address) / "fraud_reports" / str(D)).mkdir(parents=True)
    assert refusal(run, NotArrivedError).fields()["found"] == f"fraud_reports {D}: no manifest"  # type: ignore[attr-defined]
    record = run.ledger.latest("ingest")[D]
    assert (record.status, record.account.state) == ("failed", "no manifest")
    assert versions(run) == {}
    landing.write_day("fraud_reports", D, [])
    assert ingest(run, DayRange.single(D)).accounts[D].state == "empty"


@pytest.mark.guarantee(
    "missing upstream",
    fault="six feeds' days of a range are missing",
    seen="all named in one message; no table was made",
)
def test_all_days_that_are_missing_are_named_at_once(run: Run, landing: Landing) -> None:
    land(landing, day(1), events(day(1), 10))
    message = str(refusal(run, NotArrivedError, 0, 3))
    assert message.splitlines()[0] == f"transactions of {day(0)} have not arrived, nor have 5 more"
    assert f"day:        {day(0)}, {day(2)}, {day(3)}" in message
    assert f"tollgate run ingest --from {day(0)} --to {day(3)}" in message
    assert versions(run) == {}


HALF = {
    "a byte": lambda content: content[:-1],
    "half": lambda content: content[: len(content) // 2],
    "a flipped bit": lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
    "everything": lambda content: b"",
}


@pytest.mark.guarantee(
    "truncated input",
    fault="a byte cut, half cut, a bit flipped, emptied; Parquet and CSV",
    seen="the file is named, no table was made",
)
@pytest.mark.parametrize("cut", HALF)
@pytest.mark.parametrize("name", ["part-0.parquet", "part-0.csv.gz"])
def test_a_file_that_is_not_whole_is_named_and_nothing_is_read(
    run: Run, landing: Landing, cut: str, name: str
) -> None:
    rows = events(D, 60)
    (
        land(landing, D, rows)
        if name.endswith("parquet")
        else land_text(landing, D, [as_text(row) for row in rows])
    )
    tamper(landing, D, name, HALF[cut])
    message = str(refusal(run, ContractError))
    assert message.splitlines()[0] == "a file is not the one its manifest lists"
    assert f"transactions/{D}/{name}" in message
    assert versions(run) == {}
    record = run.ledger.latest("ingest")[D]
    assert record.status == "refused"
    assert name in record.account.reason


@pytest.mark.guarantee(
    "truncated input",
    fault="the last line is missing, the digest is right",
    seen="59 rows found where 60 were promised; nothing committed",
)
def test_a_last_line_cut_off_before_the_manifest_was_written_is_found_by_the_row_count(
    run: Run, landing: Landing
) -> None:
    rows = [as_text(row) for row in events(D, 60)]
    lines = [",".join(EVENTS.names), *(",".join(row.values()) for row in rows)]  # type: ignore[arg-type]
    put(landing, D, {"part-0.csv.gz": (gzip.compress("\n".join(lines[:-1]).encode()), 60)})
    fields = refusal(run, ContractError).fields()  # type: ignore[attr-defined]
    assert (fields["expected"], fields["found"]) == ("60 rows", "59 rows")


@pytest.mark.guarantee(
    "truncated input",
    fault="a wrong number of rows, a wrong digest in the manifest",
    seen="both refused, no table was made",
)
def test_a_wrong_hash_and_a_wrong_row_count_are_refused(run: Run, landing: Landing) -> None:
    land(landing, D, events(D, 60))
    promise(landing, D, rows=61)
    assert "61 rows" in str(refusal(run, ContractError))
    promise(landing, D, rows=60, sha256="0" * 64)
    assert "SHA-256 0000" in str(refusal(run, ContractError))
    assert versions(run) == {}


def drifted(kind: str) -> pa.Table:
    good = pa.Table.from_pylist(events(D, 40), schema=EVENTS)
    swapped = ["transaction_id", "event_time", "terminal_id", "customer_id", "amount"]
    return {
        "added": lambda: good.append_column("channel", pa.array(["web"] * 40)),
        "dropped": lambda: good.drop_columns(["terminal_id"]),
        "renamed": lambda: good.rename_columns([*EVENTS.names[:4], "amt"]),
        "retyped": lambda: good.set_column(4, "amount", good["amount"].cast(pa.float64())),
        "text": lambda: good.set_column(
            0, "transaction_id", good["transaction_id"].cast(pa.string())
        ),
        "swapped": lambda: good.select(swapped),
    }[kind]()


@pytest.mark.guarantee(
    "schema drift",
    fault="a column added, dropped, renamed, retyped (twice), two swapped",
    seen="refused with the reason; no table was made",
)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("added", "column channel is not declared"),
        ("dropped", "column terminal_id is missing"),
        ("renamed", "column amount is called amt"),
        ("retyped", "amount is double, not decimal(12,2)"),
        ("text", "transaction_id is string, not bigint"),
        (
            "swapped",
            (
                "columns stand in another order: transaction_id, event_time, terminal_id,"
                " customer_id, amount"
            ),
        ),
    ],
)
def test_a_schema_that_drifts_is_refused_with_the_reason(
    run: Run, landing: Landing, kind: str, reason: str
) -> None:
    landing.write_day("transactions", D, [drifted(kind)])
    landing.write_day("fraud_reports", D, [])
    fields = refusal(run, ContractError).fields()  # type: ignore[attr-defined]
    assert fields["found"] == reason
    assert fields["expected"].startswith("transaction_id bigint, event_time timestamp")
    assert fields["held back"] == "features, score, monitor"
    assert versions(run) == {}


@pytest.mark.guarantee(
    "schema drift", fault="two columns swapped in a CSV header", seen="refused with the reason"
)
def test_a_text_file_with_another_header_is_refused(run: Run, landing: Landing) -> None:
    content = gzip.compress(
        b"transaction_id,event_time,customer_id,amount,terminal_id\n1,2026-11-03 10:00:00,1,1,1\n"
    )
    put(landing, D, {"part-0.csv.gz": (content, 1)})
    assert "columns stand in another order" in str(refusal(run, ContractError))


@pytest.mark.guarantee(
    "truncated input",
    fault="one day of three cut in half, another with a wrong row count",
    seen="both told; content and versions as before",
)
def test_every_refusal_of_a_range_is_told_and_none_of_it_is_committed(
    run: Run, landing: Landing
) -> None:
    land(landing, day(0), events(day(0), 40))
    ingest(run, DayRange.single(day(0)))
    before, made = content_hash(run), versions(run)
    for number in (1, 2, 3):
        land(landing, day(number), events(day(number), 40))
    tamper(landing, day(1), "part-0.parquet", HALF["half"])
    promise(landing, day(3), rows=41)
    message = str(refusal(run, ContractError, 1, 3))
    assert "and 1 more refusals" in message
    assert f"day:        {day(1)}, {day(3)}" in message
    assert (content_hash(run), versions(run)) == (before, made)


def test_narrower_types_that_lose_nothing_are_accepted(run: Run, landing: Landing) -> None:
    rows = pa.Table.from_pylist(events(D, 40), schema=EVENTS)
    narrow = pa.schema(
        [
            ("transaction_id", pa.int32()),
            ("event_time", pa.timestamp("ns")),
            ("customer_id", pa.int16()),
            ("terminal_id", pa.int64()),
            ("amount", pa.decimal128(9, 2)),
        ]
    )
    buffer = io.BytesIO()
    pq.write_table(rows.cast(narrow), buffer)
    put(landing, D, {"part-0.parquet": (buffer.getvalue(), 40)})
    ingest(run, DayRange.single(D))
    plain = content_hash(run)
    land(landing, D, events(D, 40))
    assert ingest(run, DayRange.single(D)).accounts[D].changed_days == ()
    assert content_hash(run) == plain


@pytest.mark.guarantee(
    "over budget",
    fault="10 bad rows of 500 where 0.5 % are allowed",
    seen="the day is refused whole; content and versions as before",
)
def test_over_budget_the_day_is_refused_whole(run: Run, landing: Landing) -> None:
    land(landing, day(0), events(day(0), 500))
    ingest(run, DayRange.single(day(0)))
    before, made = content_hash(run), versions(run)
    rows = events(D, 500)
    for row in rows[:10]:
        row["amount"] = Decimal("-1.00")
    land(landing, D, rows)
    error = refusal(run, GateError)
    message = str(error)
    assert message.splitlines()[0] == "too many bad rows: 1 day is refused whole"
    assert f"transactions {D}: 10 of 500 rows (2 %) broke amount_not_negative 10" in message
    assert "at most 0.5 % quarantined rows" in message
    assert '"amount":-1.00' in message
    assert f"tollgate run ingest --from {D} --to {D}" in message
    assert "bad_row_budget in pipelines/usecases/fraud.py" in message
    assert (content_hash(run), versions(run)) == (before, made)
    record = run.ledger.latest("ingest")[D]
    assert (record.status, record.account.state) == ("refused", "refused")


def test_the_rows_that_are_shown_are_of_the_refused_days(run: Run, landing: Landing) -> None:
    within, over = events(day(0), 500), events(D, 500)
    within[0]["amount"] = Decimal("-2.00")
    for row in over[:10]:
        row["amount"] = Decimal("-1.00")
    land(landing, day(0), within)
    land(landing, D, over)
    message = str(refusal(run, GateError, first=0, last=1))
    assert message.splitlines()[0] == "too many bad rows: 1 day is refused whole"
    assert message.count('"amount":-1.00') == 3
    assert '"amount":-2.00' not in message
