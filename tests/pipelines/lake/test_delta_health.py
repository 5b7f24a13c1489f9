"""A table whose files are not whole is told by name before anything reads it, and mended without
losing a file.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.accounts.audit import RepairDetail
from pipelines.base.errors import PermanentError, TollgateError
from pipelines.base.settings import Settings
from pipelines.lake.delta_health import DamagedTableError, damages, log_damage
from pipelines.lake.delta_repair import folder_for, repair
from pipelines.ledger.ledger import Ledger
from tests.accounts import features_account
from tests.cli.calling import called

DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def _write(table: Path, day: str, rows: int) -> None:
    """One commit, with Hadoop's checksum beside it as Spark leaves it."""
    data = pa.table({"id": list(range(rows)), "day": [date.fromisoformat(day)] * rows})
    write_deltalake(table, data, partition_by=["day"], mode="append")
    file = _commit(table, DeltaTable(table).version())
    content = file.read_bytes()
    sums = [zlib.crc32(content[place : place + 512]) for place in range(0, len(content), 512)]
    file.with_name(f".{file.name}.crc").write_bytes(
        b"crc\0" + struct.pack(f">i{len(sums)}I", 512, *sums)
    )


def _commit(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020d}.json"


@pytest.fixture
def lake(settings: Settings) -> Path:
    """A home's lake with one table of three commits, a day each."""
    for number, day in enumerate(DAYS, 1):
        _write(Path(settings.lake) / "fraud" / "features", day, 10 * number)
    return Path(settings.lake)


@pytest.fixture
def table(lake: Path) -> Path:
    """That table."""
    return lake / "fraud" / "features"


