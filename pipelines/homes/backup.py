"""A whole home in one file, while its services run (`tollgate backup FILE`).

The order makes it consistent: the ledger first, at one moment, then databases, then files, which
are only ever added. So all that the ledger names is there; what came later is there too and is done
again by the next run, as after a crash. What says how far something has come is taken before it:
the ledger's witness before the ledger, the log of a lake table before the files that it names, the
extent of the scorer's journal before its segments.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from pipelines.base.errors import ConfigurationError, StoreError, TransientError
from pipelines.base.home import RUNBOOK, placement, stores_outside
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote
from pipelines.homes.archive import ArchiveWriter
from pipelines.lake.delta_health import log_damage
from pipelines.lake.delta_log import commit_versions, live_files
from pipelines.landing.manifest import MANIFEST_NAME
from pipelines.ledger.backup import back_up as back_up_ledger
from pipelines.ledger.homes import ledger_exists
from pipelines.run import code_version
from pipelines.stores.checks import WITNESS

LEDGER = "ledger.jsonl.gz"
FOLDERS = ("landing", "lake", "mlflow_artifacts", "online_store")
"""Settings that place folders; they are kept by the setting's name, wherever they are."""

FILES = ("mlflow", "airflow_database", "online_registry")
"""Settings that may place a database in a file."""

KEY_FILES = ("signing_key", "id_key", "serve_tls_certificate", "serve_tls_key")
"""Settings that name files of whoever runs the home; those outside it are not ours to copy."""

LEFT_OUT = (
    "airflow/logs",
    "scratch",
    "services",
    "serving/figures",
    "spark",
)
"""Folders of the home with nothing that a restored home needs: logs, process records, scratch."""

_SQLITE = b"SQLite format 3\x00"
_SQLITE_ADDRESS = "sqlite:///"
_BESIDE = ("-wal", "-shm", "-journal")
_LOG = "_delta_log"
_FIRST = ("lock", "open", "closed")
"""Of the scorer: what says how far its journal has come, and the places of a stream of its log
before it is Parquet.
"""

