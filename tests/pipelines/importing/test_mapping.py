"""Mapping files: the one that comes along, and every problem of a wrong one at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.importing.mapping.definition import load_mapping, shipped_mappings
from pipelines.usecases.registry import load

FRAUD = load("fraud")
SHIPPED = Path(__file__).parents[3] / "pipelines" / "importing" / "mappings" / "handbook.toml"


def test_the_handbook_mapping_comes_along_and_serves_as_a_template(tmp_path: Path) -> None:
    assert shipped_mappings() == ["handbook"]
    mapping = load_mapping("handbook", FRAUD)
    assert mapping.source.daily
    assert mapping.labels.delay.days == 7
    copy = tmp_path / "my.toml"
    copy.write_text(SHIPPED.read_text())
    assert load_mapping(str(copy), FRAUD) == mapping


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        """
        colour = "red"
        [source]
        files = "../{day}.parquet"
        format = "excel"
        time_zone = "Mars/Olympus"
        [events]
        transaction_id = "ID"
        price = "PRICE"
        amount = 7
        [labels]
        column = "FRAUD"
        positive = []
        delay_hours = -1
        """
    )
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(str(path), FRAUD)
    for problem in (
        "colour: ",
        "source.files: must be a path below --path",
        "source.format: ",
        "source.time_zone: must be a time zone",
        "events.amount: ",
        "events.event_time: missing",
        "events.customer_id: missing",
        "events.terminal_id: missing",
        "events.price: not a column of transactions",
        "labels.positive: ",
        "labels.delay_hours: ",
    ):
        assert problem in caught.value.found
    assert caught.value.where == str(path)


@pytest.mark.guarantee(
    "path tricks", fault="patterns of a mapping that lead out of the path", seen="refused"
)
@pytest.mark.parametrize("files", ["/etc/{day}.parquet", "a/../../{day}", "", "{date}.parquet"])
def test_files_stay_below_the_path(tmp_path: Path, files: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(SHIPPED.read_text().replace("{day}.parquet", files, 1))
    with pytest.raises(ConfigurationError, match=r"source\.files"):
        load_mapping(str(path), FRAUD)


@pytest.mark.parametrize("name", ["handbok", "no/such/file.toml", "../handbook"])
def test_an_unknown_mapping_is_told_which_there_are(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"one of handbook, or the path of a TOML file"):
        load_mapping(name, FRAUD)


@pytest.mark.parametrize("content", ["not toml", "source = 7", "", "\x00"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"my\.toml"):
        load_mapping(str(path), FRAUD)
