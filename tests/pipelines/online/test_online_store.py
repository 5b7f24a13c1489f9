"""Feast's online store as we use it: what is written is read, what is old is unknown, what is
broken is said.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.definition import FeatureSet
from features.fraud import BASELINE
from features.state import EMPTY, EntityState
from pipelines.base.errors import StoreError, UsageError
from pipelines.lake.lake import Lake
from pipelines.online.address import OnlineAddress
from pipelines.online.states import FeastStates
from pipelines.online.store import OnlineStore
from tests.conftest import NOW

LATER = NOW + timedelta(seconds=1)


def open_store(
    folder: Path, stored: FeatureSet = BASELINE, sets: Sequence[FeatureSet] = ()
) -> OnlineStore:
    """An online store whose objects are declared; without Spark nothing can be materialised into
    it.
    """
    lake = Lake(None, str(folder / "lake"))  # type: ignore[arg-type]
    address = OnlineAddress.in_folder(folder / "online")
    store = OnlineStore(
        address, lake, project="fraud", owner="team", stored=stored, feature_sets=sets
    )
    store.apply()
    return store


def states_of(store: OnlineStore, *, not_before: datetime = NOW) -> FeastStates:
    return FeastStates(store, store.stored, not_before=not_before)


CUSTOMER = EMPTY.observe(1, 10, 500).observe(2, 20, 700)
TERMINAL = EMPTY.observe(1, 10, 0).report(1, 99)


def test_what_is_written_is_read_by_another_process_too(tmp_path: Path) -> None:
    states = states_of(open_store(tmp_path))
    states.write("customer", {7: CUSTOMER})
    states.write("terminal", {3: TERMINAL})
    again = states_of(open_store(tmp_path))
    read_again = again.read({"customer": [7, 8, 7], "terminal": [1, 3, 3]})
    assert read_again == {
        "customer": [CUSTOMER, EMPTY, CUSTOMER],
        "terminal": [EMPTY, TERMINAL, TERMINAL],
    }


def test_states_come_as_tables_each_key_once_unknown_ones_empty(tmp_path: Path) -> None:
    states = states_of(open_store(tmp_path))
    states.write("customer", {7: CUSTOMER})
    [(entity, table)] = states.tables({"customer": [9, 7, 7]})
    assert (entity, table.keys.tolist(), table.offsets.tolist()) == ("customer", [7, 9], [0, 2, 2])
    assert (table.ids.tolist(), table.cents.tolist()) == ([1, 2], [500, 700])


def test_a_row_from_before_the_watermark_is_unknown(tmp_path: Path) -> None:
    """Feast would serve it for ever: time-to-live is not looked at online."""
    store = open_store(tmp_path)
    states = states_of(store)
    states.write("customer", {7: CUSTOMER})
    assert states_of(store, not_before=LATER).read({"customer": [7]}) == {"customer": [EMPTY]}
    assert (
        store.present("customer", [7, 8], NOW).keys,
        store.present("customer", [7, 8], LATER).keys,
    ) == (1, 0)
    assert store.present("customer", [7, 8], NOW).events == len(CUSTOMER)


def test_a_view_that_is_being_materialised_is_served(tmp_path: Path) -> None:
    from feast.feature_view import FeatureViewState

    store = open_store(tmp_path)
    states = states_of(store)
    states.write("customer", {7: CUSTOMER})
    view = store.feast.get_feature_view("customer_state")
    view.state = FeatureViewState.MATERIALIZING
    store.feast.registry.apply_feature_view(view, "fraud")
    reader = open_reader(tmp_path)
    assert states_of(reader).read({"customer": [7]}) == {"customer": [CUSTOMER]}


def open_reader(folder: Path) -> OnlineStore:
    address = OnlineAddress.in_folder(folder / "online")
    return OnlineStore(
        address, None, project="fraud", owner="team", stored=BASELINE, feature_sets=()
    )


def test_a_store_for_reading_only_materialises_nothing(tmp_path: Path) -> None:
    open_store(tmp_path)
    with pytest.raises(UsageError, match="for reading only"):
        open_reader(tmp_path).materialise(NOW)


def test_rows_of_older_definitions_are_refused_not_misread(tmp_path: Path) -> None:
    counts = replace(
        BASELINE, features=tuple(f for f in BASELINE.features if f.name.endswith("tx_count_7d"))
    )
    older = states_of(open_store(tmp_path, counts))
    older.write("customer", {7: CUSTOMER})
    with pytest.raises(StoreError, match="older than the features' definitions") as error:
        states_of(open_store(tmp_path)).read({"customer": [7]})
    assert error.value.found == "no amounts"
    assert "materialize" in error.value.next_step


def test_a_locked_store_is_a_store_error_that_says_so(tmp_path: Path) -> None:
    states = states_of(open_store(tmp_path))
    with sqlite3.connect(tmp_path / "online" / "online.sqlite") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="refuses a write") as error:
            states.write("customer", {7: CUSTOMER})
        other.rollback()
    assert "locked" in error.value.found
    states.write("customer", {7: CUSTOMER})
    assert states.read({"customer": [7]}) == {"customer": [CUSTOMER]}


def test_a_corrupt_store_is_a_store_error(tmp_path: Path) -> None:
    open_store(tmp_path)
    (tmp_path / "online" / "online.sqlite").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match="does not answer"):
        states_of(open_reader(tmp_path)).read({"customer": [7]})


def test_a_service_names_the_arrays_that_its_set_needs_and_views_say_whose_they_are(
    tmp_path: Path,
) -> None:
    terminal_only = replace(
        BASELINE,
        name="small",
        features=tuple(f for f in BASELINE.features if f.name.startswith("terminal_fraud")),
    )
    store = open_store(tmp_path, sets=[terminal_only])
    service = store.feast.get_feature_service("small")
    assert [(p.name, [f.name for f in p.features]) for p in service.feature_view_projections] == [
        ("terminal_state", ["event_ids", "event_times", "reported_at"])
    ]
    assert service.tags["digest"] == terminal_only.digest
    view = store.feast.get_feature_view("customer_state")
    assert (view.owner, view.tags["owners"]) == ("team", "fraud-features")
    assert "customer_amount_mean_30d" in view.tags["features"].split(", ")
    assert all(field.description for field in view.features)
    assert store.feast.get_entity("customer").description == "the holder of the card"


def test_feast_keeps_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output belongs to `--json`."""
    states_of(open_store(tmp_path)).read({"customer": [1]})
    assert capsys.readouterr().out == ""


def test_states_compare_by_content() -> None:
    assert (
        EntityState.of({"event_ids": [2, 1], "event_times": [20, 10], "amounts": [700, 500]})
        == CUSTOMER
    )