_COMMIT = re.compile(r"\d{20}\.json")
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What was backed up: number of `files`, their `size` in bytes, ledger `rows` by table, files
    with `keys`.

    `elsewhere` is not in it: addresses by setting, and links. `damaged` names files that the home
    itself lacks.
    """

    path: Path
    home_id: str | None
    files: int
    size: int
    rows: dict[str, int]
    elsewhere: dict[str, str]
    keys: int
    damaged: tuple[str, ...] = ()


def back_up_home(settings: Settings, path: Path, *, at: datetime) -> Backup:
    """Write the home to a file that only its owner may read; an earlier file of that name stays
    until it is whole.

    Raises `StoreError` where a store or the disk does not answer, `TransientError` where files
    changed under it.
    """
    if not settings.home.is_dir():
        raise ConfigurationError(
            "there is no home to back up",
            where=str(settings.home),
            next_step="let TOLLGATE_HOME name it",
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".tollgate-backup-") as scratch:
            done = _Collector(
                settings, ArchiveWriter(partial), Path(scratch), {path, partial}
            ).collect(path, at)
        partial.replace(path)
        return done
    except OSError as error:
        raise StoreError(
            "the backup could not be written",
            where=str(path),
            found=str(error),
            next_step="make room, or name a file elsewhere; then run the same command again",
            runbook=RUNBOOK,
        ) from error
    finally:
        partial.unlink(missing_ok=True)


class _Collector:
    """Collects one home into one archive."""

    def __init__(
        self, settings: Settings, writer: ArchiveWriter, scratch: Path, skipped: set[Path]
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._scratch = scratch
        self._skipped = skipped | {scratch}
        self._folders: dict[str, int] = {}
        self._links: list[str] = []
        self._missing: list[str] = []
        self._damaged: list[str] = []

    def collect(self, path: Path, at: datetime) -> Backup:
        """Everything, in the order that keeps it consistent."""
        settings, home = self._settings, placement(self._settings).home
        try:
            self._witness()
            rows = self._ledger(at)
            self._databases()
            for name in FOLDERS:
                self._store(name)
            self._walk(settings.home, "home", top=settings.home)
            elsewhere = self._elsewhere()
            self._writer.finish(
                {
                    "made_at": at.isoformat(),
                    "code": code_version(),
                    "home_id": home.home_id if home else None,
                    "settings": _shown(settings),
                    "ledger_rows": rows,
                    "elsewhere": elsewhere,
                    "links_left_out": self._links,
                    "folders": self._folders,
                }
            )
        finally:
            self._writer.close()
        kept = self._writer.kept
        return Backup(
            path=path,
            home_id=home.home_id if home else None,
            files=len(kept),
            size=sum(file.size for file in kept),
            rows=rows,
            elsewhere=elsewhere | dict.fromkeys(self._links, "a link, not followed"),
            keys=sum(
                file.name.endswith((".key", ".pem", "passwords.json", "keys.json")) for file in kept
            ),
            damaged=tuple(self._damaged),
        )

    def _witness(self) -> None:
        """How far the ledger has come, noted before the ledger is read: the copy is as far, or
        further.
        """
        witness = self._settings.home / WITNESS
        if witness.is_file():
            self._writer.add(f"home/{WITNESS}", witness)
        self._skipped.add(witness)

    def _ledger(self, at: datetime) -> dict[str, int]:
        """Every row at one moment, from a file or a server alike."""
        if not ledger_exists(self._settings):
            return {}
        copy = self._scratch / LEDGER
        rows = back_up_ledger(self._settings.ledger, copy, at=at)
        self._writer.add(LEDGER, copy)
        return rows

    def _databases(self) -> None:
        """MLflow's database first: all artefacts that it names are there already.

        The others go with their folders.
        """
        for name in FILES:
            path = database_file(self._settings, name)
            if path is None:
                continue
            if path.is_file():
                self._database(path, f"stores/{name}")
                self._skipped.add(path)
            elif not path.is_relative_to(self._settings.home):
                self._missing.append(name)

    def _store(self, name: str) -> None:
        place = getattr(self._settings, name)
        folder = Path(place)
        if is_remote(place) or "://" in place:
            return
        if not folder.is_dir():
            if not folder.is_relative_to(self._settings.home):
                self._missing.append(name)
            return
        self._walk(folder, f"stores/{name}", top=folder)
        self._skipped.add(folder)

    def _walk(self, folder: Path, prefix: str, *, top: Path) -> None:
        """Add a folder with what is below it, each listed when its turn comes."""
        self._folders[prefix] = folder.stat().st_mode & 0o777
        named = (
            self._table_log(folder / _LOG, f"{prefix}/{_LOG}")
            if (folder / _LOG).is_dir()
            else set()
        )
        manifest = folder / MANIFEST_NAME
        before = manifest.read_bytes() if manifest.is_file() else None
        for entry in _in_order(folder):
            path = Path(entry.path)
            if path in self._skipped or path.name == _LOG or self._is_left_out(path, top):
                continue
            if entry.is_symlink():
                self._links.append(f"{prefix}/{entry.name}")
            elif entry.is_dir():
                self._walk(path, f"{prefix}/{entry.name}", top=top)
            elif entry.is_file():
                self._file(path, f"{prefix}/{entry.name}")
        if before is not None and (not manifest.is_file() or manifest.read_bytes() != before):
            raise _changed(folder)
        if named:
            self._require_files(folder, prefix, named)

    def _require_files(self, folder: Path, prefix: str, named: set[str]) -> None:
        """All data files that the log names were there to be taken; those that the table lacks
        anyhow are noted.
        """
        start = len(prefix) + 1
        taken = {
            file.name[start:] for file in self._writer.kept if file.name.startswith(f"{prefix}/")
        }
        lacking = {name for name in named if unquote(name) not in taken}
        if not lacking:
            return
        still_named = set(live_files(folder))
        if lacking - still_named or any((folder / unquote(name)).exists() for name in lacking):
            raise _changed(folder)
        self._damaged.extend(str(folder / unquote(name)) for name in sorted(lacking))

    def _is_left_out(self, path: Path, top: Path) -> bool:
        if top != self._settings.home:
            return False
        relative = path.relative_to(top).as_posix()
        ledger = self._settings.ledger.removeprefix(_SQLITE_ADDRESS)
        of_ledger = {ledger, *(f"{ledger}{end}" for end in _BESIDE)}
        own_backup = relative == f"backups/{path.name}" and path.suffix == ".tar"
        scratch = path.name.startswith("parity-") and path.is_dir()
        return relative in LEFT_OUT or own_backup or scratch or str(path) in of_ledger

    def _file(self, path: Path, name: str) -> None:
        try:
            with path.open("rb") as file:
                database = file.read(len(_SQLITE)) == _SQLITE
            if database:
                self._database(path, name)
            elif not _belongs_to_database(path):
                self._writer.add(name, path)
        except FileNotFoundError:
            if path.suffix == ".parquet" and not path.name.startswith("."):
                raise _changed(path.parent) from None
            # a partial file that got its name, or a stream that moved on: it comes where it is now
            return

    def _database(self, path: Path, name: str) -> None:
        """A database as it is at one moment, while others write to it."""
        copy = self._scratch / "database"
        try:
            source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)
            with closing(source), closing(sqlite3.connect(copy)) as target:
                source.backup(target)
        except sqlite3.Error as error:
            raise StoreError(
                "a database could not be read for the backup",
                where=str(path),
                found=str(error),
                next_step="run the same command again; if it stays, `tollgate doctor`",
                runbook=RUNBOOK,
            ) from error
        status = path.stat()
        copy.chmod(status.st_mode & 0o777)
        self._writer.add(name, copy)
        copy.unlink()

    def _table_log(self, folder: Path, prefix: str) -> set[str]:
        """A table's log as it is at one moment; returns the data files that it names, as it writes
        them.

        Delta removes old parts of it now and then. A log that was damaged before is taken as it is,
        and names none.
        """
        for _ in range(_TRIES):
            content = _read_log(folder)
            if content is None:
                continue
            self._folders[prefix] = folder.stat().st_mode & 0o777
            for name, file in content.items():
                self._writer.add_bytes(
                    f"{prefix}/{name}", file.content, mode=file.mode, changed=file.changed
                )
            return self._named_files(folder, content)
        raise _changed(folder)

    def _named_files(self, folder: Path, content: Mapping[str, _LogFile]) -> set[str]:
        """The data files of the newest version that a log knows, from its files as they were
        read.
        """
        with TemporaryDirectory(dir=self._scratch) as scratch:
            log = Path(scratch, _LOG)
            for name, file in content.items():
                path = log / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.content)
            damage = log_damage(Path(scratch))
            if damage is not None:
                self._damaged.append(str(folder / damage.file.relative_to(log)))
                return set()
            return set(live_files(Path(scratch)))

    def _elsewhere(self) -> dict[str, str]:
        """What is not in the backup: servers and buckets but for the ledger, folders that are not
        there, key files.
        """
        outside = {
            name: place
            for name, place in stores_outside(self._settings).items()
            if name != "ledger"
        }
        elsewhere = {
            name: mask_passwords(place)
            for name, place in outside.items()
            if "://" in place and not place.startswith(_SQLITE_ADDRESS)
        }
        elsewhere |= {name: f"{outside[name]}: nothing is there" for name in self._missing}
        for name in KEY_FILES:
            file = getattr(self._settings, name)
            if file is not None and not file.expanduser().resolve().is_relative_to(
                self._settings.home
            ):
                elsewhere[name] = str(file)
        return elsewhere


@dataclass(frozen=True)
class _LogFile:
    """A file of a table's log as it was read: permissions, and time of change (ns since 1970)."""

    content: bytes
    mode: int
    changed: int


