"""A home brought back from a backup, to any path, on any machine (`tollgate restore FILE`).

Everything is checked first, then written beside its place, and renamed into it at the end: the home is there whole or
not at all. A home that is restored to another place becomes a home of its own, as a copy would, unless it is said that
the original is gone.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.base.errors import StoreError, UsageError
from pipelines.base.home import RUNBOOK, placement
from pipelines.base.settings import Settings, is_remote
from pipelines.homes.adoption import Adoption, adopt, adopt_moved
from pipelines.homes.archive import opened, take_out
from pipelines.homes.backup import FILES, FOLDERS, LEDGER
from pipelines.ledger.backup import restore as restore_ledger


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came back: `files`, ledger `rows` by table; `elsewhere` was not in the backup; `unused` has no place here.

    `adoption` says which home it is now; None: it is at the place where it was backed up.
    """

    files: int
    rows: Mapping[str, int]
    made_at: str
    elsewhere: Mapping[str, str]
    unused: Sequence[str]
    adoption: Adoption | None


def restore_home(
    settings: Settings, path: Path, *, actor: str, at: datetime, same_home: bool = False, share: Sequence[str] = ()
) -> Restored:
    """Bring a home back into the place that the settings name, which must be empty.

    `same_home`: it takes the place of the original, which is gone: identity and keys stay. Raises `UsageError` where
    something is there already, `PermanentError` where the backup is not whole, `StoreError`, and what `adopt` raises.
    """
    _require_empty(settings)
    mark = f"restoring-{uuid.uuid4().hex[:8]}"
    with opened(path) as (document, tar, kept):
        places = _Places(settings, mark, kept)
        try:
            take_out(path, tar, kept, places.target)
            places.set_modes(document["folders"])
            rows = _fill_ledger(settings, places)
            places.move_in()
        except OSError as error:
            raise StoreError(
                "the home could not be restored; nothing is left of it",
                where=str(settings.home),
                found=str(error),
                next_step="make room, or choose another TOLLGATE_HOME; then run the same command again",
                runbook=RUNBOOK,
            ) from error
        finally:
            places.clear()
    return Restored(
        files=len(kept),
        rows=rows,
        made_at=document["made_at"],
        elsewhere=document["elsewhere"],
        unused=places.unused,
        adoption=_settle(settings, actor=actor, at=at, same_home=same_home, share=share),
    )


class _Places:
    """Where the files of a backup go: beside their places first."""

    def __init__(self, settings: Settings, mark: str, kept: Mapping[str, Any]) -> None:
        self._home = settings.home
        self._staged_home = _beside(settings.home, mark)
        self._mark = mark
        self._moves: dict[Path, Path] = {}
        self._stores: dict[str, Path] = {}
        self.unused: list[str] = []
        for name in (*FOLDERS, *FILES):
            if any(one == f"stores/{name}" or one.startswith(f"stores/{name}/") for one in kept):
                self._stores[name] = self._store(name, getattr(settings, name))

    @property
    def staged_home(self) -> Path:
        """The home, until it is moved in."""
        return self._staged_home

    def _store(self, name: str, place: str) -> Path:
        """Where a store is written: within the staged home, or beside its folder elsewhere."""
        local = Path(place.removeprefix("sqlite:///"))
        if is_remote(place) or "://" in place.removeprefix("sqlite:///"):
            self.unused.append(name)
            return self._staged_home / "restored" / name
        if local.is_relative_to(self._home):
            return self._staged_home / local.relative_to(self._home)
        staged = _beside(local, self._mark)
        self._moves[staged] = local
        return staged

    def target(self, name: str) -> Path:
        """Where a file of the backup is written first."""
        if name == LEDGER:
            return self._staged_home / f".{LEDGER}"
        first, _, rest = name.partition("/")
        if first == "home" and rest:
            return self._staged_home / rest
        store, _, below = rest.partition("/")
        if first == "stores" and store in self._stores:
            return self._stores[store] / below if below else self._stores[store]
        raise ValueError(f"{name!r} belongs to no part of a home")

    def set_modes(self, folders: Mapping[str, int]) -> None:
        """Give folders the permissions that they had; one without files is made."""
        for name, mode in sorted(folders.items(), reverse=True):
            with suppress(ValueError):
                folder = self._staged_home if name == "home" else self.target(name)
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(mode & 0o777 | 0o700)

    def move_in(self) -> None:
        """Rename everything into its place, the home last: when it is there, all is."""
        self._staged_home.mkdir(parents=True, exist_ok=True)
        for staged, place in self._moves.items():
            if place.is_dir():
                place.rmdir()
            staged.replace(place)
        if self._home.is_dir():
            self._home.rmdir()
        self._staged_home.replace(self._home)

    def clear(self) -> None:
        """Remove what was not moved in."""
        for staged in (self._staged_home, *self._moves):
            shutil.rmtree(staged, ignore_errors=True)
            with suppress(OSError):
                staged.unlink()


def _fill_ledger(settings: Settings, places: _Places) -> dict[str, int]:
    copy = places.target(LEDGER)
    if not copy.is_file():
        return {}
    place = settings.ledger.removeprefix("sqlite:///")
    url = settings.ledger
    if settings.ledger.startswith("sqlite:///") and Path(place).is_relative_to(settings.home):
        url = f"sqlite:///{places.staged_home / Path(place).relative_to(settings.home)}"
    rows = restore_ledger(copy, url)
    copy.unlink()
    return rows


def _settle(settings: Settings, *, actor: str, at: datetime, same_home: bool, share: Sequence[str]) -> Adoption | None:
    """Say which home it is now: the same at the same place; elsewhere one of its own, or the one that is gone."""
    if placement(settings).acts:
        return None
    if same_home:
        return adopt_moved(settings, actor=actor, at=at)
    return adopt(settings, actor=actor, at=at, share=share)


def _require_empty(settings: Settings) -> None:
    """Nothing may be where the home goes, nor where its stores outside it go."""
    places = [settings.home]
    for name in (*FOLDERS, *FILES, "ledger"):
        place = getattr(settings, name)
        local = Path(place.removeprefix("sqlite:///"))
        if "://" not in place.removeprefix("sqlite:///") and not local.is_relative_to(settings.home):
            places.append(local)
    for place in places:
        try:
            full = place.exists() and (not place.is_dir() or any(place.iterdir()))
        except OSError as error:
            raise StoreError("the place of the home cannot be read", where=str(place), found=str(error)) from error
        if full:
            raise UsageError(
                "there is something already; nothing was restored",
                where=str(place),
                expected="nothing, or an empty folder",
                found="files",
                next_step="let TOLLGATE_HOME (and settings that place stores elsewhere) name new folders, "
                "or move what is there away",
                runbook=RUNBOOK,
            )


def _beside(place: Path, mark: str) -> Path:
    return place.with_name(f".{place.name}.{mark}")
