"""Addresses of databases and servers: which kind they are, and what is said of one that cannot be
used.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import sqlalchemy as sa

from pipelines.base.errors import ConfigurationError
from pipelines.base.masking import mask_passwords

SQLITE = "sqlite:///"


def with_our_driver(url: str) -> str:
    """What SQLAlchemy, and who builds on it, is given: PostgreSQL with the driver that is installed
    here.

    Settings name the file of an SQLite database as it is called (`sqlite:///` and its path).
    SQLAlchemy decodes a URL, so that a `%20`, `?` or `#` in a folder's name would lead to another
    file: here such marks are encoded.
    """
    if url.startswith(SQLITE):
        named = sa.URL.create("sqlite", database=url.removeprefix(SQLITE))
        return named.render_as_string(hide_password=False)
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql+psycopg://", url)


def for_mlflow(url: str) -> str:
    """The same for MLflow, which makes the folder of a plain `sqlite:` address as it is written,
    undecoded.
    """
    ours = with_our_driver(url)
    return (
        ours.replace("sqlite:", "sqlite+pysqlite:", 1)
        if ours.startswith(SQLITE) and ours != url
        else ours
    )


def is_redis(location: str) -> bool:
    """Whether an online store is a Redis rather than a folder."""
    return location.startswith(("redis://", "rediss://"))


_THIS_MACHINE = {"localhost": "127.0.0.1", "::1": "127.0.0.1"}


def canonical_address(place: str) -> str:
    """One spelling of where a store is, whoever asks it and by which driver: to tell whether two
    are the same.

    Left out are user, password and driver, and what is the default: ports, Redis's database 0, a
    slash at the end. What cannot be taken apart stays as it is.
    """
    try:
        if re.match(r"s3a?://", place):
            return re.sub(r"^s3a://", "s3://", place).rstrip("/")
        if is_redis(place):
            parts = urlsplit(place)
            number = parts.path.strip("/") or parse_qs(parts.query).get("db", ["0"])[0]
            return f"redis://{_host(parts.hostname)}:{parts.port or 6379}/{int(number)}"
        if re.match(r"postgres(ql)?(\+\w+)?://", place):
            url = sa.make_url(with_our_driver(place))
            host = url.host or url.query.get("host") or "localhost"
            return f"postgresql://{_host(str(host))}:{url.port or 5432}/{url.database or ''}"
        if re.match(r"https?://", place):
            parts = urlsplit(place)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            return f"http://{_host(parts.hostname)}:{port}{parts.path.rstrip('/')}"
        path = place.removeprefix(SQLITE)
        return place if "://" in path else str(Path(path).expanduser().resolve())
    except (ValueError, sa.exc.ArgumentError):
        return place


def _host(name: str | None) -> str:
    plain = (name or "localhost").lower().rstrip(".")
    return _THIS_MACHINE.get(plain, plain)


def unusable(
    what: str, address: str, *, setting: str, expected: str, because: str = ""
) -> ConfigurationError:
    """The error to raise for an address (its password is masked) of `what`; `because` holds no part
    of it.
    """
    shown = mask_passwords(address)
    return ConfigurationError(
        f"the address of {what} is none that we can use",
        where=setting,
        expected=expected,
        found=f"{shown}: {because}" if because else shown,
        next_step=(
            "correct or unset the variable; in a password / # ? @ : % are written %2F %23 %3F %40"
            " %3A %25"
        ),
        runbook="docs/deploy.md",
    )
