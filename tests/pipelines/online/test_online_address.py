"""Where the online store is: what Feast is told, and what a person is told of an address that
cannot be used.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.online.address import OnlineAddress
from pipelines.online.feast_library import load_feast


def address(tmp_path: Path, **given: str) -> OnlineAddress:
    return OnlineAddress.of(Settings.build(home=tmp_path, **given))


def test_a_folder_holds_store_and_registry(tmp_path: Path) -> None:
    place = address(tmp_path, online_store=f"{tmp_path}/elsewhere")
    assert place.online_store() == {"type": "sqlite", "path": f"{tmp_path}/elsewhere/online.sqlite"}
    assert place.registry == f"sqlite:///{tmp_path}/elsewhere/registry.sqlite"


def test_redis_keeps_rows_and_a_database_or_the_home_the_registry(tmp_path: Path) -> None:
    load_feast()
    from feast.infra.online_stores.redis import RedisOnlineStore

    url = "rediss://feast:p%40s,12e4@cache.example:6380/3"
    place = address(tmp_path, online_store=url)
    assert place.registry == f"sqlite:///{tmp_path}/online/registry.sqlite"
    nodes, options = RedisOnlineStore._parse_connection_string(
        place.online_store()["connection_string"]
    )
    assert nodes == [{"host": "cache.example", "port": "6380"}]
    assert options == {
        name: value for name, value in place.redis_options().items() if name not in {"host", "port"}
    }
    secrets = {"username": "feast", "password": "p@s,12e4"}
    assert options.items() >= {"db": 3, "ssl": True, **secrets}.items()
    assert place.where == "rediss://feast:***@cache.example:6380/3"
    shared = "postgresql://ann:secret@base/feast"
    assert address(tmp_path, online_store=url, online_registry=shared).registry == shared.replace(
        "postgresql:", "postgresql+psycopg:"
    )


@pytest.mark.parametrize(
    ("given", "wrong_part"),
    [
        ("redis://:se/cret@host", "port"),
        ("redis://:12/secret@host", "port"),
        ("redis://:12#secret@host", "fragment"),
        ("redis://:12?secret@host", "query"),
        ("redis://:secret@host:port/0", "port"),
        ("redis://:secret@host/first", "number"),
        ("redis://:secret@host/0?db=3", "query"),
        ("redis://:secret@[::1]/0", "host"),
        ("redis://", "host"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_without_its_password(
    tmp_path: Path, given: str, wrong_part: str
) -> None:
    with pytest.raises(ConfigurationError, match="none that we can use") as caught:
        address(tmp_path, online_store=given)
    assert wrong_part in str(caught.value.found).lower()
    assert "cret" not in str(caught.value)
