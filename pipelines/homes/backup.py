"""A whole home in one file, while its services run (`tollgate backup FILE`).

The order makes it consistent: the ledger first, at one moment, then databases, then files, which are only ever added.
So all that the ledger names is there; what came later is there too and is done again by the next run, as after a crash.
Of a lake table the log is taken before the files that it names.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.base.errors import ConfigurationError, StoreError, TransientError
from pipelines.base.home import RUNBOOK, placement, stores_outside
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote
from pipelines.homes.archive import ArchiveWriter
from pipelines.ledger.backup import back_up as back_up_ledger
from pipelines.ledger.homes import ledger_exists
from pipelines.run import code_version

LEDGER = "ledger.jsonl.gz"
FOLDERS = ("landing", "lake", "mlflow_artifacts", "online_store")
"""Settings that place folders; they are kept by the setting's name, wherever they are."""

FILES = ("mlflow",)
"""Settings that place a database in a file."""

LEFT_OUT = (
    "airflow/logs",
    "scratch",
    "services",
    "serving/figures",
    "spark",
)
"""Folders of the home with nothing that a restored home needs: logs, process records, scratch."""

_SQLITE = b"SQLite format 3\x00"
_BESIDE = ("-wal", "-shm", "-journal")
_LOG = "_delta_log"
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What was backed up: `files`, `bytes`, ledger `rows` by table; `elsewhere` (setting: address) is not in it."""

    path: Path
    home_id: str | None
    files: int
    size: int
    rows: dict[str, int]
    elsewhere: dict[str, str]
    keys: int


def back_up_home(settings: Settings, path: Path, *, at: datetime) -> Backup:
    """Write the home to a file that only its owner may read; an earlier file of that name stays until it is whole.

    Raises `StoreError` where a store or the disk does not answer, `TransientError` where files changed under it.
    """
    if not settings.home.is_dir():
        raise ConfigurationError(
            "there is no home to back up", where=str(settings.home), next_step="let TOLLGATE_HOME name it"
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".tollgate-backup-") as scratch:
            done = _Collector(settings, ArchiveWriter(partial), Path(scratch), {path, partial}).collect(path, at)
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

    def __init__(self, settings: Settings, writer: ArchiveWriter, scratch: Path, skipped: set[Path]) -> None:
        self._settings = settings
        self._writer = writer
        self._scratch = scratch
        self._skipped = skipped | {scratch}
        self._folders: dict[str, int] = {}
        self._links: list[str] = []

    def collect(self, path: Path, at: datetime) -> Backup:
        """Everything, in the order that keeps it consistent."""
        settings, home = self._settings, placement(self._settings).home
        try:
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
            size=sum(one.size for one in kept),
            rows=rows,
            elsewhere=elsewhere | dict.fromkeys(self._links, "a link, not followed"),
            keys=sum(one.name.endswith((".key", ".pem", "passwords.json", "keys.json")) for one in kept),
        )

    def _ledger(self, at: datetime) -> dict[str, int]:
        """Every row at one moment, from a file or a server alike."""
        if not ledger_exists(self._settings):
            return {}
        copy = self._scratch / LEDGER
        rows = back_up_ledger(self._settings.ledger, copy, at=at)
        self._writer.add(LEDGER, copy)
        return rows

    def _databases(self) -> None:
        """MLflow's database first: all artefacts that it names are there already. The others go with their folders."""
        place = self._settings.mlflow.removeprefix("sqlite:///")
        if self._settings.mlflow.startswith("sqlite:///") and Path(place).is_file():
            self._database(Path(place), "stores/mlflow")
            self._skipped.add(Path(place))

    def _store(self, name: str) -> None:
        place = getattr(self._settings, name)
        folder = Path(place)
        if is_remote(place) or "://" in place or not folder.is_dir():
            return
        self._walk(folder, f"stores/{name}", top=folder)
        self._skipped.add(folder)

    def _walk(self, folder: Path, prefix: str, *, top: Path) -> None:
        """Add a folder with what is below it, each listed when its turn comes."""
        self._folders[prefix] = folder.stat().st_mode & 0o777
        if (folder / _LOG).is_dir():
            self._table_log(folder / _LOG, f"{prefix}/{_LOG}")
        manifest = folder / "_MANIFEST.json"
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

    def _is_left_out(self, path: Path, top: Path) -> bool:
        if top != self._settings.home:
            return False
        relative = path.relative_to(top).as_posix()
        of_ledger = self._settings.ledger.removeprefix("sqlite:///")
        own_backup = path.parent.name == "backups" and path.suffix == ".tar"
        scratch = path.name.startswith("parity-") and path.is_dir()
        return relative in LEFT_OUT or own_backup or scratch or str(path).startswith(of_ledger)

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
            return  # a partial file that got its name, or a stream that moved on: it comes where it is now

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
        found = path.stat()
        copy.chmod(found.st_mode & 0o777)
        self._writer.add(name, copy)
        copy.unlink()

    def _table_log(self, folder: Path, prefix: str) -> None:
        """A table's log as it is at one moment; Delta removes old parts of it now and then."""
        for _ in range(_TRIES):
            try:
                found = self._read_log(folder)
            except FileNotFoundError:
                continue
            self._folders[prefix] = folder.stat().st_mode & 0o777
            for name, (content, mode, changed) in found.items():
                self._writer.add_bytes(f"{prefix}/{name}", content, mode=mode, changed=changed)
            return
        raise _changed(folder)

    def _read_log(self, folder: Path) -> dict[str, tuple[bytes, int, int]]:
        """All files of a log; the pointer to the newest checkpoint is read before the checkpoints are listed."""
        pointer = folder / "_last_checkpoint"
        first = [pointer] if pointer.is_file() else []
        content = [(path, path.read_bytes()) for path in first]
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != pointer]
        content += [(path, path.read_bytes()) for path in paths]
        found = {}
        for path, read in content:
            status = path.stat()
            found[path.relative_to(folder).as_posix()] = (read, status.st_mode & 0o777, status.st_mtime_ns)
        return found

    def _elsewhere(self) -> dict[str, str]:
        """Stores on servers and in buckets, but for the ledger: their operators back them up."""
        outside = {name: place for name, place in stores_outside(self._settings).items() if name != "ledger"}
        return {
            name: mask_passwords(place)
            for name, place in outside.items()
            if "://" in place and not place.startswith("sqlite:///")
        }


def _in_order(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; streams of the scorer before the places to which they move on, manifests last."""
    with os.scandir(folder) as entries:
        found = list(entries)
    rank = {"open": 0, "closed": 1, "_MANIFEST.json": 3}
    yield from sorted(found, key=lambda entry: (rank.get(entry.name, 2), entry.name))


def _belongs_to_database(path: Path) -> bool:
    """Whether it is what SQLite keeps beside a database: the copy of the database has all of it."""
    return any(path.name.endswith(end) and path.with_name(path.name.removesuffix(end)).is_file() for end in _BESIDE)


def _shown(settings: Settings) -> dict[str, Any]:
    """The settings in force, without secrets: for whoever restores."""
    plain = {name: value for name, value in settings.model_dump(mode="json").items() if not name.startswith("notify_")}
    return {name: mask_passwords(value) if isinstance(value, str) else value for name, value in plain.items()}


def _changed(folder: Path) -> TransientError:
    return TransientError(
        "files were removed or replaced while they were backed up; there is no backup",
        where=str(folder),
        expected="that nothing is deleted meanwhile (`maintain`, `retain`, a day delivered again)",
        next_step="run the same command again when that is done",
        runbook=RUNBOOK,
    )
