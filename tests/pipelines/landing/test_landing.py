"""Landing zone: round trips, three states of a day, broken files, names that try to leave the
root.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.base.errors import ContractError, NotArrivedError, StoreError, UsageError
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.landing.part_files import FileFormat

DAY = date(2026, 11, 7)
FEED = "transactions"
TABLE = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "note": ["a", "two\nlines", None]})


@pytest.fixture
def landing(settings: Settings) -> Landing:
    return Landing.of(settings, "fraud")


@pytest.fixture
def folder(landing: Landing) -> Path:
    return Path(landing.address) / FEED / str(DAY)


@pytest.mark.parametrize("file_format", ["parquet", "csv.gz"])
def test_a_day_is_written_with_its_manifest_and_fetched_verified(
    landing: Landing, folder: Path, tmp_path: Path, file_format: FileFormat
) -> None:
    landing.write_day(FEED, DAY, [TABLE, TABLE.slice(0, 1)], file_format)
    paths = landing.fetch(FEED, DAY, tmp_path)
    assert paths == [folder / f"part-0.{file_format}", folder / f"part-1.{file_format}"]
    document = json.loads((folder / "_MANIFEST.json").read_text())
    assert [file["rows"] for file in document["files"]] == [3, 1]
    assert document["files"][0]["sha256"] == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    assert landing.days(FEED) == [DAY]


def test_the_three_states_of_a_day(landing: Landing, folder: Path, tmp_path: Path) -> None:
    assert landing.arrival(FEED, DAY).state == "no folder"
    folder.mkdir(parents=True)
    assert landing.arrival(FEED, DAY).state == "no manifest"
    with pytest.raises(NotArrivedError, match="no manifest"):
        landing.fetch(FEED, DAY, tmp_path)
    assert landing.days(FEED) == []
    landing.write_day(FEED, DAY, [])
    assert landing.arrival(FEED, DAY).state == "arrived"
    assert landing.fetch(FEED, DAY, tmp_path) == []


def test_writing_a_day_again_leaves_only_the_new_files(landing: Landing, folder: Path) -> None:
    landing.write_day(FEED, DAY, [TABLE, TABLE])
    landing.write_day(FEED, DAY, [TABLE], "csv.gz")
    assert sorted(path.name for path in folder.iterdir()) == ["_MANIFEST.json", "part-0.csv.gz"]
    landing.remove_day(FEED, DAY)
    assert list(folder.iterdir()) == []


def _set_in_manifest(folder: Path, **values: object) -> None:
    path = folder / "_MANIFEST.json"
    document = json.loads(path.read_text())
    document["files"][0] |= values
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("kept", ["all but one byte", "half", "nothing"])
@pytest.mark.parametrize("file_format", ["parquet", "csv.gz"])
@pytest.mark.parametrize("digest_is_right", [False, True])
def test_a_truncated_file_is_refused_and_named(
    landing: Landing,
    folder: Path,
    tmp_path: Path,
    kept: str,
    file_format: FileFormat,
    digest_is_right: bool,
) -> None:
    landing.write_day(FEED, DAY, [TABLE], file_format)
    part = folder / f"part-0.{file_format}"
    whole = part.read_bytes()
    left = whole[
        : {"all but one byte": len(whole) - 1, "half": len(whole) // 2, "nothing": 0}[kept]
    ]
    part.write_bytes(left)
    if digest_is_right:
        _set_in_manifest(folder, sha256=hashlib.sha256(left).hexdigest())
    with pytest.raises(ContractError) as caught:
        landing.fetch(FEED, DAY, tmp_path)
    assert caught.value.where == str(part)
    assert caught.value.expected
    assert caught.value.found


def test_a_lost_last_line_is_seen_by_the_row_count(
    landing: Landing, folder: Path, tmp_path: Path
) -> None:
    landing.write_day(FEED, DAY, [TABLE.select(["id"])], "csv.gz")
    part = folder / "part-0.csv.gz"
    shorter = gzip.compress(
        b"".join(gzip.decompress(part.read_bytes()).splitlines(keepends=True)[:-1])
    )
    part.write_bytes(shorter)
    _set_in_manifest(folder, sha256=hashlib.sha256(shorter).hexdigest())
    with pytest.raises(ContractError) as caught:
        landing.fetch(FEED, DAY, tmp_path)
    assert (caught.value.expected, caught.value.found) == ("3 rows", "2 rows")


@pytest.mark.guarantee(
    "truncated input",
    fault="a manifest that is empty, another document, of wrong types",
    seen="refused, and the manifest is named",
)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not JSON"),
        ("[]", 'no list "files"'),
        (
            '{"files": [{"name": "../../secret.parquet", "rows": 1, "sha256": "'
            + "0" * 64
            + '"}]}',
            "not a plain name",
        ),
        (
            '{"files": [{"name": "/etc/x.parquet", "rows": 1, "sha256": "' + "0" * 64 + '"}]}',
            "not a plain name",
        ),
        ('{"files": [{"name": "a.exe", "rows": -1, "sha256": "x"}]}', "rows -1"),
        ('{"files": [{"name": "a.exe", "rows": true, "sha256": "x"}]}', "64 hexadecimal"),
        ('{"files": [7]}', "files[0] is not an object"),
    ],
)
def test_a_broken_manifest_says_what_is_wrong_with_it(
    landing: Landing, folder: Path, content: str, problem: str
) -> None:
    folder.mkdir(parents=True)
    (folder / "_MANIFEST.json").write_text(content)
    with pytest.raises(ContractError) as caught:
        landing.arrival(FEED, DAY)
    assert problem in caught.value.found
    assert caught.value.where == str(folder / "_MANIFEST.json")


def test_a_listed_file_that_is_missing_is_named(
    landing: Landing, folder: Path, tmp_path: Path
) -> None:
    landing.write_day(FEED, DAY, [TABLE])
    (folder / "part-0.parquet").unlink()
    with pytest.raises(ContractError, match=r"missing\n.*part-0\.parquet"):
        landing.fetch(FEED, DAY, tmp_path)


def test_a_link_out_of_the_landing_zone_is_not_followed(
    landing: Landing, folder: Path, tmp_path: Path
) -> None:
    landing.write_day(FEED, DAY, [TABLE])
    outside = tmp_path / "outside.parquet"
    (folder / "part-0.parquet").rename(outside)
    (folder / "part-0.parquet").symlink_to(outside)
    with pytest.raises(ContractError, match="leads out"):
        landing.fetch(FEED, DAY, tmp_path)


@pytest.mark.parametrize(
    "feed", ["../lake", "/etc", "a/b", "", ".", "Transactions", "a%2e%2e", "a\n", "a" * 64]
)
def test_a_feed_is_a_word_and_never_a_path(landing: Landing, feed: str) -> None:
    for call in (
        landing.days,
        lambda f: landing.arrival(f, DAY),
        lambda f: landing.write_day(f, DAY, [TABLE]),
    ):
        with pytest.raises(UsageError, match="not a feed's name"):
            call(feed)


def test_a_folder_that_cannot_be_written_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    landing = Landing.of(settings.model_copy(update={"landing": str(tmp_path / "file")}), "fraud")
    with pytest.raises(StoreError) as caught:
        landing.write_day(FEED, DAY, [TABLE])
    assert str(tmp_path / "file") in caught.value.where
    assert caught.value.next_step
