"""A home brought back from a backup, to any path, on any machine (`tollgate restore FILE`).

Everything is checked first, then written beside its place, and renamed into it at the end: the home
is there whole or not at all. A home that is restored to another place becomes a home of its own, as
a copy would, unless it is said that the original is gone.
"""

from __future__ import annotations

import shutil
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.base.addresses import canonical_address
from pipelines.base.errors import StoreError, UsageError
from pipelines.base.home import FILE as IDENTITY
from pipelines.base.home import RUNBOOK, Home, parse_home, placement, shared_stores, stores_outside
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote
from pipelines.homes.adoption import (
    Adoption,
    adopt,
    adopt_moved,
    allowed_stores,
    refuse_shared,
    require_gone,
)
from pipelines.homes.archive import opened, take_out
from pipelines.homes.backup import FILES, FOLDERS, LEDGER
from pipelines.ledger.backup import has_rows
from pipelines.ledger.backup import restore as restore_ledger
from pipelines.ledger.homes import HomeLedger, ledger_exists
from pipelines.online.address import OnlineAddress
from pipelines.prediction_log.files import answers_folders, keep_furthest

IN_HOME = {"airflow_database": "airflow/airflow.db", "serve_journal": "serving/journal"}
"""Where the home itself keeps what these settings may place elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came back: `files`, ledger `rows` by table; `elsewhere` was not in the backup.

    `unused` has no place here, as the settings name servers: setting and where it was put, below
    the home. `adoption` says which home it is now; None: it is at the place where it was backed up.
    `ledger_kept`: the ledger is the home's own, on a server, as it was found; none of the backup's
    rows were written.
    """

    files: int
    rows: Mapping[str, int]
    made_at: str
    elsewhere: Mapping[str, str]
    unused: Mapping[str, str]
    adoption: Adoption | None
    ledger_kept: bool = False


def restore_home(
    settings: Settings,
    path: Path,
    *,
    actor: str,
    at: datetime,
    same_home: bool = False,
    share: Sequence[str] = (),
    separate: Sequence[str] = (),
) -> Restored:
    """Bring a home back into the place that the settings name, which must be empty.

    `same_home`: it takes the place of the original, which is gone: identity, keys and stores on
    servers stay. Else it is refused where it would act on a store of the original (`share` and
    `separate` as in `adopt`). Raises `UsageError` where something is there already,
    `PermanentError` where the backup is not whole, `StoreError`, and what `adopt` raises.
    """
    allowed = allowed_stores(share, separate)
    _require_empty(settings)
    mark = f"restoring-{uuid.uuid4().hex[:8]}"
    with opened(path) as (document, tar, kept):
        places = _Places(settings, mark, kept)
        original = _original(tar, kept)
        ledger_kept = same_home and LEDGER in kept and _is_the_homes_ledger(settings, original)
        filled = [
            *places.filled,
            *(["ledger"] if LEDGER in kept and not _has_ledger(settings) else []),
        ]
        if same_home and original is not None:
            require_gone(
                settings,
                original,
                what="nothing was restored: the home that was backed up is still there",
            )
        if not same_home:
            shared = _shared(settings, original, document["settings"])
            refuse_shared(
                [name for name in shared if name not in {*allowed, *filled}], restored=True
            )
        try:
            take_out(path, tar, kept, places.target)
            places.keep_furthest_answers()
            places.set_modes(document["folders"])
            rows = _fill_ledger(settings, places, keep=ledger_kept)
            places.move_in()
        except OSError as error:
            raise StoreError(
                "the home could not be restored; nothing is left of it",
                where=str(settings.home),
                found=str(error),
                next_step=(
                    "make room, or choose another TOLLGATE_HOME; then run the same command again"
                ),
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
        adoption=_settle(
            settings,
            actor=actor,
            at=at,
            same_home=same_home,
            share=share,
            separate=(*separate, *filled),
        ),
        ledger_kept=ledger_kept,
    )


def _original(tar: tarfile.TarFile, kept: Mapping[str, Any]) -> Home | None:
    """The home that was backed up, as it spoke of itself; None where it said nothing yet."""
    name = f"home/{IDENTITY}"
    content = tar.extractfile(name) if name in kept else None
    return parse_home(content.read().decode()) if content is not None else None


def _shared(settings: Settings, original: Home | None, shown: Mapping[str, Any]) -> list[str]:
    """Settings that name a store outside the home which the original used, as it said or as it was
    backed up.
    """
    names = shared_stores(settings, original) if original is not None else []
    for name, place in stores_outside(settings).items():
        address = canonical_address(mask_passwords(str(shown.get(name))))
        if name not in names and canonical_address(mask_passwords(place)) == address:
            names.append(name)
    return names


