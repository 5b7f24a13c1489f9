"""The landing zone on S3: the same behaviour as a folder, against moto's server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import ConfigurationError, ContractError, NotArrivedError, StoreError
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from tests.object_store import REGION, make_bucket, s3

DAY = date(2026, 11, 7)
FEED = "transactions"
KEY = f"zone/landing/fraud/{FEED}/{DAY}"
TABLE = pa.table({"id": pa.array(range(2_000), pa.int64())})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3(patch) as address:
        yield address


@pytest.fixture
def bucket(endpoint: str) -> Iterator[object]:
    bucket = make_bucket(endpoint, "bank")
    yield bucket
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture
def landing(bucket: object, endpoint: str, settings: Settings) -> Landing:
    place = {"landing": "s3://bank/zone/landing", "s3_endpoint": endpoint, "s3_region": REGION}
    return Landing.of(settings.model_copy(update=place), "fraud")


def test_a_day_goes_to_the_bucket_and_comes_back_verified(
    landing: Landing, bucket, tmp_path: Path
) -> None:
    landing.write_day(FEED, DAY, [TABLE, TABLE.slice(0, 3)])
    assert sorted(entry.key for entry in bucket.objects.all()) == [
        f"{KEY}/_MANIFEST.json",
        f"{KEY}/part-0.parquet",
        f"{KEY}/part-1.parquet",
    ]
    paths = landing.fetch(FEED, DAY, tmp_path)
    assert paths == [tmp_path / FEED / str(DAY) / f"part-{n}.parquet" for n in (0, 1)]
    assert pq.read_table(paths[0]).equals(TABLE)
    assert landing.days(FEED) == [DAY]


def test_the_three_states_of_a_day(landing: Landing, bucket, tmp_path: Path) -> None:
    assert landing.arrival(FEED, DAY).state == "no folder"
    with pytest.raises(NotArrivedError, match="no folder"):
        landing.fetch(FEED, DAY, tmp_path)
    bucket.put_object(Key=f"{KEY}/part-0.parquet", Body=b"half")
    assert landing.arrival(FEED, DAY).state == "no manifest"
    landing.write_day(FEED, DAY, [])
    assert landing.arrival(FEED, DAY).state == "arrived"


def test_writing_a_day_again_leaves_only_the_new_files(landing: Landing, bucket) -> None:
    landing.write_day(FEED, DAY, [TABLE, TABLE])
    landing.write_day(FEED, DAY, [TABLE], "csv.gz")
    names = sorted(entry.key.rsplit("/")[-1] for entry in bucket.objects.all())
    assert names == ["_MANIFEST.json", "part-0.csv.gz"]


def test_a_truncated_object_is_refused_and_named(landing: Landing, bucket, tmp_path: Path) -> None:
    landing.write_day(FEED, DAY, [TABLE])
    whole = bucket.Object(f"{KEY}/part-0.parquet").get()["Body"].read()
    bucket.put_object(Key=f"{KEY}/part-0.parquet", Body=whole[:-1])
    with pytest.raises(ContractError) as caught:
        landing.fetch(FEED, DAY, tmp_path)
    assert caught.value.where == f"s3://bank/{KEY}/part-0.parquet"


def test_a_missing_bucket_is_a_matter_of_configuration(
    bucket, endpoint: str, settings: Settings
) -> None:
    place = {"landing": "s3://no-such-bucket/x", "s3_endpoint": endpoint, "s3_region": REGION}
    with pytest.raises(ConfigurationError, match="NoSuchBucket"):
        Landing.of(settings.model_copy(update=place), "fraud").arrival(FEED, DAY)


def test_a_store_that_does_not_answer_may_be_tried_again(bucket, settings: Settings) -> None:
    place = {"landing": "s3://bank/x", "s3_endpoint": "http://127.0.0.1:1"}
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
        Landing.of(settings.model_copy(update=place), "fraud").arrival(FEED, DAY)


def test_without_credentials_the_message_names_the_variables(
    settings: Settings, endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    landing = Landing.of(
        settings.model_copy(
            update={"landing": "s3://bank/x", "s3_endpoint": endpoint, "s3_region": REGION}
        ),
        "fraud",
    )
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        landing.arrival(FEED, DAY)


@pytest.mark.parametrize("address", ["s3://", "s3://UPPER/x", "s3://a", "s3:///x"])
def test_an_address_that_is_none_is_refused(settings: Settings, address: str) -> None:
    with pytest.raises(ConfigurationError, match="s3://bucket"):
        Landing.of(settings.model_copy(update={"landing": address}), "fraud")
