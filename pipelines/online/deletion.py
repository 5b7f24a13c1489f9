"""Rows of the online store removed by key, where Feast 0.67 keeps them: it has no call that deletes
a key.

SQLite: table `<project>_<view>`, column `entity_key`. Redis: one hash for each key of an entity, of
all its views.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from features.feast_objects import view_name
from pipelines.base.addresses import is_redis
from pipelines.online.address import OnlineAddress
from pipelines.online.feast_library import load_feast

KEY_VERSION = 3
"""Feast's `entity_key_serialization_version`, as the online store sets it."""


def delete_keys(
    address: OnlineAddress, project: str, entity: str, join_key: str, keys: Sequence[Any]
) -> int:
    """Remove the rows of these keys (int) of an entity; returns how many keys were there.

    Doing it again removes none.

    SQLite overwrites what it removes. Raises the store's own errors.
    """
    names = [_serialised(join_key, key) for key in keys]
    if is_redis(address.store):
        return _from_redis(address, project, names)
    return _from_sqlite(
        Path(address.store) / "online.sqlite", f"{project}_{view_name(entity)}", names
    )


def _from_redis(address: OnlineAddress, project: str, names: Sequence[bytes]) -> int:
    import redis

    with closing(redis.Redis(**address.redis_options())) as client:
        removed: Any = [client.delete(name + project.encode()) for name in names]
    return sum(removed)


def _from_sqlite(path: Path, table: str, names: Sequence[bytes]) -> int:
    if not path.is_file():
        return 0
    quoted = '"' + table.replace('"', '""') + '"'
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        database.execute("PRAGMA secure_delete = ON")
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return 0
        rows = [
            database.execute(f"DELETE FROM {quoted} WHERE entity_key = ?", (name,)).rowcount
            for name in names
        ]
    return sum(count > 0 for count in rows)


def _serialised(join_key: str, key: Any) -> bytes:
    load_feast()
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    named = EntityKey(join_keys=[join_key], entity_values=[Value(int64_val=int(key))])
    name: bytes = serialize_entity_key(named, entity_key_serialization_version=KEY_VERSION)
    return name