def database_file(settings: Settings, name: str) -> Path | None:
    """The file of one of the databases in `FILES`; None where it is a server, or goes with the
    home's other files.
    """
    place = getattr(settings, name)
    if place is None or not place.startswith(_SQLITE_ADDRESS):
        return None
    path = Path(place.removeprefix(_SQLITE_ADDRESS)).expanduser().absolute()
    if name != "mlflow" and path.is_relative_to(settings.home):
        return None
    return path


def _read_log(folder: Path) -> dict[str, _LogFile] | None:
    """All files of a log by their names; None where it changed so that they may not belong
    together.

    Commits that come meanwhile are no matter: those before are all there. A file that a writer is
    about to name is left out, and so is what vanishes only then.
    """
    pointer = folder / "_last_checkpoint"
    before = pointer.read_bytes() if pointer.is_file() else None
    content = {}
    try:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if not path.is_file() or _is_unnamed(path):
                continue
            status = path.stat()
            content[name] = _LogFile(path.read_bytes(), status.st_mode & 0o777, status.st_mtime_ns)
        after = pointer.read_bytes() if pointer.is_file() else None
    except FileNotFoundError:
        return None
    versions = [int(name[:20]) for name in content if _COMMIT.fullmatch(name)]
    is_whole = not versions or len(versions) == max(versions) - min(versions) + 1
    return content if before == after and (is_whole or _has_gap(folder)) else None


