"""The whole ledger as one compressed file of JSON lines, and back: into a file or a server,
whichever it came from.

The first line says what it is, then comes a line for each row, tables in the order in which they
refer to one another, and the last line counts them: a file that was cut off is known by its
absence.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipelines.accounts.audit import HomeDetail
from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import PermanentError, UsageError
from pipelines.base.masking import mask_passwords
from pipelines.ledger.opening import RUNBOOK, open_ledger
from pipelines.ledger.store import answering
from pipelines.ledger.tables import SCHEMA_VERSION, audit, metadata, schema_version

_BATCH = 1000
HOME = HomeDetail.KIND
"""Kind of the audit rows that say whose ledger it is (`pipelines.ledger.homes`)."""

TABLES = [table for table in metadata.sorted_tables if table is not schema_version]


def back_up(url: str, path: Path, *, at: datetime) -> dict[str, int]:
    """Write every row of the ledger, of all use cases, as it is at one moment; returns the rows by
    table.

    Raises `StoreError` where ledger or disk does not answer; an earlier file of that name then
    stays.
    """
    engine = open_ledger(url)
    counted: dict[str, int] = {}

    def write(partial: Path) -> None:
        with gzip.open(partial, "wt", encoding="utf-8") as file, engine.connect() as connection:
            partial.chmod(0o600)
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            else:
                connection.exec_driver_sql("BEGIN")
            file.write(
                json.dumps({"tollgate_ledger": SCHEMA_VERSION, "made_at": at.isoformat()}) + "\n"
            )
            for table in TABLES:
                rows = connection.execute(
                    sa.select(table).order_by(*table.primary_key.columns)
                ).mappings()
                counted[table.name] = sum(
                    bool(file.write(_line(table.name, dict(row)))) for row in rows
                )
            file.write(json.dumps({"rows": counted}) + "\n")

    try:
        with answering(mask_passwords(url)):
            write_whole(path, write, what="the backup of the ledger")
    finally:
        engine.dispose()
    return counted


def restore(path: Path, url: str) -> dict[str, int]:
    """Fill an empty ledger from a backup in one transaction; returns the rows by table.

    Raises `PermanentError` where the file is no whole backup of this layout, `UsageError` where the
    ledger has rows, `StoreError` where it does not answer.
    """
    rows, counted = _read(path)
    engine = open_ledger(url)
    try:
        with answering(mask_passwords(url)), engine.begin() as connection:
            full = [
                table.name
                for table in TABLES
                if connection.execute(_told_rows(table).limit(1)).first()
            ]
            if full:
                raise UsageError(
                    "the ledger is not empty; nothing was changed",
                    where=mask_passwords(url),
                    expected="a new ledger",
                    found=f"rows in {', '.join(full)}",
                    next_step=(
                        "move it away, or let TOLLGATE_LEDGER name a new file or database; then"
                        " restore again"
                    ),
                    runbook=RUNBOOK,
                )
            connection.execute(audit.delete().where(audit.c.kind == HOME))
            _insert(connection, rows)
    finally:
        engine.dispose()
    return counted


def has_rows(url: str) -> bool:
    """Whether a ledger holds anything but the note whose it is; raises `StoreError` where it does
    not answer.
    """
    engine = open_ledger(url)
    try:
        with answering(mask_passwords(url)), engine.connect() as connection:
            return any(connection.execute(_told_rows(table).limit(1)).first() for table in TABLES)
    finally:
        engine.dispose()


def _told_rows(table: sa.Table) -> sa.Select[Any]:
    """Rows that a restore must not cover: all but the note whose ledger it is, which a new one gets
    by itself.
    """
    query = sa.select(table)
    return query.where(table.c.kind != HOME) if table is audit else query


def _insert(connection: sa.Connection, rows: list[tuple[str, dict[str, Any]]]) -> None:
    for name, group in groupby(rows, key=lambda entry: entry[0]):
        table = metadata.tables[name]
        values = [row for _, row in group]
        for start in range(0, len(values), _BATCH):
            connection.execute(table.insert(), values[start : start + _BATCH])
        if connection.dialect.name == "postgresql" and table.autoincrement_column is not None:
            column = table.autoincrement_column
            newest = sa.select(sa.func.max(column)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(sa.select(sa.func.setval(sequence, newest)))


def _read(path: Path) -> tuple[list[tuple[str, dict[str, Any]]], dict[str, int]]:
    """The rows, each with its table, and how many of each there are."""
    try:
        documents = list(_documents(path))
        if not documents or documents[0].get("tollgate_ledger") != SCHEMA_VERSION:
            kind = (
                documents[0].get("tollgate_ledger", "another file")
                if documents
                else "an empty file"
            )
            raise _unusable(path, f"layout {kind}")
        rows = [(document["table"], document["row"]) for document in documents[1:-1]]
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    counted = {table.name: sum(name == table.name for name, _ in rows) for table in TABLES}
    if documents[-1].get("rows") != counted:
        raise _unusable(path, "rows are missing: it was cut off")
    return rows, counted


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise ValueError("a line is no JSON object")
            yield document


def _line(table: str, row: dict[str, Any]) -> str:
    return json.dumps({"table": table, "row": row}) + "\n"


def _unusable(path: Path, problem: str) -> PermanentError:
    return PermanentError(
        "this is no whole backup of a ledger",
        where=str(path),
        expected=f"a file that `tollgate ledger backup` wrote, layout {SCHEMA_VERSION}",
        found=problem,
        next_step=(
            "take another of <home>/backups; one of an older layout is restored by the Tollgate"
            " that made it"
        ),
        runbook=RUNBOOK,
    )
