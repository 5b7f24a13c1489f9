"""Delta tables read without Spark: from a folder and from an object store, in batches, or a clear
error.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.lake.table_files import table_batches
from tests.object_store import REGION, make_bucket, s3

ROWS = pa.table(
    {"customer_id": [1, 2, 3], "event_ids": [[1], [], [2, 3]], "other": ["a", "b", "c"]}
)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3(monkeypatch) as address:
        yield address


def read(settings: Settings, table: str) -> list[dict[str, object]]:
    columns = ["customer_id", "event_ids"]
    batches = table_batches(settings, "fraud", table, columns)
    return list(chain.from_iterable(batch.to_pylist() for batch in batches))


def test_a_table_in_a_folder_is_read_as_of_its_newest_version(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path)
    for rows in (ROWS, ROWS.slice(1)):
        write_deltalake(f"{settings.lake}/fraud/customer_state", rows, mode="overwrite")
    assert (
        read(settings, "customer_state")
        == ROWS.slice(1).select(["customer_id", "event_ids"]).to_pylist()
    )


def test_a_table_in_an_object_store_is_read_with_the_settings_endpoint(
    tmp_path: Path, endpoint: str
) -> None:
    make_bucket(endpoint, "bank")
    settings = Settings.build(
        home=tmp_path, lake="s3a://bank/lake", s3_endpoint=endpoint, s3_region=REGION
    )
    options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": REGION}
    options["AWS_S3_ALLOW_UNSAFE_RENAME"] = "true"
    write_deltalake("s3://bank/lake/fraud/customer_state", ROWS, storage_options=options)
    assert read(settings, "customer_state") == ROWS.select(["customer_id", "event_ids"]).to_pylist()


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="customer_state") as refused:
        read(Settings.build(home=tmp_path), "customer_state")
    assert "fraud/customer_state" in refused.value.where


def test_a_bucket_that_is_not_there_is_a_store_error(tmp_path: Path, endpoint: str) -> None:
    settings = Settings.build(
        home=tmp_path, lake="s3://bank/lake", s3_endpoint=endpoint, s3_region=REGION
    )
    with pytest.raises(StoreError, match="cannot be read"):
        read(settings, "customer_state")
