"""What a failed write to the lake means: a faster writer, a full disk, a lost server, or rows that
do not fit.
"""

from __future__ import annotations

import re

from pipelines.base.errors import PermanentError, StoreError, TollgateError

_DISK = (
    "No space left on device",
    "Disk quota exceeded",
    "not enough space on the disk",
    "DiskErrorException",
)
_SERVER = (
    "UNAVAILABLE",
    "failed to connect",
    "Connection refused",
    "Socket closed",
    "INVALID_HANDLE.SESSION",
)
_OBJECT_STORE = (
    *("AWSClientIOException", "AWSServiceIOException", "AWSS3IOException", "AWSStatus500Exception"),
    *(
        "AWSServiceThrottledException",
        "SdkClientException",
        "SlowDown",
        "UnknownHostException",
        "ApiCallTimeout",
    ),
)
"""What Hadoop's S3A and the SDK beneath it say of a store that did not answer, or not in time."""

_SCHEMA = (
    "DELTA_FAILED_TO_MERGE_FIELDS",
    "_LEGACY_ERROR_TEMP_DELTA_0007",
    "DELTA_METADATA_MISMATCH",
    "schema mismatch",
)


_CONDITION = re.compile(r"\[[A-Z][A-Z0-9_.]+\]")
"""How Spark names what is wrong: `[PATH_NOT_FOUND] Path does not exist: …`."""


def write_error(error: Exception, location: str) -> TollgateError:
    """The error to raise from what a Delta write to `location` ended with; the table is at its old
    version.
    """
    import delta.exceptions

    conflicts = tuple(getattr(delta.exceptions, name) for name in delta.exceptions.__all__)
    text = str(error)
    if isinstance(error, conflicts) or "io.delta.exceptions." in text:
        return StoreError(
            "another writer changed the same days first",
            where=location,
            found=type(error).__name__,
            next_step="run the same command again; nothing of this attempt is visible",
        )
    if any(sign in text for sign in _DISK):
        return StoreError(
            "the disk is full",
            where=location,
            expected="room for the new files",
            found=next(sign for sign in _DISK if sign in text),
            next_step=(
                "free space there and run the same command again; the table is at its old version"
            ),
        )
    if location.startswith("s3a://") and any(sign in text for sign in _OBJECT_STORE):
        return StoreError(
            "the object store did not take a write",
            where=location,
            found=_first_line(text),
            next_step=(
                "run the same command again once the store answers; the table is at its old version"
            ),
        )
    if any(sign in text for sign in _SERVER):
        return StoreError(
            "Spark was lost during a write",
            where=location,
            found=_first_line(text),
            next_step=(
                "look at `tollgate status`, start it with `tollgate up`, then run the same command"
                " again"
            ),
        )
    return _refusal(text, location)


def _refusal(text: str, location: str) -> PermanentError:
    """What trying again does not change: rows that do not fit, or what has no name here."""
    if any(sign in text for sign in _SCHEMA):
        return PermanentError(
            "the rows do not have the table's columns",
            where=location,
            expected="the columns and types of the table as it is",
            found=_first_line(text),
            next_step="a changed feature set or feed needs a new lake, or the table's migration",
        )
    return PermanentError(
        "the lake refused a write",
        where=location,
        found=_first_line(text),
        next_step=(
            "the table is at its old version: look at the Spark server's log, then run the same"
            " command again"
        ),
    )


def read_error(error: Exception, location: str) -> StoreError:
    """The error to raise where it cannot be known whether there is a table at `location`."""
    return StoreError(
        "the lake does not answer",
        where=location,
        expected="a Delta table, or none",
        found=_first_line(str(error)),
        next_step="run the same command again once the store answers",
    )


def spark_said(error: BaseException) -> str | None:
    """The line in which Spark says what is wrong, of its own errors and of the bridge's to Java;
    None for others.
    """
    if not type(error).__module__.startswith(("pyspark.", "py4j.")):
        return None
    text = str(error)
    for line in text.splitlines():
        if condition := _CONDITION.search(line):
            return line[condition.start() :].strip()[:500]
    return _first_line(text) if text.strip() else type(error).__name__


def _first_line(text: str) -> str:
    """The line that says what is wrong: the bridge to Java puts one before it that does not."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    bridged = len(lines) > 1 and lines[0].startswith("An error occurred while calling")
    return (lines[1].lstrip(": ") if bridged else next(iter(lines), "no message"))[:500]
