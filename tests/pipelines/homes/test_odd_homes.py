"""Homes whose path holds blanks, marks and letters: addresses, Java's options and landed files lead
into that home.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.airflow.server import environment
from pipelines.base.addresses import with_our_driver
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.ledger.ledger import Ledger
from pipelines.nightly.ingest.arrival import landed
from pipelines.nightly.ingest.reading import _as_named
from pipelines.online.address import OnlineAddress
from pipelines.spark.session import quoted, server_options
from pipelines.usecases.registry import load
from tests.cli.calling import called

NAMES = (
    "my home",
    "a%20b",
    "a?b",
    "a#b",
    "it's",
    'a"b',
    "Büro",
    "a:b, c",
    "a[b]c",
    "a{b,c}",
    "a*b",
    "a;b&c",
    "a`b",
    "a\\b",
)
PATHS = st.text(
    st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("name", NAMES)
def test_every_database_stands_in_the_home(name: str, tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path / name)
    assert Ledger(settings.ledger, "fraud").champion() is None
    assert (settings.home / "ledger.sqlite").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    online = OnlineAddress.of(settings)
    online.prepare()
    assert sa.make_url(online.registry).database == str(
        settings.home / "online" / "registry.sqlite"
    )
    airflow = environment(settings)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert sa.make_url(airflow).database == str(settings.home / "airflow" / "airflow.db")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a$HOME", "a\nb", "a\x1b[2Jb", "a\udcffb"])
def test_a_name_that_a_vendor_cannot_take_is_refused_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / name))
    for command in ("doctor", "status", "up"):
        code, _, err = called(capsys, command)
        assert code == 1
        assert "the path of a home may not hold" in err
        assert "choose another folder" in err
    assert list(tmp_path.iterdir()) == []


@given(PATHS)
def test_an_address_leads_to_the_file_that_it_names(name: str) -> None:
    assert sa.make_url(with_our_driver(f"sqlite:////tmp/{name}")).database == f"/tmp/{name}"


@given(st.lists(PATHS.map(lambda text: f"-Dx={text}"), max_size=4))
def test_java_options_come_apart_as_they_were(options: list[str]) -> None:
    assert _as_sparks_launcher_does(quoted(options)) == options


def _as_sparks_launcher_does(text: str) -> list[str]:
    """`CommandBuilderUtils.parseOptionString`, in Python."""
    options: list[str] = []
    current: list[str] | None = None
    escaped = False
    quote = ""
    for mark in text:
        if escaped:
            current = [*(current or []), mark]
            escaped = False
        elif mark == "\\" and quote != "'":
            escaped = True
            current = current or []
        elif mark in "'\"" and quote in ("", mark):
            quote = "" if quote else mark
            current = current or []
        elif mark.isspace() and not quote:
            if current is not None:
                options.append("".join(current))
            current = None
        else:
            current = [*(current or []), mark]
    return [*options, "".join(current)] if current is not None else options


def test_the_homes_path_is_one_option_of_java(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path / "my home")
    options = shlex.split(server_options(settings)["spark.driver.extraJavaOptions"])
    assert f"-Dderby.system.home={settings.home}/spark" in options


def test_java_reads_the_names_of_files_where_the_locale_has_no_letters() -> None:
    code = "from pipelines.spark.session import java_environment; print(java_environment())"
    names_read = {
        locale: subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "LC_ALL": locale},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for locale in ("C", "C.UTF-8")
    }
    assert names_read == {"C": "{'LC_ALL': 'C.UTF-8'}", "C.UTF-8": "{}"}


def test_a_path_is_no_pattern_for_spark() -> None:
    assert _as_named(Path("/a?b/c*[d]/{e}/f g%20")) == r"/a\?b/c\*\[d\]/\{e\}/f g%20"


def test_spark_reads_landed_files_where_no_checksum_lies_beside_them(tmp_path: Path) -> None:
    """A stale or empty `.crc` of somebody's counts for Hadoop, and for nobody who knows the
    manifest.
    """
    settings = Settings.build(home=tmp_path / "my home")
    feed = load("fraud").events
    landing = Landing.of(settings, "fraud")
    day = date(2026, 11, 7)
    rows = pa.table({column.name: [] for column in feed.columns})
    for file_format in ("parquet", "csv.gz"):
        kinds = {
            "bigint": pa.int64(),
            "timestamp": pa.timestamp("us", "UTC"),
            "decimal(12,2)": pa.decimal128(12, 2),
        }
        fields = [pa.field(column.name, kinds[column.type]) for column in feed.columns]
        landing.write_day(feed.name, day, [rows.cast(pa.schema(fields))], file_format)
        (file,) = landing.fetch(feed.name, day, tmp_path)
        file.with_name(f".{file.name}.crc").write_bytes(b"crc\0\0\0\2\0\1\2\3\4")
        scratch = tmp_path / f"scratch-{file_format}"
        scratch.mkdir()
        arrived = landed(landing, [feed], [day], scratch)
        (path,) = arrived.feeds[0].paths
        assert path.parts[-3:] == (feed.name, str(day), f"part-0.{file_format}")
        assert path.read_bytes() == file.read_bytes()
        assert [other.name for other in path.parent.iterdir()] == [path.name]