def _has_gap(folder: Path) -> bool:
    """Whether commits are missing in the log itself: then it was damaged before."""
    versions = commit_versions(folder.parent)
    return bool(versions) and len(versions) != versions[0] - versions[-1] + 1


def _is_unnamed(path: Path) -> bool:
    """Whether a file is being written under a name that is not its own, by Hadoop or delta-rs."""
    return path.name.endswith(".tmp") or (path.name.startswith("_commit_") and ".json" in path.name)


def _in_order(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, each before what it may become or what it speaks of; manifests last.

    First come streams of the scorer's log, and the file that says how far its journal has come. The
    folder is looked through again after them: a stream moves on to a folder that may be made only
    then, and a journal has new segments.
    """
    yield from _listed(folder, _FIRST)
    rest = [entry for entry in _listed(folder) if entry.name not in _FIRST]
    yield from sorted(rest, key=lambda entry: (entry.name == MANIFEST_NAME, entry.name))


def _listed(folder: Path, names: Sequence[str] | None = None) -> list[os.DirEntry[str]]:
    """The entries of a folder as they are now: all of them, or those of these names in the order of
    the names.
    """
    with os.scandir(folder) as entries:
        present = {entry.name: entry for entry in entries}
    if names is None:
        return list(present.values())
    return [present[name] for name in names if name in present]


def _belongs_to_database(path: Path) -> bool:
    """Whether it is what SQLite keeps beside a database: the copy of the database has all of it."""
    return any(
        path.name.endswith(end) and path.with_name(path.name.removesuffix(end)).is_file()
        for end in _BESIDE
    )


def _shown(settings: Settings) -> dict[str, Any]:
    """The settings in force, without secrets: for whoever restores."""
    plain = {
        name: value
        for name, value in settings.model_dump(mode="json").items()
        if not name.startswith("notify_")
    }
    return {
        name: mask_passwords(value) if isinstance(value, str) else value
        for name, value in plain.items()
    }


def _changed(folder: Path) -> TransientError:
    return TransientError(
        "files were removed or replaced while they were backed up; there is no backup",
        where=str(folder),
        expected="that nothing is deleted meanwhile (`maintain`, `retain`, a day delivered again)",
        next_step="run the same command again when that is done",
        runbook=RUNBOOK,
    )
