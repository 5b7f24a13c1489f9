"""The ledger's tables and the version of their layout."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = 5


class Document(sa.types.TypeDecorator[Any]):
    """Plain data as JSON text; not a database's own JSON type, as those refuse what Python writes
    for "no number".
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: sa.Dialect) -> str | None:
        """To text."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, _dialect: sa.Dialect) -> Any:
        """From text."""
        return None if value is None else json.loads(value)


metadata = sa.MetaData()
schema_version = sa.Table(
    "schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True)
)
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
    sa.Column("payload", Document, nullable=False),
    sa.Index("stage_records_by_day", "use_case", "stage", "day", "id"),
)
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("release_id", sa.String(64), primary_key=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("payload", Document, nullable=False),
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
    sa.Column("challenger", sa.String(64), sa.ForeignKey("releases.release_id")),
    sa.Column("challenger_state", sa.String(16)),
)
moves = sa.Table(
    "moves",
    metadata,
    sa.Column("use_case", sa.String(64), primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("champion", sa.String(64), nullable=False),
    sa.Column("challenger", sa.String(64)),
    sa.Column("challenger_state", sa.String(16)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("recorded_at", sa.String(40), nullable=False),
    sa.Column("detail", Document, nullable=False),
)
incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(250), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("detail", Document, nullable=False),
    sa.Column("opened_at", sa.String(40), nullable=False),
    sa.Column("opened_by", sa.String(128), nullable=False),
    sa.Column("resolved_at", sa.String(40)),
    sa.Column("resolved_by", sa.String(128)),
    sa.Column("resolution", sa.Text),
)
sa.Index(
    "incidents_open_once",
    incidents.c.use_case,
    incidents.c.kind,
    incidents.c.subject,
    unique=True,
    sqlite_where=incidents.c.resolved_at.is_(None),
    postgresql_where=incidents.c.resolved_at.is_(None),
)
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("use_case", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("incident_id", sa.Integer, sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("body", Document, nullable=False),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", sa.String(40), nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Column("sent_at", sa.String(40)),
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
    sa.Column("detail", Document, nullable=False),
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(500), primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("holder", sa.String(250), nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
