"""A rehearsal beside production and a restored backup run the night that the original runs, and
leave it alone.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipelines.base.days import DayRange
from pipelines.base.home import require_own_home
from pipelines.base.settings import Settings
from pipelines.homes.adoption import adopt
from pipelines.homes.backup import back_up_home
from pipelines.homes.restore import restore_home
from pipelines.landing.landing import Landing
from pipelines.ledger.homes import require_own_ledger
from pipelines.mlflow.tables import read_registry
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.ingest import ingest
from pipelines.nightly.materialize.stage import materialize
from pipelines.nightly.monitor.stage import monitor
from pipelines.nightly.score.stage import score
from pipelines.releases.bundle import load_bundle, releases_folder
from pipelines.run import Run
from pipelines.training.stage import train
from tests.conftest import NOW
from tests.pipelines.homes.example_home import files_of
from tests.pipelines.nightly.ingest.landing_days import events, land
from tests.pipelines.training_lake import AS_OF, make_history, small_use_case, store_history

pytestmark = pytest.mark.slow

NIGHT = DayRange.single(AS_OF)
"""The day after all that the original had when it was copied."""

TABLES = ("transactions", "fraud_reports", "features", "predictions", "metrics")
EVENTS = 300


@dataclass(frozen=True)
class Homes:
    """The original as it goes on, the copy that was adopted, the home from a backup, and what the
    original was.
    """

    original: Settings
    copy: Settings
    restored: Settings
    release_id: str
    history: dict[str, str]


def run_in(settings: Settings) -> Run:
    """A run as a command has it: the home is asked first whether it may act."""
    require_own_ledger(settings, require_own_home(settings), actor="test")
    return Run(settings, small_use_case(), run_id="night", actor="test", clock=lambda: NOW)


def night(settings: Settings) -> None:
    """The next day arrives and goes through every stage."""
    run = run_in(settings)
    land(Landing.of(settings, "fraud"), AS_OF, events(AS_OF, EVENTS, start=1_000_000))
    ingest(run, NIGHT)
    build_features(run, NIGHT)
    materialize(run, NIGHT)
    score(run, NIGHT)
    monitor(run, NIGHT, evidently=False)


def rows_of(settings: Settings, *, of_the_night: bool) -> dict[str, str]:
    """A digest of each table's rows, of the night's day or of all days before, whatever their order
    in files.
    """
    digests = {}
    for table in TABLES:
        path = Path(settings.lake, "fraud", table)
        if not path.is_dir():
            continue
        compared = "=" if of_the_night else "<"
        rows = DeltaTable(str(path)).to_pyarrow_table(filters=[("day", compared, AS_OF)])
        digests[table] = _digest(rows)
    return digests


def _digest(rows: pa.Table) -> str:
    plain = rows.select(sorted(rows.column_names)).to_pylist()
    lines = sorted(str(row) for row in plain)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(lines)} rows {digest}"


@pytest.fixture(scope="module")
def homes(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """An original with seven weeks and a champion; its copy and its backup; then a night in each of
    the three.
    """
    root = tmp_path_factory.mktemp("homes")
    original = Settings.build(home=root / "original", spark_cores=1)
    original.home.mkdir()
    run = run_in(original)
    store_history(run, make_history(run))
    trained = train(run, AS_OF, reason="the first one")
    assert trained.in_production
    history = rows_of(original, of_the_night=False)

    copy = Settings.build(home=root / "a rehearsal", spark_cores=1)
    subprocess.run(["cp", "-a", str(original.home), str(copy.home)], check=True)
    adopt(copy, actor="test", at=NOW)
    back_up_home(original, root / "home.tar", at=NOW)
    restored = Settings.build(home=root / "restored", spark_cores=1)
    restore_home(restored, root / "home.tar", actor="test", at=NOW)

    everyone = (copy, original, restored)
    for settings in everyone:
        others = [other.home for other in everyone if other != settings]
        before = [files_of(other) for other in others]
        night(settings)
        assert [files_of(other) for other in others] == before
    return Homes(original, copy, restored, trained.release_id, history)


@pytest.fixture(params=["copy", "restored"])
def other(homes: Homes, request: pytest.FixtureRequest) -> Settings:
    """A home that was made of the original."""
    settings: Settings = getattr(homes, request.param)
    return settings


def test_the_days_that_existed_are_the_same_to_the_last_row(homes: Homes, other: Settings) -> None:
    assert set(homes.history) == {"transactions", "fraud_reports", "features"}
    assert {
        table: rows_of(other, of_the_night=False)[table] for table in homes.history
    } == homes.history


def test_the_night_left_the_rows_that_it_left_in_the_original(
    homes: Homes, other: Settings
) -> None:
    expected = rows_of(homes.original, of_the_night=True)
    assert set(expected) == set(TABLES)
    assert expected["predictions"].startswith(f"{EVENTS} rows")
    assert rows_of(other, of_the_night=True) == expected


def test_the_champion_is_the_ledgers_in_mlflow_too(homes: Homes, other: Settings) -> None:
    run = run_in(other)
    pointer = run.ledger.champion()
    assert pointer is not None
    assert pointer.release_id == homes.release_id
    bundle = load_bundle(releases_folder(other.home), homes.release_id)
    there = load_bundle(releases_folder(homes.original.home), homes.release_id)
    assert bundle.manifest_digest == there.manifest_digest
    registry = read_registry(other.mlflow, "fraud", "champion")
    named = [version for version in registry.versions if version.version == registry.alias]
    assert [version.release for version in named] == [homes.release_id]
    assert str(homes.original.home) not in named[0].location


def test_the_night_found_every_store_as_the_ledger_expects(homes: Homes, other: Settings) -> None:
    for settings in (homes.original, other):
        kinds = {incident.kind for incident in run_in(settings).ledger.incidents(open_only=True)}
        assert "lost_store" not in kinds


def test_the_three_are_homes_of_their_own(homes: Homes) -> None:
    three = [
        require_own_home(settings) for settings in (homes.original, homes.copy, homes.restored)
    ]
    assert len({home.home_id for home in three}) == 3
    assert {home.copied_from for home in three[1:]} == {three[0].home_id}
