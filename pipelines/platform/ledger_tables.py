"""The ledger's tables, the version of their layout, and how a database with them is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipelines.platform.errors import ConfigurationError, StoreError

SCHEMA_VERSION = 1

metadata = sa.MetaData()
schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))
stage_records = sa.Table(
    "stage_records",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(250), nullable=False),
    sa.Column("recorded_at", sa.String(40), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Index("stage_records_by_day", "use_case", "stage", "day", "id"),
)
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("release_id", sa.String(64), primary_key=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
)
release_states = sa.Table(
    "release_states",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("release_id", sa.String(64), sa.ForeignKey("releases.release_id"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("recorded_at", sa.String(40), nullable=False),
)
pointers = sa.Table(
    "pointers",
    metadata,
    sa.Column("use_case", sa.String(64), primary_key=True),
    sa.Column("release_id", sa.String(64), sa.ForeignKey("releases.release_id"), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
)
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(250), nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("recorded_at", sa.String(40), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)


def open_ledger(url: str) -> sa.Engine:
    """An engine with the ledger's tables made and its version checked."""
    options: dict[str, Any] = {}
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        options["connect_args"] = {"timeout": 30}
    engine = sa.create_engine(url, **options)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            metadata.create_all(connection)
            version = connection.execute(sa.select(schema_version.c.version)).scalar()
            if version is None:
                connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
                version = SCHEMA_VERSION
    except sa.exc.OperationalError as error:
        raise StoreError(
            "the ledger cannot be opened",
            where=url,
            found=str(error.orig),
            next_step="check that its folder or server is there",
        ) from error
    except sa.exc.DatabaseError as error:
        raise ConfigurationError(
            "the ledger is not a database that we can read",
            where=url,
            expected=f"a ledger of version {SCHEMA_VERSION}",
            found=str(error.orig),
            next_step="restore it from a backup, or choose another TOLLGATE_HOME",
        ) from error
    if version != SCHEMA_VERSION:
        raise ConfigurationError(
            "the ledger was made by another version of Tollgate",
            where=url,
            expected=f"version {SCHEMA_VERSION}",
            found=f"version {version}",
            next_step="use the Tollgate that made it, or another TOLLGATE_HOME",
        )
    return engine
