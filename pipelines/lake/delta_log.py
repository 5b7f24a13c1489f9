"""The commits of a Delta table on a local disk, read from its log in a millisecond (`DESCRIBE
HISTORY`: 0.3 s).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

_COMMIT_FILE = re.compile(r"(\d{20})\.json")
_CHECKPOINT_FILE = re.compile(r"(\d{20})\.checkpoint(\.\d{10}\.\d{10})?\.parquet")
_DAY_FOLDER = re.compile(r"day=(\d{4}-\d{2}-\d{2})/")


def commit_versions(table: Path) -> list[int]:
    """Versions whose commit files are there, newest first; none where there is no table."""
    log = table / "_delta_log"
    names = (_COMMIT_FILE.fullmatch(entry.name) for entry in log.iterdir()) if log.is_dir() else ()
    return sorted((int(name.group(1)) for name in names if name), reverse=True)


def commit_infos(table: Path, limit: int | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Version and `commitInfo` action (operation, userMetadata, …) of the newest commits, newest
    first.

    The files are the Delta protocol's: one action a line, JSON.
    """
    for version in commit_versions(table)[:limit]:
        with (table / "_delta_log" / f"{version:020d}.json").open(encoding="utf-8") as lines:
            actions = (json.loads(line) for line in lines if '"commitInfo"' in line)
            yield (
                version,
                next((action["commitInfo"] for action in actions if "commitInfo" in action), {}),
            )


def last_writers(table: Path, days: Collection[str]) -> dict[str, dict[str, Any]]:
    """By day (YYYY-MM-DD) what the newest commit that changed its rows says of itself: its
    `userMetadata`.

    Empty for a commit that says nothing: one that Tollgate has not made. A day that no commit of
    the log changed, or whose commits the log has dropped since, has no entry. Compaction changes no
    rows.
    """
    writers: dict[str, dict[str, Any]] = {}
    for version in commit_versions(table):
        if len(writers) == len(days):
            break
        commit = table / "_delta_log" / f"{version:020d}.json"
        actions = [
            json.loads(line)
            for line in commit.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
        info: dict[str, Any] = next(
            (action["commitInfo"] for action in actions if "commitInfo" in action), {}
        )
        for day in _changed_days(actions):
            if day in days and day not in writers:
                writers[day] = _metadata(info)
    return writers


def _changed_days(actions: Sequence[dict[str, Any]]) -> set[str]:
    """The days whose rows a commit has added or removed, by the folders of its files."""
    changed: set[str] = set()
    for action in actions:
        file = action.get("add") or action.get("remove")
        if file and file.get("dataChange", True):
            changed.update(_DAY_FOLDER.findall(file["path"]))
    return changed


def _metadata(info: dict[str, Any]) -> dict[str, Any]:
    try:
        metadata = json.loads(info.get("userMetadata") or "{}")
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


def live_files(table: Path) -> dict[str, int]:
    """The data files of the newest version, each path as the log writes it (percent-encoded), with
    its size in bytes.

    The Delta protocol's replay: the newest checkpoint, then what later commits add and remove. For
    tables of a disk whose log is whole, and which delta-rs cannot read where `%` and two digits
    stand in a folder's name (1.6.6).
    """
    import pyarrow.parquet as pq

    log = table / "_delta_log"
    checkpoint_versions: dict[Path, int] = {}
    for entry in log.iterdir():
        match = _CHECKPOINT_FILE.fullmatch(entry.name)
        if match is not None:
            checkpoint_versions[entry] = int(match.group(1))
    base = max(checkpoint_versions.values(), default=-1)
    sizes: dict[str, int] = {}
    for entry, version in checkpoint_versions.items():
        if version == base:
            adds = (
                pq.ParquetFile(entry)
                .read(columns=["add.path", "add.size"])
                .column("add")
                .to_pylist()
            )
            sizes |= {add["path"]: int(add["size"]) for add in adds if add and add["path"]}
    for version in sorted(commit_versions(table)):
        if version <= base:
            continue
        with (log / f"{version:020d}.json").open(encoding="utf-8") as lines:
            actions = [json.loads(line) for line in lines if line.strip()]
        for action in actions:
            if "remove" in action:
                sizes.pop(action["remove"]["path"], None)
        sizes |= {
            action["add"]["path"]: int(action["add"]["size"])
            for action in actions
            if "add" in action
        }
    return sizes
