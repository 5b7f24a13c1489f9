"""Where the online store is, and how Feast is told: a folder with SQLite files, or Redis with a registry in SQL.

Redis takes a row only where it is newer, by whole seconds, than the one it has (Feast's `redis.py`): that keeps the
newest, and is why builds of the states are a second apart at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipelines.platform.errors import ConfigurationError
from pipelines.platform.masking import mask_passwords
from pipelines.platform.settings import Settings, is_redis, with_our_driver

PATIENCE = 5
"""Seconds after which a Redis that does not answer counts as down."""

KEPT = 60 * 86_400
"""Seconds that Redis keeps a key that no build writes any more: longer than any window reaches back."""


@dataclass(frozen=True)
class OnlineAddress:
    """`store` is a folder or a `redis://` address, `registry` an SQLAlchemy URL."""

    store: str
    registry: str

    @classmethod
    def of(cls, settings: Settings) -> OnlineAddress:
        """As the settings place it; raises `ConfigurationError` for an address of Redis that cannot be used."""
        store = settings.online_store
        if is_redis(store):
            _connection(store)
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
            Path(self.registry.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)

    def online_store(self) -> dict[str, Any]:
        """Feast's configuration of the online store."""
        if not is_redis(self.store):
            return {"type": "sqlite", "path": str(Path(self.store) / "online.sqlite")}
        return {"type": "redis", "connection_string": _connection(self.store), "key_ttl_seconds": KEPT}


def _registry_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'registry.sqlite'}"


def _connection(address: str) -> str:
    """Feast's form of a Redis address: `host:port,db=0,password=…`; commas separate there, so none may be in a part."""
    parts = urlsplit(address)
    try:
        port, base = parts.port or 6379, int(parts.path.strip("/") or 0)
    except ValueError as error:
        raise _unusable(address, str(error)) from error
    secrets = {"username": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    if not parts.hostname or any("," in part for part in secrets.values()):
        raise _unusable(address, "no host" if not parts.hostname else "a comma in the user's name or password")
    options = {
        "db": base,
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        **({"ssl": "true"} if parts.scheme == "rediss" else {}),
        **{name: secret for name, secret in secrets.items() if secret},
    }
    return ",".join([f"{parts.hostname}:{port}", *(f"{name}={value}" for name, value in options.items())])


def _unusable(address: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        "the address of the online store is none that we can use",
        where="TOLLGATE_ONLINE_STORE",
        expected="a folder, or redis://:PASSWORD@HOST:PORT/NUMBER (rediss:// for TLS)",
        found=f"{mask_passwords(address)}: {found}",
        next_step="correct the variable; docs/settings.md",
        runbook="docs/runbooks/online-store.md",
    )