@pytest.fixture
def command(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Calls a command of `tollgate` in this home: its exit code, its output, its messages."""
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    return partial(called, capsys)


def _rows(table: Path) -> int:
    return len(DeltaTable(table).to_pyarrow_table())


def _cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


NEWEST: dict[str, Callable[[Path], object]] = {
    "cut off": lambda file: _cut(file, 200),
    "empty": lambda file: file.write_bytes(b""),
    "zeros, as some file systems leave them": lambda file: file.write_bytes(b"\0" * 4096),
    "cut off in the middle of a letter": lambda file: file.write_bytes(
        b'{"commitInfo":{"x":"B\xc3'
    ),
    "not an action": lambda file: file.write_bytes(b"[]\n"),
}


@pytest.mark.parametrize("how", NEWEST)
def test_a_newest_commit_that_is_not_whole_is_told_and_taken_away(
    how: str, lake: Path, table: Path
) -> None:
    assert list(damages(lake)) == []
    NEWEST[how](_commit(table, 2))
    damage = log_damage(table)
    assert damage is not None
    assert (damage.file, damage.kind, damage.version, damage.whole) == (
        _commit(table, 2),
        "commit",
        2,
        1,
    )
    done = repair(damage, folder_for(lake, damage, AT), said="{}", at=AT)
    assert "the table is at version 1" in done.done
    assert [path.name for path in done.moved] == [f"{2:020d}.json", f".{2:020d}.json.crc"]
    assert all(path.is_relative_to(lake / "_set_aside") for path in done.moved)
    assert list(damages(lake)) == []
    assert _rows(table) == 30


def test_the_days_that_a_cut_commit_names_are_known(table: Path) -> None:
    said = json.dumps({"days": list(DAYS), "stage": "features"})
    _commit(table, 2).write_text(
        json.dumps({"commitInfo": {"userMetadata": said}}) + '\n{"add":{"path":"da'
    )
    damage = log_damage(table)
    assert damage is not None
    assert damage.days == DAYS


def test_a_commit_that_ends_after_a_line_but_lacks_files_is_not_whole(table: Path) -> None:
    info = {"operation": "WRITE", "operationMetrics": {"numFiles": "2"}}
    add = {"path": "a", "size": 1, "partitionValues": {}, "modificationTime": 1, "dataChange": True}
    _commit(table, 3).write_text(
        json.dumps({"commitInfo": info}) + "\n" + json.dumps({"add": add}) + "\n"
    )
    damage = log_damage(table)
    assert damage is not None
    assert "1 of 2 files are named" in damage.problem


def test_an_empty_commit_in_the_middle_is_no_silent_loss(lake: Path, table: Path) -> None:
    _commit(table, 1).write_bytes(b"")
    damage = log_damage(table)
    assert damage is not None
    assert (damage.version, damage.newest) == (1, False)
    repair(damage, folder_for(lake, damage, AT), said='{"days": []}', at=AT)
    assert list(damages(lake)) == []
    assert _rows(table) == 40


def test_a_cut_commit_with_others_after_it_stays_where_it_is(lake: Path, table: Path) -> None:
    _cut(_commit(table, 1), 150)
    damage = log_damage(table)
    assert damage is not None
    with pytest.raises(PermanentError, match="cannot be taken away safely"):
        repair(damage, folder_for(lake, damage, AT), said="{}", at=AT)
    assert _commit(table, 1).stat().st_size == 150


def test_a_commit_that_is_missing_is_told(table: Path) -> None:
    _commit(table, 1).unlink()
    damage = log_damage(table)
    assert damage is not None
    assert (damage.kind, damage.whole) == ("gap", 0)


def test_a_checksum_of_other_bytes_is_taken_away_and_the_commit_stays(
    lake: Path, table: Path
) -> None:
    checksum = _commit(table, 2).with_name(f".{2:020d}.json.crc")
    checksum.write_bytes(b"crc\0" + struct.pack(">iI", 512, 1))
    damage = log_damage(table)
    assert damage is not None
    assert (damage.kind, damage.file) == ("checksum", checksum)
    repair(damage, folder_for(lake, damage, AT), said="{}", at=AT)
    assert _rows(table) == 60
    checksum.write_bytes(b"")
    assert log_damage(table) is None, "Hadoop takes no notice of an empty one"


@pytest.mark.parametrize("size", [0, 300])
def test_a_checkpoint_that_is_cut_off_is_taken_away_where_the_commits_are_there(
    size: int, lake: Path, table: Path
) -> None:
    DeltaTable(table).create_checkpoint()
    _write(table, "2024-03-04", 5)
    (checkpoint,) = (table / "_delta_log").glob("0*.checkpoint.parquet")
    _cut(checkpoint, size)
    damage = log_damage(table)
    assert damage is not None
    assert (damage.kind, damage.version, damage.whole) == ("checkpoint", 2, 3)
    repair(damage, folder_for(lake, damage, AT), said="{}", at=AT)
    assert list(damages(lake)) == []
    assert _rows(table) == 65


@pytest.mark.parametrize("size", [None, 0, 100])
def test_a_data_file_that_is_missing_or_cut_off_is_taken_out_of_the_table(
    size: int | None, lake: Path, table: Path
) -> None:
    (file,) = (table / "day=2024-03-02").glob("*.parquet")
    file.unlink() if size is None else _cut(file, size)
    assert log_damage(table) is None
    (damage,) = damages(lake)
    assert (damage.kind, damage.file, damage.days) == ("data", file, ("2024-03-02",))
    repair(damage, folder_for(lake, damage, AT), said="{}", at=AT)
    assert list(damages(lake)) == []
    assert _rows(table) == 40


def test_the_lake_refuses_to_read_and_to_write_before_spark_is_asked(
    lake: Path, table: Path
) -> None:
    from pipelines.lake.lake import Lake

    _cut(_commit(table, 2), 200)
    touched: Any = None
    door = Lake(touched, str(lake / "fraud"))
    for use in (
        lambda: door.read("features"),
        lambda: door.history("features"),
        lambda: door.writing("features").__enter__(),
    ):
        with pytest.raises(DamagedTableError) as caught:
            use()
        message = str(caught.value)
        assert "the table 'features' is damaged" in message
        assert f"{2:020d}.json" in message
        assert "version 1 is whole" in message
        assert "tollgate repair lake" in message
        assert "docs/runbooks/lake-damaged.md" in message


def test_doctor_and_status_name_it_and_the_command_mends_it_and_says_what_to_run_again(
    table: Path,
    settings: Settings,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    ledger = Ledger(settings.ledger, "fraud")
    for version, day in enumerate(DAYS):
        account = features_account(version=version, feature_digest="x", inputs={}, rows=1)
        ledger.record_stage(date.fromisoformat(day), account, "done", run_id="a", at=AT)
    _commit(table, 2).write_bytes(b"")
    _, out, _ = command("doctor", "--json")
    (check,) = [each for each in json.loads(out) if each["name"] == "lake"]
    assert not check["ok"]
    assert (
        "features: _delta_log/00000000000000000002.json: 0 bytes without content; version 1 is"
        " whole" in check["found"]
    )
    _, out, _ = command("status")
    assert "the table features is damaged" in out
    code, out, _ = command("repair", "lake", "--json")
    document = json.loads(out)
    assert (code, len(document["taken_away"])) == (0, 1)
    assert document["run_again"] == [
        f"tollgate run {stage} --from 2024-03-03 --to 2024-03-03"
        for stage in ("features", "score", "monitor")
    ]
    (entry,) = ledger.audit_entries(RepairDetail)
    assert entry.subject == "features"
    code, out, _ = command("repair", "lake")
    assert (code, out) == (0, "every table is whole\n")


def test_a_server_that_may_know_the_table_is_to_be_stopped_first(
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://127.0.0.1:1")
    _commit(table, 2).write_bytes(b"")
    code, _, err = command("repair", "lake")
    assert code == 1
    assert "tollgate down" in err
    assert log_damage(table) is not None


def test_what_is_told_is_an_error_of_ours() -> None:
    assert issubclass(DamagedTableError, TollgateError)


def _sums(content: bytes) -> bytes:
    parts = [zlib.crc32(content[place : place + 512]) for place in range(0, len(content), 512)]
    return b"crc\0" + struct.pack(f">i{len(parts)}I", 512, *parts)


STALE: dict[str, bytes] = {
    "of other bytes": b"crc\0" + struct.pack(">iI", 512, 1),
    "cut off": b"crc\0" + struct.pack(">i", 512),
    "empty": b"",
    "no checksum": b"something else",
}


def _one_data_file(table: Path, day: str) -> Path:
    (file,) = (table / f"day={day}").glob("*.parquet")
    return file


@pytest.mark.parametrize("how", STALE)
def test_a_stale_checksum_of_a_whole_data_file_is_named_and_taken_away(
    how: str,
    lake: Path,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    for name in ("features", "quarantine"):
        table = lake / "fraud" / name
        if name == "quarantine":
            _write(table, DAYS[1], 7)
        for file in table.glob("day=*/*.parquet"):
            file.with_name(f".{file.name}.crc").write_bytes(_sums(file.read_bytes()))
    code, out, _ = command("doctor", "--json")
    assert [each["ok"] for each in json.loads(out) if each["name"] == "lake"] == [True]
    stale = [_one_data_file(lake / "fraud" / name, DAYS[1]) for name in ("features", "quarantine")]
    for file in stale:
        file.with_name(f".{file.name}.crc").write_bytes(STALE[how])

    code, out, _ = command("doctor", "--json")
    named = [each["found"] for each in json.loads(out) if each["name"] == "lake" and not each["ok"]]
    assert code == 1
    assert len(named) == 2
    assert all(f".{file.name}.crc" in text for file, text in zip(stale, named, strict=True))

    code, out, _ = command("repair", "lake", "--json")
    document = json.loads(out)
    assert (code, len(document["taken_away"]), document["run_again"]) == (0, 2, [])
    assert all(file.exists() and not file.with_name(f".{file.name}.crc").exists() for file in stale)
    assert _rows(lake / "fraud" / "features") == 60
    code, out, _ = command("repair", "lake")
    assert (code, out) == (0, "every table is whole\n")


def test_stale_checksums_in_the_landing_zone_are_taken_away_and_none_is_lost(
    settings: Settings, command: Callable[..., tuple[int, str, str]]
) -> None:
    files = [
        Path(settings.landing) / "fraud" / "transactions" / day / "part-0.parquet" for day in DAYS
    ]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"some rows")
        good = _sums(b"some rows")
        file.with_name(".part-0.parquet.crc").write_bytes(
            good if number == 0 else _sums(b"a day before")
        )
    code, out, _ = command("doctor", "--json")
    named = [
        each["found"] for each in json.loads(out) if each["name"] == "landing" and not each["ok"]
    ]
    assert [text.split(":")[1].strip() for text in named] == [
        f"{day}/.part-0.parquet.crc" for day in DAYS[1:]
    ]
    code, out, _ = command("repair", "lake", "--json")
    remedies = json.loads(out)["taken_away"]
    moved = set(chain.from_iterable(remedy["moved"] for remedy in remedies))
    assert (code, len(moved)) == (0, 2)
    assert all(Path(path).read_bytes() == _sums(b"a day before") for path in moved)
    assert all(file.exists() for file in files)


def test_a_data_file_that_fits_no_checksum_and_cannot_be_read_is_taken_out_of_the_table(
    lake: Path,
    table: Path,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    file = _one_data_file(table, DAYS[1])
    content = file.read_bytes()
    file.with_name(f".{file.name}.crc").write_bytes(_sums(content))
    file.write_bytes(b"\0" * len(content))
    code, out, _ = command("repair", "lake", "--json")
    document = json.loads(out)
    assert (code, [each["file"] for each in document["taken_away"]]) == (0, [str(file)])
    assert document["run_again"][0] == f"tollgate run features --from {DAYS[1]} --to {DAYS[1]}"
    assert _rows(table) == 40
