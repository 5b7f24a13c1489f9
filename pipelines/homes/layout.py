"""Where a use case's own files are: `<home>/<use case>/` and `<landing>/<use case>/`.

Earlier versions had one place for all use cases (`<home>/alerts`, `<landing>/<feed>`), so that a
second one overwrote the first one's alert lists. `tollgate home migrate` moves what is there; until
then nothing acts on such a home.
"""

from __future__ import annotations

import filecmp
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.atomic_files import disk_remedy
from pipelines.base.days import parse_day
from pipelines.base.errors import ConfigurationError, StoreError, UsageError
from pipelines.base.home import FORMER_FOLDERS, RUNBOOK, home_locked
from pipelines.base.settings import Settings, is_remote
from pipelines.landing.manifest import MANIFEST_NAME
from pipelines.object_store.storage import Storage, open_storage

if TYPE_CHECKING:
    from pipelines.usecases.definition import UseCase

_WHAT = "this home is laid out as earlier versions had it, for one use case"


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What was moved, as (from, to), a folder or a feed each; nothing where all was at its
    place.
    """

    use_case: str
    moved: tuple[tuple[str, str], ...]


def former_folders(settings: Settings) -> list[Path]:
    """The folders of an earlier version that the home still has."""
    folders = [settings.home / name for name in FORMER_FOLDERS]
    return [folder for folder in folders if folder.is_dir()]


def require_layout(settings: Settings) -> None:
    """Raise `ConfigurationError` for a home that an earlier version has laid out."""
    former = former_folders(settings)
    if former:
        raise ConfigurationError(
            _WHAT,
            where=str(settings.home),
            expected=f"alerts, golden, imports and reports in {settings.home}/<use case>/",
            found=", ".join(map(str, former)),
            next_step=(
                "tollgate home migrate moves them; where the home has several use cases, name the"
                " one that they belong to: tollgate -u NAME home migrate"
            ),
            runbook=RUNBOOK,
        )


def layout_warning(settings: Settings) -> str | None:
    """What a command that only reads says of such a home; None where all is at its place."""
    former = former_folders(settings)
    if not former:
        return None
    return f"{_WHAT} ({', '.join(path.name for path in former)}); tollgate home migrate moves them"


def migrate(settings: Settings, use_case: UseCase) -> Migrated:
    """Move what an earlier version kept for all use cases to this one's places.

    Done again it completes what was cut off. Raises `ConfigurationError` where both places hold
    different files of one name (what was moved by then stays moved), `StoreError` where a store
    does not take it.
    """
    moved: list[tuple[str, str]] = []
    with home_locked(settings.home):
        for former in former_folders(settings):
            place = settings.folder_of(use_case.name) / former.name
            _move_folder(former, place)
            moved.append((str(former), str(place)))
        moved += _move_feeds(settings, use_case)
    return Migrated(use_case=use_case.name, moved=tuple(moved))


def _move_folder(former: Path, place: Path) -> None:
    """Move a folder, into the one that is there already if need be."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            former.rename(place)
            return
        for path in sorted(former.iterdir()):
            target = place / path.name
            if path.is_dir() and target.is_dir():
                _move_folder(path, target)
            elif not target.exists():
                path.rename(target)
            elif path.is_file() and target.is_file() and filecmp.cmp(path, target, shallow=False):
                path.unlink()
            else:
                raise _both(str(path), str(target))
        former.rmdir()
    except OSError as error:
        raise StoreError(
            "a folder of the home could not be moved",
            where=str(former),
            expected=f"to become {place}",
            found=str(error),
            next_step=f"{disk_remedy(error)}, then run the same command again",
            runbook=RUNBOOK,
        ) from error


def _move_feeds(settings: Settings, use_case: UseCase) -> Iterator[tuple[str, str]]:
    """Move the days of the use case's feeds below its own part of the landing zone."""
    root = settings.landing_of(use_case.name)
    storage, former = open_storage(settings, root), open_storage(settings, settings.landing)
    for feed in use_case.feeds:
        days = _days(former, feed.name)
        for day in days:
            if is_remote(settings.landing):
                _move_objects(former, storage, f"{feed.name}/{day}")
            else:
                folder = Path(former.address) / feed.name / day
                _move_folder(folder, Path(storage.address) / feed.name / day)
        if days:
            yield f"{former.address}/{feed.name}", f"{storage.address}/{feed.name}"
        folder = Path(former.address) / feed.name
        if not is_remote(settings.landing) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _days(storage: Storage, feed: str) -> list[str]:
    """The folders of days directly below a feed's former place, in order."""
    days: set[str] = set()
    for path in storage.files(feed):
        parts = path.split("/")
        if len(parts) == 3 and _is_day(parts[1]):
            days.add(parts[1])
    return sorted(days)


def _is_day(text: str) -> bool:
    try:
        parse_day(text)
    except UsageError:
        return False
    return True


def _move_objects(former: Storage, storage: Storage, folder: str) -> None:
    """Copy a day, its manifest last, then remove it where it was, its manifest first: a reader
    finds it in one of the two places.
    """
    paths = sorted(former.files(folder), key=lambda path: path.endswith(f"/{MANIFEST_NAME}"))
    for path in paths:
        content, there = former.read(path), storage.read(path)
        if content is None:
            continue
        if there is not None and there != content:
            raise _both(f"{former.address}/{path}", f"{storage.address}/{path}")
        if there is None:
            storage.write(path, content)
    for path in reversed(paths):
        former.delete(path)


def _both(former: str, place: str) -> ConfigurationError:
    return ConfigurationError(
        "two different files want one place",
        where=former,
        expected=f"no other file at {place}",
        found="another file, which is not replaced",
        next_step="look at both, move one of them away, then run the same command again",
        runbook=RUNBOOK,
    )
