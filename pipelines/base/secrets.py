"""What Airflow keeps to itself: its users' passwords and its keys, random, made once, readable by their owner alone."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from pipelines.airflow.api import SCRAPER, USER, passwords_file
from pipelines.base.atomic_files import write_whole
from pipelines.base.settings import Settings

USERS = {USER: "admin", SCRAPER: "viewer"}
"""Airflow's users, and their roles."""


def make_passwords(settings: Settings) -> Path:
    """Give each user a random password, once; the file is readable by its owner alone."""
    path = passwords_file(settings)
    known: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    if missing := [name for name in USERS if name not in known]:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole = json.dumps(known | {name: secrets.token_urlsafe(18) for name in missing})
        write_whole(path, lambda partial: _write_private(partial, whole), what="the passwords of Airflow's users")
    return path


def secret(settings: Settings, name: str) -> str:
    """A random key of the home, made once."""
    path = secret_file(settings, name)
    if not path.is_file():
        with contextlib.suppress(FileExistsError):
            _write_private(path, secrets.token_urlsafe(64))
    return path.read_text()


def secret_file(settings: Settings, name: str) -> Path:
    """Where the home keeps a random key, readable by its owner alone."""
    return settings.home / "airflow" / f"{name}.key"


def known_secret(settings: Settings, name: str) -> str | None:
    """A random key of the home, None where none was made."""
    path = secret_file(settings, name)
    return path.read_text() if path.is_file() else None


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
