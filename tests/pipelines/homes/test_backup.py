"""A whole home in one file and back: equal, checked to the last byte, and never over something that
is there.
"""

from __future__ import annotations

import tarfile
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.errors import PermanentError, UsageError
from pipelines.base.home import require_own_home
from pipelines.base.settings import Settings
from pipelines.homes import archive
from pipelines.homes.archive import ArchiveWriter
from pipelines.homes.backup import back_up_home
from pipelines.homes.restore import restore_home
from tests.pipelines.homes.example_home import AT, days_of, files_of, make_home, run_day


@pytest.fixture
def original(tmp_path: Path) -> Settings:
    return make_home(tmp_path / "one")


@pytest.fixture
def backup(original: Settings, tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "home.tar"
    back_up_home(original, path, at=AT)
    return path


def test_a_home_restored_elsewhere_is_equal_and_a_home_of_its_own(
    original: Settings, backup: Path, tmp_path: Path
) -> None:
    before = files_of(original.home)
    restored = Settings.build(home=tmp_path / "two")
    done = restore_home(restored, backup, actor="test", at=AT)
    assert done.adoption is not None
    assert done.adoption.event == "adopted"
    after = files_of(restored.home)
    removed = {"airflow/jwt.key", "airflow/mlflow.key", "serving/keys.json", "keys/signing.pem"}
    assert before.keys() - after.keys() == removed
    assert {name for name in after if after[name] != before[name]} == {"home.json", "ledger.sqlite"}
    assert days_of(restored) == days_of(original)
    run_day(restored, date(2026, 11, 2))
    assert date(2026, 11, 2) not in days_of(original)
    assert files_of(original.home) == before


def test_the_original_is_gone_and_the_restored_home_takes_its_place(
    original: Settings, backup: Path, tmp_path: Path
) -> None:
    identity, key = (
        require_own_home(original).home_id,
        (original.home / "keys" / "signing.pem").read_bytes(),
    )
    original.home.rename(tmp_path / "away")
    (tmp_path / "away" / "home.json").unlink()
    restored = Settings.build(home=tmp_path / "two")
    restore_home(restored, backup, actor="test", at=AT, same_home=True)
    assert require_own_home(restored).home_id == identity
    assert (restored.home / "keys" / "signing.pem").read_bytes() == key
    assert (restored.home / "keys" / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_at_its_own_place_it_is_the_same_home(
    original: Settings, backup: Path, tmp_path: Path
) -> None:
    identity, before = require_own_home(original).home_id, files_of(original.home)
    original.home.rename(tmp_path / "away")
    assert restore_home(original, backup, actor="test", at=AT).adoption is None
    assert require_own_home(original).home_id == identity
    assert files_of(original.home) == before


def test_the_file_is_its_owners_alone(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]


def test_nothing_is_restored_over_what_is_there(
    original: Settings, backup: Path, tmp_path: Path
) -> None:
    before = files_of(original.home)
    with pytest.raises(UsageError, match="something already"):
        restore_home(original, backup, actor="test", at=AT)
    assert files_of(original.home) == before
    elsewhere = Settings.build(home=tmp_path / "two", lake=str(tmp_path / "lake"))
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "rows").write_text("mine")
    with pytest.raises(UsageError, match="something already"):
        restore_home(elsewhere, backup, actor="test", at=AT)


def test_stores_outside_the_home_come_back_where_the_settings_place_them(
    backup: Path, tmp_path: Path
) -> None:
    restored = Settings.build(
        home=tmp_path / "two", lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing")
    )
    restore_home(restored, backup, actor="test", at=AT)
    assert (tmp_path / "lake" / "fraud" / "transactions" / "part-0.parquet").read_text() == "rows"
    assert not (restored.home / "lake").exists()


def test_a_byte_that_differs_anywhere_is_refused_and_leaves_nothing(
    backup: Path, tmp_path: Path
) -> None:
    whole = backup.read_bytes()
    restored = Settings.build(home=tmp_path / "two")
    for place in range(0, len(whole), max(1, len(whole) // 40)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x01
        backup.write_bytes(damaged)
        with pytest.raises(PermanentError, match="no whole backup"):
            restore_home(restored, backup, actor="test", at=AT)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        backup.write_bytes(whole[:length])
        with pytest.raises(PermanentError, match="no whole backup"):
            restore_home(restored, backup, actor="test", at=AT)
    assert not [path for path in tmp_path.iterdir() if "two" in path.name]


@pytest.mark.parametrize(
    "name",
    ["../evil", "/evil", "home/../../evil", "home//evil", "home/./evil", "odd", "stores/x/y"],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.tar"
    writer = ArchiveWriter(path)
    writer.add_bytes(name, b"evil", mode=0o600, changed=0)
    writer.finish({"folders": {}, "made_at": "", "elsewhere": {}, "settings": {}})
    with pytest.raises(PermanentError, match="no whole backup"):
        restore_home(Settings.build(home=tmp_path / "two"), path, actor="test", at=AT)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["evil.tar"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_other_kinds_of_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: bytes
) -> None:
    real = archive._header

    def linked(name: str, *rest: int) -> tarfile.TarInfo:
        header = real(name, *rest)
        if name == "home/link":
            header.type, header.linkname = kind, "/etc/passwd"
        return header

    monkeypatch.setattr(archive, "_header", linked)
    path = tmp_path / "evil.tar"
    writer = ArchiveWriter(path)
    writer.add_bytes("home/link", b"", mode=0o600, changed=0)
    writer.finish({"folders": {}, "made_at": "", "elsewhere": {}, "settings": {}})
    with pytest.raises(PermanentError, match="no whole backup"):
        restore_home(Settings.build(home=tmp_path / "two"), path, actor="test", at=AT)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["evil.tar"]
