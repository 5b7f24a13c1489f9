"""Rows of the lake deleted for good: Delta's DELETE, then the files and the log freed of what
earlier versions held.

A DELETE writes a version without the rows; their files stay for earlier versions. `purge` removes
these files at once (VACUUM with a retention of 0 hours), so that no earlier version can be read any
more, and takes out of the log the smallest and largest values of their columns and the condition of
the DELETE. No other writer may be at work on the table meanwhile, as files that it has not
committed yet would be removed too: on an object store the table's lease sees to that, on a disk
whoever calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pipelines.base.errors import TollgateError
from pipelines.lake.errors import write_error
from pipelines.lake.lake import Lake, Provenance
from pipelines.lake.upkeep import commits_say
from pipelines.object_store.storage import Storage

_CHECKED = "spark.databricks.delta.retentionDurationCheck.enabled"
_INTERVAL = "delta.checkpointInterval"


def count_where(lake: Lake, table: str, condition: str) -> tuple[int, int]:
    """Rows of the table's newest version: all, and those that meet a SQL condition."""
    row: Any = (
        lake.read(table)
        .selectExpr("count(*) AS rows", f"count_if({condition}) AS found")
        .collect()[0]
    )
    return int(row["rows"]), int(row["found"])


def delete_where(lake: Lake, table: str, condition: str, provenance: Provenance) -> int:
    """Delete the rows that meet a SQL condition in one commit; returns the version after it (none
    is made for no row).

    Raises `StoreError` where another writer was faster or the store does not answer.
    """
    try:
        with lake.writing(table) as fence, commits_say(lake.spark, provenance, fence):
            lake.spark.sql(f"DELETE FROM {lake.sql_name(table)} WHERE {condition}").collect()
    except TollgateError:
        raise
    except Exception as error:
        raise write_error(error, lake.path(table)) from error
    version = lake.version(table)
    assert version is not None
    return version


def purge(lake: Lake, table: str, provenance: Provenance, storage: Storage) -> None:
    """Remove every file that the newest version does not need, and what the log says of them.

    `storage` is the lake's root, as files. Doing it again changes nothing. Raises `StoreError`.
    """
    target = lake.sql_name(table)
    lake.spark.conf.set(_CHECKED, "false")
    try:
        with lake.writing(table) as fence, commits_say(lake.spark, provenance, fence):
            if any(".checkpoint" in path for path in storage.files(f"{table}/_delta_log")):
                lake.spark.sql(
                    f"ALTER TABLE {target} SET TBLPROPERTIES ('{_INTERVAL}' = '1')"
                ).collect()
                lake.spark.sql(
                    f"ALTER TABLE {target} UNSET TBLPROPERTIES ('{_INTERVAL}')"
                ).collect()
            lake.spark.sql(f"VACUUM {target} RETAIN 0 HOURS").collect()
    except TollgateError:
        raise
    except Exception as error:
        raise write_error(error, lake.path(table)) from error
    finally:
        lake.spark.conf.unset(_CHECKED)
    forget_removed_files(storage, table)


def forget_removed_files(storage: Storage, table: str) -> None:
    """Take out of the log: statistics of files that are gone, what DELETEs looked for, all
    checkpoints but the newest.

    Delta's protocol makes statistics, checksums and older checkpoints optional. `storage` is the
    lake's root.
    """
    paths = storage.files(table)
    there = {path.removeprefix(f"{table}/") for path in paths}
    log = [path for path in paths if path.startswith(f"{table}/_delta_log/")]
    names = {path: path.rsplit("/", 1)[1] for path in log}
    checkpoints = sorted(
        path for path in log if ".checkpoint" in names[path] and not names[path].startswith(".")
    )
    newest = names[checkpoints[-1]].split(".")[0] if checkpoints else ""
    for path in log:
        name = names[path]
        if name.endswith(".crc") or (
            ".checkpoint" in name and name[0].isdigit() and not name.startswith(newest)
        ):
            storage.delete(path)
    for path in log:
        if (
            names[path].endswith(".json")
            and names[path][0].isdigit()
            and ".checkpoint" not in names[path]
        ):
            _forget(storage, path, there)


def _forget(storage: Storage, path: str, there: set[str]) -> None:
    content = storage.read(path) or b""
    kept = b"".join(_line(line, there) for line in content.splitlines(keepends=True))
    if kept != content:
        storage.write(path, kept)


def _line(line: bytes, there: Iterable[str]) -> bytes:
    """An action of a commit without statistics of a file that is not there any more, or what a
    DELETE looked for.
    """
    if b'"stats"' not in line and b'"DELETE"' not in line:
        return line
    action: dict[str, Any] = json.loads(line)
    if action.get("commitInfo", {}).get("operation") == "DELETE":
        action["commitInfo"]["operationParameters"] = {"predicate": "[]"}
    for kind in ("add", "remove"):
        file = action.get(kind)
        if file and (kind == "remove" or file["path"] not in there):
            file.pop("stats", None)
    return json.dumps(action, separators=(",", ":")).encode() + b"\n"
