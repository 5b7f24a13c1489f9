"""Golden sets without a subject's cases, and the files of the home that no part of the product has
written.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from pipelines.accounts.audit import GoldenDetail
from pipelines.base.errors import TollgateError
from pipelines.base.home import FOLDERS, FORMER_FOLDERS
from pipelines.base.settings import Settings, is_remote
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.erasure.unread import Rows, Unread, below_home, strangers
from pipelines.object_store.storage import open_storage
from pipelines.run import Run
from pipelines.training.golden import newest_golden
from pipelines.training.golden_store import CASES, LABEL, MANIFEST, load_golden, write_golden
from pipelines.usecases.registry import names

_SUFFIX = re.compile(r"-kept-[0-9a-f]{6}$")
_DAY = r"\d{4}-\d\d-\d\d"
_OF_A_TABLE = re.compile(
    r"/_delta_log/|/_change_data/|\.parquet$|\.crc$|/deletion_vector[^/]*\.bin$"
)


_REPORTS = (rf"{_DAY}(-[a-z0-9_-]+)?\.html", r"index\.html", r"releases/[^/]+\.html")
_KEYS = (r"signing\.pem", r"ids\.key", r"trusted/[0-9a-f]{64}\.pub")
_BACKUPS = (r"ledger-[^/]*\.jsonl\.gz",)
_RELEASES = (r"[^/]+/[a-z_]+\.(ubj|json|parquet|sig)",)
_SERVING = (
    r"keys\.json",
    r"first-key",
    r"figures/[^/]+/[^/]+\.json",
    r"journal/[^/]+/([a-z][a-z_-]*(\.(json|id|lock))?|\d{12}\.journal)",
    rf"answers/[^/]+/(lock|(open|closed)/(lock|[^/]+\.arrows(\.damaged)?)|day={_DAY}/hour=\d\d/[^./][^/]*\.parquet)",
)
_IMPORTS = (rf"[a-z][a-z0-9_]*/{_DAY}\.parquet", rf"rejected/{_DAY}_{_DAY}_[0-9a-f]+\.csv")
KNOWN = {
    "keys": _KEYS,
    "backups": _BACKUPS,
    "releases": _RELEASES,
    "serving": _SERVING,
}
"""What the product writes below these folders of a home, by relative path."""

KNOWN_OF_USE_CASE = {"reports": _REPORTS, "imports": _IMPORTS}
"""The same below the folders of a use case; alert lists and golden sets are looked through
themselves.
"""

_FOLDERS_OF_A_HOME = re.compile("|".join([*FOLDERS, "metastore_db", "lost[+]found"]))
_FOLDERS_OF_A_USE_CASE = re.compile("|".join(FORMER_FOLDERS))
_FILES_OF_A_HOME = re.compile(
    r"(ledger|mlflow|airflow)\.(sqlite|db)(-wal|-shm|-journal)?|derby\.log|\.?home[a-z_.-]*"
)


def delete_from_golden_sets(run: Run, subject: Subject, *, dry_run: bool) -> Rows:
    """Cases of the subject by golden set.

    Of the newest set a new version without them is frozen; a set that held some is removed, as none
    is ever changed. One that is damaged, and whatever else stands in their folder, is named.
    """
    home = run.settings.home
    known_names = (rf"[a-z][a-z0-9_-]*/({CASES}|{MANIFEST})",)
    rows = Rows(unread=list(strangers(home, run.folder / "golden", known_names)))
    newest = _newest(run)
    for folder in _golden_sets(run.folder):
        try:
            golden = load_golden(run.folder, folder.name)
            of_keys = golden.cases[subject.unit].isin(subject.keys)
        except (TollgateError, ValueError, KeyError, OSError) as error:
            rows.unread.append(Unread(below_home(home, folder), _first_line(error)))
            continue
        if not of_keys.any():
            continue
        rows.by_file[folder.name] = int(of_keys.sum())
        if dry_run:
            continue
        if newest == folder.name:
            _freeze_again(run, folder.name, subject)
        shutil.rmtree(folder)
    return rows


def unknown_files(run: Run) -> list[Unread]:
    """Files of the home that no part of the product has written, in folders that are its own.

    Not looked through: what Airflow, MLflow, Spark and the services keep for themselves, and the
    simulator's truth.
    """
    settings = run.settings
    unknown: list[Unread] = []
    for folder, known_names in KNOWN.items():
        unknown += strangers(settings.home, settings.home / folder, known_names)
    for folder, known_names in KNOWN_OF_USE_CASE.items():
        unknown += strangers(settings.home, run.folder / folder, known_names)
    for path in sorted(run.folder.iterdir()) if run.folder.is_dir() else ():
        if not (path.is_dir() and _FOLDERS_OF_A_USE_CASE.fullmatch(path.name)):
            unknown.append(Unread(below_home(settings.home, path), "nothing of a use case"))
    use_cases = frozenset(names())
    placed = {path.relative_to(settings.home).parts[0] for path in _placed_in(settings)}
    for path in sorted(settings.home.iterdir()) if settings.home.is_dir() else ():
        pattern = _FOLDERS_OF_A_HOME if path.is_dir() else _FILES_OF_A_HOME
        if (
            not pattern.fullmatch(path.name)
            and path.name not in use_cases
            and re.sub("-(wal|shm|journal)$", "", path.name) not in placed
        ):
            unknown.append(
                Unread(path.name, "no folder of a home" if path.is_dir() else "no file of a home")
            )
    return sorted([*unknown, *_beside_tables(run)])


def delete_leftovers(home: Path, *, dry_run: bool) -> list[str]:
    """Remove the copies of landed files that an ingest made and could not remove, as it was killed;
    their names.
    """
    paths = sorted((home / "scratch").glob("ingest-*"))
    for path in () if dry_run else paths:
        shutil.rmtree(path, ignore_errors=True)
    return [below_home(home, path) for path in paths]


def _placed_in(settings: Settings) -> Iterator[Path]:
    """Where the settings place something below the home, under a name of their own."""
    urls = (settings.ledger, settings.mlflow, settings.airflow_database, settings.online_registry)
    files = [url.split(":///", 1)[1] for url in urls if url and url.startswith("sqlite")]
    folders = [
        settings.landing,
        settings.lake,
        settings.mlflow_artifacts,
        settings.online_store,
        str(settings.jars),
    ]
    for place in (*files, *folders):
        if place.startswith(f"{settings.home}/"):
            yield Path(place)


def _beside_tables(run: Run) -> Iterator[Unread]:
    """Files of the lake that are in no table, or that no table can have written."""
    root = f"{run.settings.lake}/{run.use_case.name}"
    files = open_storage(run.settings, root).files("")
    tables = {path.split("/")[0] for path in files if "/_delta_log/" in path}
    for path in files:
        if path.split("/")[0] not in tables or not _OF_A_TABLE.search(path):
            where = (
                f"{root}/{path}"
                if is_remote(root)
                else below_home(run.settings.home, Path(root) / path)
            )
            yield Unread(where, "no file of a table")


def _newest(run: Run) -> str | None:
    """The newest golden set's name; None where there is none, or it is damaged and cannot be frozen
    again.
    """
    try:
        newest = newest_golden(run) if (run.folder / "golden").is_dir() else None
    except (TollgateError, ValueError, KeyError, OSError):
        return None
    return newest.version if newest else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _golden_sets(folder: Path) -> Iterator[Path]:
    yield from (
        path.parent
        for path in sorted((folder / "golden").glob(f"*/{CASES}"))
        if path.parent.name[0] != "."
    )


def _freeze_again(run: Run, version: str, subject: Subject) -> None:
    """A version without the subject's cases, which the ledger names as the one that counts from now
    on.
    """
    golden = load_golden(run.folder, version)
    cases = golden.cases[~golden.cases[subject.unit].isin(subject.keys)].reset_index(drop=True)
    counts = {"cases": len(cases), "positives": int(cases[LABEL].sum())}
    name = f"{_SUFFIX.sub('', version)[:50]}-kept-{uuid4().hex[:6]}"
    again = write_golden(
        run.folder, name, cases, {**golden.manifest, **counts, "without_units_of": version}
    )
    detail = GoldenDetail.from_json(
        {
            "digest": again.digest,
            "days": golden.manifest["days"],
            **counts,
            "replaces": version,
        }
    )
    run.ledger.audit(name, detail, actor=run.actor, at=run.clock())
