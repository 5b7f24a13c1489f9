"""How a ledger is opened: its layout made where there is none, an older one brought forward, a
newer one refused.

Nothing is written to a ledger whose version is not known to be ours or older. Making and bringing
forward are one transaction each: a crash leaves the old layout, whole, and several processes may
open a ledger at once (SQLite and PostgreSQL change a layout within a transaction; MySQL does not,
and is refused).
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pipelines.base.addresses import unusable, with_our_driver
from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.sqlite_reading import may_write, open_for_reading
from pipelines.ledger.remedies import remedy
from pipelines.ledger.tables import (
    SCHEMA_VERSION,
    metadata,
    moves,
    pointers,
    release_states,
    releases,
    schema_version,
)

_SQLITE = "sqlite:///"
_LAYOUT_LOCK = 0x746F6C6C
"""Key of PostgreSQL's advisory lock on the layout ("toll"): of several that open a new ledger, one
makes it.
"""

RUNBOOK = "docs/runbooks/ledger.md"

PATIENT_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's settings: a machine that vanished (power, network) is given up after a minute, not after
two hours.
"""


def open_ledger(url: str) -> sa.Engine:
    """An engine whose database has the ledger's layout.

    Raises `StoreError` where the database does not answer, `ConfigurationError` where it is none,
    or was made by a newer Tollgate.
    """
    where = mask_passwords(url)
    engine = _engine(url)
    try:
        _open(engine, where)
    except sa.exc.OperationalError as error:
        raise StoreError(
            "the ledger cannot be opened",
            where=where,
            found=mask_passwords(str(error.orig).strip()),
            next_step=f"{remedy(str(error.orig))}, then run the same command again",
            runbook=RUNBOOK,
        ) from error
    except sa.exc.ProgrammingError as error:
        raise ConfigurationError(
            "the user of the ledger may not make its tables, or not use them",
            where=where,
            expected=(
                "the owner of the database, or a user with GRANT CREATE, USAGE ON SCHEMA public"
            ),
            found=str(error.orig).strip(),
            next_step=(
                "give the user those rights (PostgreSQL 15 gives them to the owner only), then run"
                " it again"
            ),
            runbook=RUNBOOK,
        ) from error
    except sa.exc.DatabaseError as error:
        raise ConfigurationError(
            "the ledger is not a database that we can read",
            where=where,
            expected=f"a ledger of version {SCHEMA_VERSION}",
            found=str(error.orig).strip(),
            next_step="restore it from a backup, or choose another TOLLGATE_HOME",
            runbook=RUNBOOK,
        ) from error
    return engine


def _engine(url: str) -> sa.Engine:
    """The engine; a connection that the server has closed meanwhile is made anew."""
    if url.startswith("sqlite"):
        if url.startswith(_SQLITE):
            return _engine_of_file(url, Path(url.removeprefix(_SQLITE)))
        return sa.create_engine(url, connect_args={"timeout": 30})
    try:
        dialect = sa.make_url(with_our_driver(url)).get_backend_name()
        if dialect != "postgresql":
            raise sa.exc.ArgumentError(f"a ledger in {dialect}")
        import psycopg

        return sa.create_engine(
            with_our_driver(url),
            module=psycopg,
            connect_args=PATIENT_CONNECTION,
            pool_pre_ping=True,
        )
    except (sa.exc.ArgumentError, ValueError) as error:
        raise unusable(
            "the ledger",
            url,
            setting="TOLLGATE_LEDGER",
            expected="sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/BASE",
        ) from error


def _engine_of_file(url: str, path: Path) -> sa.Engine:
    """The engine of a file; where this user may not write to it, one that can only read."""
    if path.is_file() and not may_write(path):
        return sa.create_engine(
            with_our_driver(url), creator=lambda: open_for_reading(path, check_same_thread=False)
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "the ledger cannot be made",
            where=str(path.parent),
            expected="a folder that this user may write to",
            found=error.strerror or str(error),
            next_step="let TOLLGATE_HOME name a folder of yours, or have this one made for you",
            runbook=RUNBOOK,
        ) from error
    return sa.create_engine(with_our_driver(url), connect_args={"timeout": 30})


def _open(engine: sa.Engine, where: str) -> None:
    with engine.connect() as connection:
        version = _version(connection)
    if version is not None and version > SCHEMA_VERSION:
        raise _newer(where, version)
    if version == SCHEMA_VERSION:
        return
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.commit()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LAYOUT_LOCK)))
        _bring_forward(connection, _version(connection))
        connection.commit()


def _version(connection: sa.Connection) -> int | None:
    """The layout's version, None where the database holds no ledger yet."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(sa.select(schema_version.c.version)).scalar()


def _bring_forward(connection: sa.Connection, version: int | None) -> None:
    """Make the layout, or change that of an older ledger into ours; another process may have done
    it meanwhile.
    """
    if version is not None and version >= SCHEMA_VERSION:
        return
    metadata.create_all(connection)
    if version is None:
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
        return
    if version < 2:
        _from_1_to_2(connection)
    connection.execute(schema_version.update().values(version=SCHEMA_VERSION))


def _from_1_to_2(connection: sa.Connection) -> None:
    """Version 2 adds the challenger, the history of the pointer (before: only in the releases'
    states), incidents.
    """
    for column in (pointers.c.challenger, pointers.c.challenger_state):
        kind = column.type.compile(connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {pointers.name} ADD COLUMN {column.name} {kind}")
    query = (
        sa.select(releases.c.use_case, release_states)
        .join(releases, releases.c.release_id == release_states.c.release_id)
        .where(release_states.c.state == "champion")
        .order_by(release_states.c.id)
    )
    generations: dict[str, int] = {}
    for row in connection.execute(query).mappings().all():
        generations[row["use_case"]] = generations.get(row["use_case"], 0) + 1
        connection.execute(
            moves.insert().values(
                use_case=row["use_case"],
                generation=generations[row["use_case"]],
                kind="promote",
                subject=row["release_id"],
                champion=row["release_id"],
                detail={},
                **{name: row[name] for name in ("reason", "actor", "recorded_at")},
            )
        )


def _newer(where: str, version: int) -> ConfigurationError:
    return ConfigurationError(
        "the ledger was made by a newer version of Tollgate; nothing in it was read or changed",
        where=where,
        expected=f"version {SCHEMA_VERSION} or older",
        found=f"version {version}",
        next_step="use the Tollgate that made it, or another TOLLGATE_HOME",
        runbook=RUNBOOK,
    )
