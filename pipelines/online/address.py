"""Where the online store is, and how Feast is told: a folder with SQLite files, or Redis with a
registry in SQL.

Feast's Redis store drops a row that is not newer than the one it finds: that keeps the newest, and
is why a build of the states is later than the one before. It reads, then writes: that is sure with
one writer at a time (Airflow's pool).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import sqlalchemy as sa

from pipelines.base.addresses import is_redis, unusable, with_our_driver
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings

PATIENCE = 5
"""Seconds after which a Redis that does not answer counts as down."""

_COMMA = "\\u002c"
"""A comma in JSON, where Feast splits at commas."""

KEPT = 60 * 86_400
"""Seconds that Redis keeps a key that no build writes any more: longer than any window reaches
back.
"""


@dataclass(frozen=True)
class OnlineAddress:
    """`store` is a folder or a `redis://` address, `registry` an SQLAlchemy URL."""

    store: str
    registry: str

    @classmethod
    def of(cls, settings: Settings) -> OnlineAddress:
        """As the settings place it; raises `ConfigurationError` for an address of Redis that cannot
        be used.
        """
        store = settings.online_store
        if is_redis(store):
            cls(store, "").redis_options()
        beside = settings.home / "online" if is_redis(store) else Path(store)
        registry = settings.online_registry
        return cls(store, with_our_driver(registry) if registry else _registry_in(beside))

    @classmethod
    def in_folder(cls, folder: str | Path) -> OnlineAddress:
        """Store and registry as SQLite files in one folder."""
        return cls(str(folder), _registry_in(Path(folder)))

    @property
    def where(self) -> str:
        """The store's address for people: no password in it."""
        return mask_passwords(self.store)

    def prepare(self) -> None:
        """Make the folders that are missing."""
        if not is_redis(self.store):
            Path(self.store).mkdir(parents=True, exist_ok=True)
        if self.registry.startswith("sqlite:///"):
            file = sa.make_url(self.registry).database or ""
            Path(file).parent.mkdir(parents=True, exist_ok=True)

    def online_store(self) -> dict[str, Any]:
        """Feast's configuration of the online store."""
        if not is_redis(self.store):
            return {"type": "sqlite", "path": str(Path(self.store) / "online.sqlite")}
        options = self.redis_options()
        parts = [f"{options.pop('host')}:{options.pop('port')}"]
        parts += [
            f"{name}={json.dumps(value).replace(',', _COMMA)}" for name, value in options.items()
        ]
        return {"type": "redis", "connection_string": ",".join(parts), "key_ttl_seconds": KEPT}

    def redis_options(
        self, what: str = "the online store", setting: str = "TOLLGATE_ONLINE_STORE"
    ) -> dict[str, Any]:
        """What a client of that Redis is made with; raises `ConfigurationError` for an address that
        cannot be used.
        """
        parts = urlsplit(self.store)
        number = parts.path.strip("/") or "0"
        reachable = parts.hostname and ":" not in parts.hostname and _port(parts) is not None
        wrong = [
            *([] if reachable else ["no usable host or port"]),
            *(["no number of a database at its end"] if not number.isdecimal() else []),
            *(["a query (?) or fragment (#)"] if parts.query or parts.fragment else []),
        ]
        if wrong:
            raise unusable(
                what,
                self.store,
                setting=setting,
                expected="a folder, or redis://:PASSWORD@HOST:PORT/NUMBER (rediss:// for TLS)",
                because=" and ".join(wrong),
            )
        secrets = {
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
        }
        return {
            "host": parts.hostname,
            "port": _port(parts),
            "db": int(number),
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            **({"ssl": True} if parts.scheme == "rediss" else {}),
            **{name: secret for name, secret in secrets.items() if secret},
        }


def _port(parts: SplitResult) -> int | None:
    """The port, Redis's own where none is given; None where it is none (a password's `/`, `#` or
    `?` looks so too).
    """
    try:
        return parts.port or 6379
    except ValueError:
        return None


def _registry_in(folder: Path) -> str:
    return with_our_driver(f"sqlite:///{folder / 'registry.sqlite'}")