def _has_ledger(settings: Settings) -> bool:
    return ledger_exists(settings) and has_rows(settings.ledger)


def _is_the_homes_ledger(settings: Settings, original: Home | None) -> bool:
    """Whether the ledger outside the home has rows, and they are those of the home that was backed
    up.
    """
    if original is None or "ledger" not in stores_outside(settings) or not _has_ledger(settings):
        return False
    return HomeLedger(settings.ledger, settings.use_case).owner() == original.home_id


class _Places:
    """Where the files of a backup go: beside their places first."""

    def __init__(self, settings: Settings, mark: str, kept: Mapping[str, Any]) -> None:
        self._home = settings.home
        self._staged_home = _beside(settings.home, mark)
        self._mark = mark
        self._moves: dict[Path, Path] = {}
        self._stores: dict[str, Path] = {}
        self.unused: dict[str, str] = {}
        self.filled: list[str] = []
        for name in (*FOLDERS, *FILES):
            if any(file == f"stores/{name}" or file.startswith(f"stores/{name}/") for file in kept):
                self._stores[name] = self._store(name, _place(settings, name))
        for name, below in IN_HOME.items():
            in_backup = any(
                file == f"home/{below}" or file.startswith(f"home/{below}/") for file in kept
            )
            place = getattr(settings, name)
            if in_backup and place is not None and str(settings.home / below) not in place:
                self.unused[name] = below

    @property
    def staged_home(self) -> Path:
        """The home, until it is moved in."""
        return self._staged_home

    def _store(self, name: str, place: str) -> Path:
        """Where a store is written: within the staged home, or beside its folder elsewhere."""
        local = Path(place.removeprefix("sqlite:///"))
        if is_remote(place) or "://" in place.removeprefix("sqlite:///"):
            self.unused[name] = f"restored/{name}"
            return self._staged_home / "restored" / name
        self.filled.append(name)
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

    def keep_furthest_answers(self) -> None:
        """Of a file of the scorer's log that moved on during the backup, keep the later copy."""
        for folder in answers_folders(self._staged_home):
            keep_furthest(folder)

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


def _place(settings: Settings, name: str) -> str:
    """Where the settings place a store; a database that they do not name is where the home keeps
    it.
    """
    place: str | None = getattr(settings, name)
    if place is not None:
        return place
    if name == "online_registry":
        return OnlineAddress.of(settings).registry
    return f"sqlite:///{settings.home / IN_HOME[name]}"


def _fill_ledger(settings: Settings, places: _Places, *, keep: bool) -> dict[str, int]:
    copy = places.target(LEDGER)
    if not copy.is_file():
        return {}
    if keep:
        copy.unlink()
        return {}
    place = settings.ledger.removeprefix("sqlite:///")
    url = settings.ledger
    if settings.ledger.startswith("sqlite:///") and Path(place).is_relative_to(settings.home):
        url = f"sqlite:///{places.staged_home / Path(place).relative_to(settings.home)}"
    rows = restore_ledger(copy, url)
    copy.unlink()
    return rows


def _settle(
    settings: Settings,
    *,
    actor: str,
    at: datetime,
    same_home: bool,
    share: Sequence[str],
    separate: Sequence[str],
) -> Adoption | None:
    """Say which home it is now: the same at the same place; elsewhere one of its own, or the one
    that is gone.
    """
    if placement(settings).acts:
        return None
    if same_home:
        return adopt_moved(settings, actor=actor, at=at)
    return adopt(settings, actor=actor, at=at, share=share, separate=separate)


def _require_empty(settings: Settings) -> None:
    """Nothing may be where the home goes, nor where its stores outside it go."""
    places = [settings.home]
    for name in (*FOLDERS, *FILES, "ledger"):
        address = _place(settings, name)
        local = Path(address.removeprefix("sqlite:///"))
        if "://" not in address.removeprefix("sqlite:///") and not local.is_relative_to(
            settings.home
        ):
            places.append(local)
    for place in places:
        try:
            full = place.exists() and (not place.is_dir() or any(place.iterdir()))
        except OSError as error:
            raise StoreError(
                "the place of the home cannot be read", where=str(place), found=str(error)
            ) from error
        if full:
            raise UsageError(
                "there is something already; nothing was restored",
                where=str(place),
                expected="nothing, or an empty folder",
                found="files",
                next_step=(
                    "let TOLLGATE_HOME (and settings that place stores elsewhere) name new folders,"
                    " or move what is there away"
                ),
                runbook=RUNBOOK,
            )


def _beside(place: Path, mark: str) -> Path:
    return place.with_name(f".{place.name}.{mark}")
