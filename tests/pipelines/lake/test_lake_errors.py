"""What a failed write means decides whether Airflow tries again: a store that is away comes
back.
"""

from __future__ import annotations

import pytest

from pipelines.base.errors import PermanentError, StoreError
from pipelines.lake.errors import write_error

AWAY = (
    "org.apache.hadoop.fs.s3a.AWSClientIOException: upload on x:"
    " software.amazon.awssdk.core.exception.SdkClientException: Connect to 127.0.0.1:9 failed:"
    " Connection refused"
)


@pytest.mark.parametrize(
    "text",
    [
        AWAY,
        "S3Exception: Please reduce your request rate. (SlowDown, Status Code: 503)",
        "UnknownHostException: s3",
    ],
)
def test_an_object_store_that_is_away_is_tried_again_and_not_taken_for_spark(text: str) -> None:
    error = write_error(RuntimeError(text), "s3a://bank/lake/fraud/transactions")
    assert isinstance(error, StoreError)
    assert "the object store did not take a write" in str(error)


def test_on_a_disk_a_refused_connection_is_spark_and_an_unknown_word_a_refusal() -> None:
    assert "Spark was lost" in str(
        write_error(RuntimeError("failed to connect: Connection refused"), "/lake/t")
    )
    assert isinstance(
        write_error(RuntimeError("[SOME_CONDITION] no"), "s3a://bank/lake/t"), PermanentError
    )


def test_a_faster_writer_is_known_in_the_bridges_words_too() -> None:
    raced = (
        "An error occurred while calling o9.save.\n: io.delta.exceptions.ProtocolChangedException:"
        " [DELTA_PROTOCOL]"
    )
    error = write_error(RuntimeError(raced), "s3a://bank/lake/t")
    assert isinstance(error, StoreError)
    assert "another writer changed the same days first" in str(error)


def test_a_disk_too_full_to_send_from_is_told_and_tried_again() -> None:
    """S3A keeps what it sends on this machine's disk first; the words are Hadoop 3.5's, the
    bridge's line before.
    """
    full = (
        "org.apache.hadoop.util.DiskChecker$DiskErrorException: Could not find any valid local"
        " directory"
    )
    bridged = f"An error occurred while calling o99.save.\n: {full}\n\tat a.b"
    error = write_error(RuntimeError(bridged), "s3a://bank/lake/t")
    assert isinstance(error, StoreError)
    assert "the disk is full" in str(error)
    other = write_error(RuntimeError(bridged.replace("Disk", "Other")), "s3a://bank/lake/t")
    assert isinstance(other, PermanentError)
    assert other.found.startswith("org.apache.hadoop")
