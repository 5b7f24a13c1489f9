"""A damaged file of a Delta table is taken out of the way: moved aside, never deleted, and only
where that is safe.

Safe is: a commit that nothing comes after, while all before it is whole; an empty commit in the
middle, which Spark has passed over anyway; a checkpoint that the commits make again; a checksum
beside a whole file; a data file, whose rows then come back by running its day again. No Spark may
be at work on the lake meanwhile: one that has the table in its memory would go on from the version
that is taken away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.base.atomic_files import write_once, write_whole
from pipelines.base.errors import PermanentError, StoreError
from pipelines.lake.delta_health import RUNBOOK, SET_ASIDE, Damage, damages
from pipelines.lake.delta_log import commit_versions


@dataclass(frozen=True, kw_only=True)
class TakenAway:
    """What was done about one damaged file: where it is now, and in words."""

    damage: Damage
    moved: tuple[Path, ...]
    done: str


def repair(damage: Damage, aside: Path, *, said: str, at: datetime) -> TakenAway:
    """Move a damaged file into the folder `aside`, and bring the table's log to a state that can be
    read.

    `said` is the JSON that a commit which is made in the course of it bears as its metadata, `at`
    its time. Raises `PermanentError` where nothing can be taken away safely, `StoreError` where the
    disk does not take it.
    """
    log = damage.table / "_delta_log"
    name = f"{damage.version:020d}" if damage.version is not None else ""
    if damage.kind == "checksum":
        return TakenAway(
            damage=damage,
            moved=_moved([damage.file], aside),
            done="the checksum is taken away; the file stays",
        )
    if damage.kind == "data":
        return _without_file(damage, aside, said, at)
    if damage.kind == "checkpoint" and damage.whole is not None:
        hint = log / "_last_checkpoint"
        moved = _moved([damage.file, _hidden(damage.file), hint, _hidden(hint)], aside)
        return TakenAway(
            damage=damage,
            moved=moved,
            done="the checkpoint is taken away; the commits say the same",
        )
    parts = [damage.file, _hidden(damage.file), log / f"{name}.crc", log / f".{name}.crc.crc"]
    if damage.kind == "commit" and damage.newest:
        moved = _moved(parts, aside)
        state = "not there any more" if damage.whole is None else f"at version {damage.whole}"
        return TakenAway(
            damage=damage,
            moved=moved,
            done=f"version {damage.version} is taken away: the table is {state}",
        )
    if damage.kind == "commit" and damage.problem.endswith("without content"):
        moved = _moved(parts, aside)
        info = {
            "timestamp": int(at.timestamp() * 1000),
            "operation": "REPAIR",
            "operationParameters": {},
            "userMetadata": said,
        }
        content = json.dumps({"commitInfo": info}) + "\n"
        write_whole(damage.file, lambda partial: partial.write_text(content), what="a commit")
        return TakenAway(
            damage=damage,
            moved=moved,
            done=f"version {damage.version} says now that it holds nothing",
        )
    raise PermanentError(
        "this file cannot be taken away safely",
        where=str(damage.file),
        expected="a commit that nothing comes after, or a file that the others make again",
        found=f"{damage.problem}; {damage.last_whole}",
        next_step=(
            "restore the table's folder from a backup, or move it away and run all its days again"
        ),
        runbook=RUNBOOK,
    )


def remaining(lake: Path, handled: Iterable[Damage] = ()) -> list[Damage]:
    """What is damaged below the lake's root, without what was tried already."""
    tried = {(damage.file, damage.kind) for damage in handled}
    return [damage for damage in damages(lake) if (damage.file, damage.kind) not in tried]


def folder_for(lake: Path, damage: Damage, at: datetime) -> Path:
    """Where the damaged file goes: `<lake>/_set_aside/<use case>/<table>/<time>`."""
    return lake / SET_ASIDE / damage.table.parent.name / damage.table.name / f"{at:%Y%m%dT%H%M%SZ}"


def _without_file(damage: Damage, aside: Path, said: str, at: datetime) -> TakenAway:
    """Move a data file away and commit that the table does without it."""
    moved = _moved([damage.file, _hidden(damage.file)], aside)
    version = commit_versions(damage.table)[0] + 1
    remove = {"path": damage.logged, "deletionTimestamp": _milliseconds(at), "dataChange": True}
    content = "".join(
        f"{json.dumps(action)}\n" for action in (_commit_info(said, at), {"remove": remove})
    )
    commit = damage.table / "_delta_log" / f"{version:020d}.json"
    write_once(commit, content.encode(), mode=0o644, what="a commit")
    return TakenAway(
        damage=damage, moved=moved, done=f"version {version} of the table does without it"
    )


def _commit_info(said: str, at: datetime) -> dict[str, object]:
    info = {
        "timestamp": _milliseconds(at),
        "operation": "REPAIR",
        "operationParameters": {},
        "userMetadata": said,
    }
    return {"commitInfo": info}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _hidden(file: Path) -> Path:
    return file.with_name(f".{file.name}.crc")


def _moved(files: Iterable[Path], aside: Path) -> tuple[Path, ...]:
    """The files' new places; those that are not there are passed over."""
    places = []
    try:
        aside.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file.exists():
                place = _free_place(aside, file)
                shutil.move(file, place)
                places.append(place)
    except OSError as error:
        raise StoreError(
            "a damaged file cannot be moved aside",
            where=str(aside),
            found=error.strerror or str(error),
            next_step="make room or correct the permissions, then run the same command again",
        ) from error
    return tuple(places)


def _free_place(aside: Path, file: Path) -> Path:
    """A place below `aside` that nothing lies at: files of two days may have one name."""
    place = aside / file.name
    number = 1
    while place.exists():
        number += 1
        place = aside / f"{file.name}.{number}"
    return place
