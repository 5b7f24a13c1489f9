"""What MLflow's database holds of a registered model, read from its tables without importing MLflow
(three seconds).

For looks that are made often. MLflow's own calls, in `tracking`, are what writes. An MLflow behind
HTTP has no tables.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipelines.base.addresses import with_our_driver
from pipelines.base.errors import DamagedStoreError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.sqlite_reading import open_for_reading

SQLITE = "sqlite:///"
_DELETED = "Deleted_Internal"
_VERSIONS = """
    SELECT v.version, v.storage_location, t.key, t.value
    FROM model_versions v JOIN model_version_tags t ON t.name = v.name AND t.version = v.version
    WHERE v.name = :name AND (v.current_stage IS NULL OR v.current_stage <> :deleted)
"""
_DELETED_EXPERIMENT = (
    "SELECT experiment_id FROM experiments WHERE name = :name AND lifecycle_stage = 'deleted'"
)
_ALIAS = "SELECT version FROM registered_model_aliases WHERE name = :name AND alias = :alias"


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version of the registered model: the release and model digest that its tags name, where its
    files are.
    """

    version: str
    release: str
    model_digest: str
    location: str


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All versions, and the one that the alias names (None: it names nothing)."""

    versions: tuple[RegisteredVersion, ...]
    alias: str | None

    def version_of(self, release: str, digest: str) -> RegisteredVersion | None:
        """The version that is this very model."""
        for version in self.versions:
            if (version.release, version.model_digest) == (release, digest):
                return version
        return None


def has_tables(url: str) -> bool:
    """Whether MLflow is a database that can be read here, rather than a server behind HTTP."""
    return url.startswith(("sqlite", "postgresql", "postgres"))


def deleted_experiment(url: str, name: str) -> str | None:
    """The id of the experiment `name` where somebody has deleted it in MLflow, else None.

    Raises `StoreError` where the database does not answer, or its file is damaged.
    """
    engine = _reader(url)
    if engine is None:
        return None
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("experiments"):
                return None
            experiment_id = connection.execute(
                sa.text(_DELETED_EXPERIMENT), {"name": name}
            ).scalar()
    except sa.exc.SQLAlchemyError as error:
        raise _unanswered(url, error) from error
    finally:
        engine.dispose()
    return None if experiment_id is None else str(experiment_id)


def _reader(url: str) -> sa.Engine | None:
    """What reads the database, None where its file is not there or empty; raises `StoreError` for a
    damaged one.
    """
    if not url.startswith(SQLITE):
        return sa.create_engine(with_our_driver(url), connect_args={"connect_timeout": 10})
    path = Path(url.removeprefix(SQLITE))
    if not path.is_file() or not path.stat().st_size:
        return None
    _require_sound(path, url)
    return sa.create_engine("sqlite://", creator=lambda: open_for_reading(path))


def read_registry(url: str, name: str, alias: str) -> Registry:
    """What the database of that URL holds of the model `name`.

    One that is not there, or is empty, holds nothing.

    Raises `StoreError` where it does not answer, or its file is damaged.
    """
    engine = _reader(url)
    if engine is None:
        return Registry(versions=(), alias=None)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("model_versions"):
                return Registry(versions=(), alias=None)
            rows = connection.execute(sa.text(_VERSIONS), {"name": name, "deleted": _DELETED}).all()
            named = connection.execute(sa.text(_ALIAS), {"name": name, "alias": alias}).scalar()
    except sa.exc.SQLAlchemyError as error:
        raise _unanswered(url, error) from error
    finally:
        engine.dispose()
    tags: dict[str, dict[str, str]] = {}
    places: dict[str, str] = {}
    for version, location, key, value in rows:
        tags.setdefault(str(version), {})[key] = value
        places[str(version)] = location or ""
    versions = tuple(
        RegisteredVersion(
            version=version,
            release=version_tags.get("release", ""),
            model_digest=version_tags.get("model_digest", ""),
            location=places[version],
        )
        for version, version_tags in tags.items()
    )
    return Registry(versions=versions, alias=str(named) if named is not None else None)


def _unanswered(url: str, error: sa.exc.SQLAlchemyError) -> StoreError:
    """The error for what the database's own library says."""
    cause = getattr(error, "orig", None)
    return unreadable(url, str(cause or error).strip(), damaged=is_damage(cause))


def unreadable(url: str, problem: str, *, damaged: bool = False) -> StoreError:
    """The error for a database that does not answer, or whose file is damaged
    (`DamagedStoreError`).
    """
    kind = DamagedStoreError if damaged else StoreError
    return kind(
        "MLflow's database cannot be read",
        where=mask_passwords(url),
        found=mask_passwords(problem),
        next_step=(
            "`tollgate repair mlflow` puts a damaged file aside and makes a new one; a server:"
            " start it"
        ),
        runbook="docs/runbooks/lost-stores.md",
    )


def _require_sound(path: Path, url: str) -> None:
    """Raises `StoreError` for a file that SQLite finds damaged: pages that nobody reads now are
    looked at too.
    """
    try:
        with closing(open_for_reading(path)) as database:
            verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise unreadable(url, str(error), damaged=is_damage(error)) from error
    if verdict != "ok":
        raise unreadable(
            url, f"database disk image is malformed: {' '.join(verdict.split())}", damaged=True
        )


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file is damaged, or no database at all."""
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte is the error, what stands above it says more of where it was met.
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
