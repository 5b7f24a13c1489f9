"""A subject's rows are taken out of landed files: others' bytes and rows stay, manifests hold,
kills leave no rest.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import StoreError
from pipelines.landing.landing import Landing
from pipelines.maintenance.erasure.landed import delete_landed, events_in_landing
from pipelines.maintenance.erasure.subject import Subject
from pipelines.object_store.storage import LocalStorage
from tests.object_store import REGION, make_bucket, s3
from tests.pipelines.nightly.ingest.landing_days import as_text, day, events, land, land_text, put

CARD = 700_000_000_017
FEED = "transactions"


def subject(*ids: int) -> Subject:
    return Subject(unit="customer_id", keys=(CARD,), event="transaction_id", events=frozenset(ids))


def landed(landing: Landing) -> None:
    """A day of two Parquet parts, the second with the card's rows, and one of text in which they
    look otherwise.
    """
    card_rows = [{**row, "customer_id": CARD} for row in events(day(0), 2, start=900)]
    land(landing, day(0), events(day(0), 5), [*events(day(0), 5, start=50), *card_rows])
    rows: list[dict[str, Any]] = [as_text(row) for row in events(day(1), 4)]
    rows[1] |= {"customer_id": f" {CARD}"}
    rows[2] |= {"customer_id": f"{CARD}.0", "amount": 'a "b", c'.replace(",", ";")}
    land_text(landing, day(1), rows, "9,short")


def content(landing: Landing, number: int, scratch: Path) -> list[Any]:
    """The rows of a day, which is as its manifest says."""
    rows: list[Any] = []
    for path in landing.fetch(FEED, day(number), scratch):
        if path.suffix == ".parquet":
            rows += pq.read_table(path).to_pylist()
        else:
            rows += gzip.decompress(path.read_bytes()).decode().splitlines()
    return rows


def holders(storage: Any) -> list[str]:
    """Files below the root that hold the card."""
    paths = []
    for path in storage.files(FEED):
        kept = storage.read(path)
        if path.endswith(".parquet"):
            kept = str(pq.read_table(pa.BufferReader(kept)).to_pylist()).encode()
        if path.endswith(".gz"):
            kept = gzip.decompress(kept)
        paths += [path] if str(CARD).encode() in kept else []
    return paths


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_others_rows_and_the_promises_of_the_manifests_stay(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "folder":
        _check(Landing(LocalStorage(tmp_path / "landing")), tmp_path)
        return
    from pipelines.object_store.s3 import S3Storage

    with s3(monkeypatch) as endpoint:
        make_bucket(endpoint, "bank")
        _check(Landing(S3Storage("s3://bank/landing", endpoint=endpoint, region=REGION)), tmp_path)


def _check(landing: Landing, scratch: Path) -> None:
    landed(landing)
    before = [content(landing, n, scratch / f"before-{n}") for n in range(2)]
    untouched = landing.arrival(FEED, day(0)).required().files[0]
    assert events_in_landing(landing, FEED, subject()) == {"900", "901", "100001", "100002"}
    counted = delete_landed(landing, FEED, subject(), dry_run=True)
    assert len(holders(landing.storage)) == 2
    done = delete_landed(landing, FEED, subject(), dry_run=False)
    assert (
        (done.files, done.rows, done.unread)
        == (counted.files, counted.rows, counted.unread)
        == (2, 4, [])
    )
    assert holders(landing.storage) == []
    after = [content(landing, n, scratch / f"after-{n}") for n in range(2)]
    assert after == [[row for row in rows if str(CARD) not in str(row)] for rows in before]
    assert landing.arrival(FEED, day(0)).required().files[0] == untouched
    assert delete_landed(landing, FEED, subject(), dry_run=False).rows == 0
    by_event = delete_landed(landing, FEED, subject(50), dry_run=False)
    assert (by_event.rows, len(content(landing, 0, scratch / "event"))) == (1, len(after[0]) - 1)


@pytest.mark.parametrize("operation", ["write", "delete"])
@pytest.mark.parametrize("k", [0, 1])
def test_interrupted_at_a_write_or_removal_and_run_again_nothing_is_left(
    operation: str, k: int, tmp_path: Path
) -> None:
    landing = Landing(LocalStorage(tmp_path / "landing"))
    landed(landing)
    real, calls = getattr(LocalStorage, operation), iter(range(100))

    def call(*arguments: Any) -> Any:
        if next(calls) == k:
            raise StoreError("interrupted")
        return real(*arguments)

    with (
        patch.object(LocalStorage, operation, call),
        pytest.raises(StoreError, match="interrupted"),
    ):
        delete_landed(landing, FEED, subject(), dry_run=False)
    assert [len(content(landing, n, tmp_path)) >= 3 for n in range(2)] == [True, True], (
        "each day holds, old or new"
    )
    delete_landed(landing, FEED, subject(), dry_run=False)
    assert holders(landing.storage) == []
    assert [len(content(landing, n, tmp_path)) for n in range(2)] == [10, 4]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    landing = Landing(LocalStorage(tmp_path / "landing"))
    landed(landing)
    broken = tmp_path / "landing" / FEED / str(day(0)) / "part-0.parquet"
    broken.write_bytes(broken.read_bytes()[:100])
    done = delete_landed(landing, FEED, subject(), dry_run=False)
    assert done.unread == [f"{FEED}/{day(0)}/part-0.parquet"]
    assert done.rows == 4


def test_whatever_somebody_put_beside_the_parts_is_looked_into_or_named(tmp_path: Path) -> None:
    landing = Landing(LocalStorage(tmp_path / "landing"))
    landed(landing)
    feed = tmp_path / "landing" / FEED
    text = f"transaction_id;customer_id\n1;{CARD}\n2;5\n"
    copy = (feed / str(day(0)) / "part-1.parquet").read_bytes()
    readable = {
        f"{day(0)}/export.csv": text.encode("utf-16"),
        f"{day(0)}/part-7.csv.gz": gzip.compress(text.encode()),
        f"{day(0)}/.writing-0a1b": copy,
        f"{day(0)} (copy)/part-1.parquet": copy,
        f"old/{day(0)}/part.bak": copy,
    }
    kept = {
        f"{day(0)} (copy)/_MANIFEST.json": (feed / str(day(0)) / "_MANIFEST.json").read_bytes(),
        f"{day(1)}/.writing-empty": b"",
    }
    strange = {f"{day(0)}/export.xlsx": b"PK\x03\x04\0", "notes.txt": b"on the phone"}
    for name, written in (readable | kept | strange).items():
        (feed / name).parent.mkdir(parents=True, exist_ok=True)
        (feed / name).write_bytes(written)
    (feed / "linked").symlink_to(tmp_path)
    (feed / "inside").symlink_to(feed)
    done = delete_landed(landing, FEED, subject(), dry_run=False)
    assert sorted(done.unread) == sorted(
        f"{FEED}/{name}" for name in (*strange, "linked", "inside")
    )
    assert [name for name in (readable | kept | strange) if (feed / name).exists()] == [
        *kept,
        *strange,
    ]
    assert holders(landing.storage) == []
    assert [len(content(landing, n, tmp_path)) for n in range(2)] == [10, 4]


def test_a_part_in_another_form_is_understood_or_named(tmp_path: Path) -> None:
    landing = Landing(LocalStorage(tmp_path / "landing"))
    text = f"transaction_id;customer_id\n1;{CARD}\n2;5\n"
    put(landing, day(0), {"part-0.csv.gz": (gzip.compress(text.encode("cp1252")), 2)})
    put(
        landing,
        day(1),
        {"part-0.csv.gz": (gzip.compress(text.replace("customer_id", "card").encode()), 2)},
    )
    columns = ["transaction_id", "customer_id"]
    done = delete_landed(landing, FEED, subject(), dry_run=False, columns=columns)
    assert (done.rows, done.unread) == (1, [f"{FEED}/{day(1)}/part-0.csv.gz"])
    assert done.why[done.unread[0]] == "no column customer_id"
    assert content(landing, 0, tmp_path) == ["transaction_id;customer_id", "2;5"]
