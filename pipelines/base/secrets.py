"""Random keys of a home: each made once, in a file that its owner alone may read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from pipelines.base.settings import Settings


def secret(settings: Settings, name: str) -> str:
    """A random key of the home, made once."""
    path = secret_file(settings, name)
    if not path.is_file():
        with contextlib.suppress(FileExistsError):
            write_private(path, secrets.token_urlsafe(64))
    return path.read_text()


def secret_file(settings: Settings, name: str) -> Path:
    """Where the home keeps a random key, readable by its owner alone."""
    return settings.home / "airflow" / f"{name}.key"


def known_secret(settings: Settings, name: str) -> str | None:
    """A random key of the home, None where none was made."""
    path = secret_file(settings, name)
    return path.read_text() if path.is_file() else None


def write_private(path: Path, text: str) -> None:
    """Write a new file that its owner alone may read; `FileExistsError` where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
