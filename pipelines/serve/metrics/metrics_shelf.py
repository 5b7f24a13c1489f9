"""Figures of all processes of the service: each leaves its own in the home every second, and any of
them tells all.

A scrape reaches one process; without the others' figures its counters would go up and down.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipelines.base.atomic_files import write_whole
from pipelines.base.openmetrics import Family, joined, labelled
from pipelines.base.settings import Settings


def shelves(settings: Settings) -> Path:
    """The folder of all use cases' figures; the supervisor empties it when it starts."""
    return settings.home / "serving" / "figures"


def shelf(settings: Settings, use_case: str) -> Path:
    """The folder of a use case's figures, a file for each process."""
    return shelves(settings) / use_case


def leave(folder: Path, worker: int, families: Sequence[Family]) -> None:
    """Put a process's families on the shelf."""
    content = msgspec.json.encode(families)
    write_whole(
        folder / f"{worker}.json",
        lambda path: path.write_bytes(content),
        what="the scorer's figures",
    )


def together(folder: Path, worker: int, families: Sequence[Family]) -> list[Family]:
    """The families of one process and those that the others have left, each sample labelled with
    its worker.
    """
    by_worker: dict[int, Sequence[Family]] = {}
    for path in folder.glob("[0-9]*.json"):
        try:
            by_worker[int(path.stem)] = msgspec.json.decode(path.read_bytes(), type=list[Family])
        except (OSError, ValueError, msgspec.MsgspecError):
            continue
    by_worker[worker] = families
    of_all: list[Family] = []
    for number in sorted(by_worker):
        of_all += [labelled(family, worker=str(number)) for family in by_worker[number]]
    return joined(of_all)
