"""Addresses of databases and servers: which kind they are, and what is said of one that cannot be used."""

from __future__ import annotations

import re

from pipelines.platform.errors import ConfigurationError
from pipelines.platform.masking import mask_passwords


def with_our_driver(url: str) -> str:
    """An SQLAlchemy URL; one of PostgreSQL with the driver that is installed here, whatever it names."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", url)


def is_redis(location: str) -> bool:
    """Whether an online store is a Redis rather than a folder."""
    return location.startswith(("redis://", "rediss://"))


def unusable(what: str, address: str, *, setting: str, expected: str, because: str = "") -> ConfigurationError:
    """The error to raise for an address (its password is masked) of `what`; `because` holds no part of it."""
    shown = mask_passwords(address)
    return ConfigurationError(
        f"the address of {what} is none that we can use",
        where=setting,
        expected=expected,
        found=f"{shown}: {because}" if because else shown,
        next_step="correct or unset the variable; in a password / # ? @ : % are written %2F %23 %3F %40 %3A %25",
        runbook="docs/deploy.md",
    )
