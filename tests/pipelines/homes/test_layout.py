"""A home that an earlier version laid out, with one place for all use cases, is moved by one
command.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.base.errors import ConfigurationError, NotArrivedError, StoreError
from pipelines.base.settings import Settings
from pipelines.homes import layout
from pipelines.homes.layout import former_folders, layout_warning, migrate, require_layout
from pipelines.landing.landing import Landing
from pipelines.object_store.storage import LocalStorage, open_storage
from pipelines.usecases.registry import load
from tests.cli.calling import called
from tests.object_store import REGION, make_bucket, s3

FRAUD = load("fraud")
DAY = date(2026, 11, 7)
FILES = {
    "alerts/2026-11-07.csv": b"rank",
    "reports/2026-11-07.html": b"day",
    "reports/releases/r1.html": b"card",
    "golden/golden-1/cases.parquet": b"cases",
    "imports/transactions/2026-11-07.parquet": b"claims",
}


def _former_home(home: Path) -> Settings:
    """A home as an earlier version left it: files, and a landed day of each feed."""
    for name, content in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    former = Landing(LocalStorage(home / "landing"))
    for feed in ("transactions", "fraud_reports"):
        former.write_day(feed, DAY, [pa.table({"a": [1]})])
    return Settings.build(home=home)


def _files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def former(tmp_path: Path) -> Settings:
    return _former_home(tmp_path / "home")


def test_everything_is_the_use_cases_own_afterwards(former: Settings) -> None:
    landed = _files(former.home / "landing")
    done = migrate(former, FRAUD)
    assert len(done.moved) == 6
    assert former_folders(former) == []
    assert {name: (former.home / "fraud" / name).read_bytes() for name in FILES} == FILES
    assert _files(former.home / "landing" / "fraud") == landed
    assert Landing.of(former, "fraud").days("transactions") == [DAY]
    assert migrate(former, FRAUD).moved == ()


def test_until_then_nothing_acts_on_the_home(former: Settings) -> None:
    with pytest.raises(ConfigurationError, match="laid out as earlier versions") as caught:
        require_layout(former)
    assert "tollgate home migrate" in caught.value.next_step
    assert "alerts, golden, imports, reports" in str(layout_warning(former))
    migrate(former, FRAUD)
    require_layout(former)
    assert layout_warning(former) is None


def test_a_new_home_has_nothing_to_move(settings: Settings) -> None:
    require_layout(settings)
    settings.home.mkdir(exist_ok=True)
    assert migrate(settings, FRAUD).moved == ()


@pytest.mark.parametrize("moved", range(6))
def test_a_migration_that_was_cut_off_is_completed(
    former: Settings, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    calls, move = [], layout._move_folder

    def cut_off(source: Path, place: Path) -> None:
        if len(calls) == moved:
            raise StoreError("the disk is full", where=str(place))
        calls.append(source)
        move(source, place)

    with monkeypatch.context() as patch:
        patch.setattr(layout, "_move_folder", cut_off)
        with pytest.raises(StoreError):
            migrate(former, FRAUD)
    migrate(former, FRAUD)
    assert {name: (former.home / "fraud" / name).read_bytes() for name in FILES} == FILES
    assert Landing.of(former, "fraud").days("fraud_reports") == [DAY]


def test_what_is_at_the_new_place_already_is_kept(former: Settings) -> None:
    own = former.home / "fraud"
    (own / "alerts").mkdir(parents=True)
    (own / "alerts" / "2026-11-08.csv").write_bytes(b"newer")
    (own / "alerts" / "2026-11-07.csv").write_bytes(FILES["alerts/2026-11-07.csv"])
    migrate(former, FRAUD)
    assert _files(own / "alerts") == {"2026-11-07.csv": b"rank", "2026-11-08.csv": b"newer"}


def test_two_different_files_of_one_name_are_both_kept(former: Settings) -> None:
    other = former.home / "fraud" / "alerts" / "2026-11-07.csv"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another list")
    with pytest.raises(ConfigurationError, match="two different files want one place") as caught:
        migrate(former, FRAUD)
    assert str(other) in str(caught.value.expected)
    assert other.read_bytes() == b"another list"
    assert (former.home / "alerts" / "2026-11-07.csv").read_bytes() == b"rank"


def test_a_day_that_a_sender_puts_into_the_former_place_is_named(settings: Settings) -> None:
    Landing(LocalStorage(Path(settings.landing))).write_day("transactions", DAY, [])
    landing = Landing.of(settings, "fraud")
    assert landing.arrival("transactions", DAY).state == "in the former place"
    with pytest.raises(NotArrivedError) as caught:
        landing.arrival("transactions", DAY).required()
    assert "tollgate home migrate" in caught.value.next_step
    migrate(settings, FRAUD)
    assert landing.arrival("transactions", DAY).arrived


def test_in_a_bucket_the_days_are_moved_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3(monkeypatch) as endpoint:
        make_bucket(endpoint, "bank")
        settings = Settings.build(
            home=tmp_path, landing="s3://bank/zone", s3_endpoint=endpoint, s3_region=REGION
        )
        landing = Landing.of(settings, "fraud")
        former = open_storage(settings, settings.landing)
        Landing(former).write_day("transactions", DAY, [pa.table({"a": [1, 2]})])
        assert landing.arrival("transactions", DAY).state == "in the former place"
        assert len(migrate(settings, FRAUD).moved) == 1
        assert landing.arrival("transactions", DAY).required().rows == 2
        assert former.files("transactions") == []


def test_the_command_says_what_it_moved(
    former: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(former.home))
    code, _, err = called(capsys, "run", "ingest", "--from", str(DAY), "--to", str(DAY))
    assert code == 1
    assert "tollgate home migrate" in err
    code, _, err = called(capsys, "which")
    assert "laid out as earlier versions had it" in err
    code, out, _ = called(capsys, "home", "migrate", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["use_case"] == "fraud"
    assert [str(former.home / "alerts"), str(former.home / "fraud" / "alerts")] in document["moved"]
    code, out, _ = called(capsys, "home", "migrate")
    assert (code, "everything is at its place already" in out) == (0, True)
