"""A mark in the online store: which build of the states it holds.

A store that was emptied or exchanged has none.

SQLite: table `tollgate_builds` in the store's own file. Redis: one string. It is written after
every key was read back.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from features.feast_objects import view_name
from pipelines.base.addresses import is_redis
from pipelines.base.errors import StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.sqlite_reading import open_for_reading
from pipelines.online.address import OnlineAddress

_TABLE = "tollgate_builds"


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a store holds: `build` (ISO 8601, as it was marked; None without a mark) and at most how
    many `keys`.
    """

    build: str | None
    keys: int


def mark_build(address: OnlineAddress, project: str, build: str) -> None:
    """Note that the store holds the states of that build, whole; raises `StoreError`."""
    try:
        if is_redis(address.store):
            import redis

            with closing(redis.Redis(**address.redis_options())) as client:
                client.set(_name(project), build)
            return
        with closing(sqlite3.connect(_file(address), timeout=30)) as database, database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {_TABLE} (project TEXT PRIMARY KEY, build TEXT NOT"
                " NULL)"
            )
            database.execute(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", (project, build))
    except Exception as error:
        raise _away(address, error) from error


def held(address: OnlineAddress, project: str, entities: list[str]) -> Held:
    """What the store holds of a project now: its mark, and the keys of these entities (Redis: of
    everybody).

    Raises `StoreError` where it does not answer. A file that is not there holds nothing, and none
    is made.
    """
    try:
        if is_redis(address.store):
            import redis

            with closing(redis.Redis(**address.redis_options())) as client:
                mark = client.get(_name(project))
                return Held(
                    build=mark.decode() if isinstance(mark, bytes) else None,
                    keys=int(str(client.dbsize())),
                )
        return _in_file(_file(address), project, entities)
    except Exception as error:
        raise _away(address, error) from error


def _in_file(path: Path, project: str, entities: list[str]) -> Held:
    if not path.is_file():
        return Held(build=None, keys=0)
    with closing(open_for_reading(path)) as database:
        tables = {
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        row = None
        if _TABLE in tables:
            row = database.execute(
                f"SELECT build FROM {_TABLE} WHERE project = ?", (project,)
            ).fetchone()
        keys = 0
        for entity in entities:
            table = f"{project}_{view_name(entity)}"
            if table in tables:
                keys += database.execute(
                    f'SELECT count(DISTINCT entity_key) FROM "{table}"'
                ).fetchone()[0]
    return Held(build=row[0] if row else None, keys=keys)


def _file(address: OnlineAddress) -> Path:
    return Path(address.store) / "online.sqlite"


def _name(project: str) -> str:
    return f"tollgate:{project}:build"


def _away(address: OnlineAddress, error: Exception) -> StoreError:
    return StoreError(
        "the online store does not say which build of the states it holds",
        where=address.where,
        expected="the mark of the newest materialisation",
        found=mask_passwords(f"{type(error).__name__}: {error}"),
        next_step="look at it (server, space, permissions), then run the materialize stage again",
        runbook="docs/runbooks/online-store.md",
    )
