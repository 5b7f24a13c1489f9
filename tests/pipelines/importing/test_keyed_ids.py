"""Ids as keyed hashes: the same for who has the key, on every way in, and no id anywhere in the
landing zone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.cli.main import main
from pipelines.importing.conversion.ids import convert_id
from pipelines.importing.mapping.declared_columns import IdColumn
from pipelines.importing.mapping.definition import load_mapping
from pipelines.importing.mapping.keyed_ids import id_key, keyed_id
from pipelines.usecases.registry import load
from tests.pipelines.importing.sources import day, events
from tests.pipelines.importing.test_mapping import SHIPPED

KEY = b"k" * 40
NAMES = [f"CANARY-{number}-Ümit" for number in range(6)]


def hmac_sha256(key: bytes, text: bytes) -> bytes:
    """RFC 2104, written out; keys of up to 64 bytes."""
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + text).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


@given(st.text(min_size=1), st.binary(min_size=32, max_size=64))
def test_it_is_the_first_bits_of_the_hmac_and_never_looks_like_a_card_number(
    text: str, key: bytes
) -> None:
    assume(text.strip())
    composed = unicodedata.normalize("NFC", text.strip())
    number = keyed_id(key, "customer_id", text)
    whole = int.from_bytes(hmac_sha256(key, b"customer_id\0" + composed.encode()), "big") >> (
        256 - 53
    )
    assert number in {whole, whole ^ 1}
    assert 0 <= number < 2**53
    assert json.loads(json.dumps(number)) == int(float(number)) == number
    assert mask_card_numbers(str(number)) == str(number)
    assert number == whole or mask_card_numbers(str(whole)) != str(whole)


def test_some_would_have_looked_like_one() -> None:
    turned = [
        number
        for number in range(2_000)
        if keyed_id(KEY, "c", number)
        != int.from_bytes(hmac_sha256(KEY, f"c\0{number}".encode())[:8], "big") >> 11
    ]
    assert 100 < len(turned) < 300, "one in ten of those with 13 digits or more"


def test_an_id_is_the_same_however_written_and_another_by_column_or_key() -> None:
    assert keyed_id(KEY, "customer_id", 12) == keyed_id(KEY, "customer_id", " 12 ")
    arguments = [(KEY, "customer_id"), (KEY, "terminal_id"), (b"l" * 40, "customer_id")]
    assert len({keyed_id(key, column, 12) for key, column in arguments}) == 3


@pytest.mark.parametrize("kind", [pa.int64(), pa.string(), pa.large_string()])
def test_a_column_is_hashed_value_by_value_and_what_is_not_there_stays_so(
    kind: pa.DataType,
) -> None:
    values = pa.chunked_array([pa.array([1, None, 2], pa.int64()), pa.array([1], pa.int64())]).cast(
        kind
    )
    first, two = (keyed_id(KEY, "c", number) for number in (1, 2))
    assert hashed(values) == [first, None, two, first]


def hashed(values: pa.Array | pa.ChunkedArray) -> list[int | None]:
    """The keyed ids of a column of which the mapping says nothing but that it is hashed."""
    return list(
        convert_id([values], IdColumn(column="ID"), "c", pa.int64(), KEY).values.to_pylist()
    )


def test_blank_text_is_no_id_and_what_is_no_id_at_all_is_refused() -> None:
    assert hashed(pa.array(["", "  ", None])) == [None] * 3
    for value in (None, True, 1.0, "", "  "):
        with pytest.raises(ValueError, match="whole number or text"):
            keyed_id(KEY, "c", value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [("Caf\u00e9", "Cafe\u0301"), (" A7 ", "A7"), ("17.0", "17"), (17, "17"), (17.0, 17)],
)
def test_one_id_that_is_written_in_two_ways_is_one(written: object, otherwise: object) -> None:
    assert hashed(pa.array([written])) == hashed(pa.array([otherwise]))


def source(folder: Path) -> Path:
    """Two days of CSV whose customers are names."""
    folder.mkdir()
    for number in range(2):
        frame = events(number).assign(CUSTOMER_ID=NAMES)
        (folder / f"{day(number)}.csv.gz").write_bytes(
            gzip.compress(frame.to_csv(index=False).encode())
        )
    return folder


def mapping(folder: Path, keyed: str) -> str:
    text = (
        SHIPPED.read_text().replace("{day}.parquet", "{day}.csv.gz").replace('"parquet"', '"csv"')
    )
    path = folder / "my.toml"
    path.write_text(text.replace('# keyed = ["customer_id"]', f"keyed = {keyed}"))
    assert f"keyed = {keyed}" in path.read_text()
    return str(path)


def test_names_are_imported_as_keyed_ids_and_found_again_by_who_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    how = mapping(tmp_path, '["customer_id"]')
    command = ["import", "--mapping", how, "--path", str(source(tmp_path / "source"))]
    with pytest.raises(SystemExit) as ending:
        main([*command, "--from", str(day(0)), "--to", str(day(1))])
    assert ending.value.code == 0
    landed = [path for path in (tmp_path / "home" / "landing").rglob("*") if path.is_file()]
    rows: list[dict[str, Any]] = []
    for path in landed:
        if "/transactions/" in str(path) and path.suffix == ".parquet":
            rows += pq.read_table(path).to_pylist()
    assert len(rows) == 12
    capsys.readouterr()

    (tmp_path / "who").write_text("\n".join(NAMES))
    with pytest.raises(SystemExit):
        main(["keyed-ids", "customer_id", "--ids-from", str(tmp_path / "who")])
    printed = capsys.readouterr().out
    hashed = [int(line) for line in printed.split()]
    assert [row["customer_id"] for row in rows] == hashed * 2
    assert len(set(hashed)) == len(NAMES)
    assert not [
        path
        for path in (tmp_path / "home").rglob("*")
        if path.is_file() and b"CANARY" in path.read_bytes()
    ]
    assert "CANARY" not in printed + str(rows)
    assert pd.Series(hashed).between(0, 2**53 - 1).all()


def test_a_mapping_that_hashes_what_is_no_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(mapping(tmp_path, '["customer", "amount", "event_time"]'), load("fraud"))
    for problem in (
        "customer is not a column of transactions",
        "amount is decimal(12,2)",
        "event_time is timestamp",
    ):
        assert f"keyed: {problem}" in caught.value.found


def test_the_home_makes_one_key_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path)
    assert (
        id_key(settings, may_make=True)
        == id_key(settings, may_make=False)
        == id_key(settings, may_make=True)
    )
    path = tmp_path / "keys" / "ids.key"
    assert path.stat().st_mode & 0o077 == 0
    other = Settings.build(home=tmp_path / "other", id_key=path)
    assert id_key(other, may_make=True) == id_key(settings, may_make=False)
    assert not (tmp_path / "other").exists()


def test_imports_that_begin_at_once_share_one_key(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path)
    together = Barrier(8)

    def key(_: int) -> bytes:
        together.wait()
        return id_key(settings, may_make=True)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(key, range(8)))) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["ids.key"]


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_key_that_is_not_there_or_short_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="key of ids cannot be used"):
        id_key(Settings.build(home=tmp_path, id_key=path), may_make=True)


@pytest.mark.parametrize(
    ("column", "file", "message", "code"),
    [
        ("price", "ids", "price is not a column of transactions", 2),
        ("amount", "ids", "amount is decimal(12,2)", 2),
        ("customer_id", "nowhere", "No such file", 2),
        ("customer_id", "ids", "the key of ids cannot be used", 1),
    ],
)
def test_the_command_says_what_it_cannot_do(
    column: str,
    file: str,
    message: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    (tmp_path / "ids").write_text("CANARY")
    with pytest.raises(SystemExit) as ending:
        main(["keyed-ids", column, "--ids-from", str(tmp_path / file)])
    assert ending.value.code == code
    said = capsys.readouterr()
    assert message in said.err
    assert "CANARY" not in said.err + said.out
    assert not (tmp_path / "home").exists()
