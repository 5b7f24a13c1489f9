"""A column that is added to the events: mappings of files from before may leave it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.days import Imported, import_days
from pipelines.importing.mapping.definition import load_mapping
from pipelines.landing.landing import Landing
from pipelines.usecases.definition import Column, UseCase
from pipelines.usecases.registry import load
from tests.pipelines.importing.sources import day, events, landing_in, write_days
from tests.pipelines.importing.test_mapping import SHIPPED

FRAUD = load("fraud")
CHANNEL = Column(
    name="channel",
    type="string",
    description="where the card was used",
    added_on=day(2),
    default="till",
)
LATER = replace(FRAUD, events=replace(FRAUD.events, columns=(*FRAUD.events.columns, CHANNEL)))


def _import(
    landing: Landing, folder: Path, number: int, use_case: UseCase, mapping: str = "handbook"
) -> list[Imported]:
    source = Source(folder, load_mapping(mapping, use_case), use_case.events)
    return list(import_days(landing, source, use_case, DayRange.single(day(number))))


def _channels(landing: Landing, number: int) -> list[str] | None:
    (path,) = landing.fetch("transactions", day(number), Path(landing.address))
    table = pq.read_table(path)
    return table["channel"].to_pylist() if "channel" in table.column_names else None


def test_old_days_are_imported_by_the_old_mapping_before_and_after(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    folder = write_days(tmp_path / "source", 0, 2)
    _import(landing, folder, 0, FRAUD)
    assert _channels(landing, 0) is None

    (again, *_) = _import(landing, folder, 0, LATER)
    assert (again.events, again.positives) == (6, 3)
    _import(landing, folder, 1, LATER)
    assert [_channels(landing, number) for number in (0, 1)] == [["till"] * 6] * 2


def test_days_that_must_have_the_column_are_refused_without_it(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    folder = write_days(tmp_path / "source", 2, 2)
    with pytest.raises(ConfigurationError) as refused:
        _import(landing, folder, 2, LATER)
    assert f"channel is a column of transactions since {day(2)}" in refused.value.found
    assert "events.channel" in refused.value.found
    assert landing.days("transactions") == []


def test_the_mapping_can_name_it_for_any_day(tmp_path: Path) -> None:
    landing = landing_in(tmp_path / "landing")
    folder = tmp_path / "source"
    folder.mkdir()
    for number in (1, 2):
        places = ["till", "web", "web", "till", "app", "app"]
        pd.DataFrame(events(number)).assign(WHERE=places).to_parquet(
            folder / f"{day(number)}.parquet"
        )
    text = SHIPPED.read_text()
    assert text.count("\ntransaction_id = ") == 1
    (tmp_path / "my.toml").write_text(
        text.replace("\ntransaction_id = ", '\nchannel = "WHERE"\ntransaction_id = ')
    )
    for number in (1, 2):
        _import(landing, folder, number, LATER, str(tmp_path / "my.toml"))
        assert sorted(_channels(landing, number) or []) == [
            "app",
            "app",
            "till",
            "till",
            "web",
            "web",
        ]
