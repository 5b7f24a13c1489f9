"""Airflow's users and their passwords: random, made once, in a file that its owner alone may
read.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from pipelines.airflow.api import SCRAPER, USER, passwords_file
from pipelines.base.atomic_files import write_whole
from pipelines.base.secrets import write_private
from pipelines.base.settings import Settings

USERS = {USER: "admin", SCRAPER: "viewer"}
"""Airflow's users, and their roles."""


def make_passwords(settings: Settings) -> Path:
    """Give each user a random password, once; the file is readable by its owner alone."""
    path = passwords_file(settings)
    passwords: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    if missing := [name for name in USERS if name not in passwords]:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole = json.dumps(passwords | {name: secrets.token_urlsafe(18) for name in missing})
        write_whole(
            path,
            lambda partial: write_private(partial, whole),
            what="the passwords of Airflow's users",
        )
    return path
