"""Airflow's own file in the home, `airflow/airflow.cfg`: two keys of this home, and no path.

Airflow would write a file of two thousand lines on its first start, with the home's path in five of
them, and follow those for ever. All that matters is told by the environment (`airflow_server`), or
derived from AIRFLOW_HOME.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path

from pipelines.base.atomic_files import write_whole
from pipelines.base.settings import Settings

_HEAD = """# Made by Tollgate. Set options in the environment (AIRFLOW__SECTION__OPTION); what is added here is kept.
# No path of this folder may stand here: the home can be copied and moved.
"""  # noqa: E501
_PLACE = re.compile(r"^base_log_folder\s*=\s*(/.*)/logs\s*$", re.MULTILINE)
"""How a file that Airflow wrote tells for which folder it did."""

_SIGNING = re.compile(r"^((?:secret_key|jwt_secret)\s*=\s*)\S+", re.MULTILINE)


def configuration_file(settings: Settings) -> Path:
    """Where Airflow looks for it."""
    return settings.home / "airflow" / "airflow.cfg"


def make_configuration(settings: Settings, *, new_keys: bool = False) -> None:
    """Make the file where there is none; take the paths out of one that Airflow wrote.

    Raises `StoreError`.

    With `new_keys` those that sign are made anew; that by which Airflow's database is read stays in
    any case.
    """
    path = configuration_file(settings)
    if path.is_file():
        before = path.read_text()
        after = _without_paths(before, settings)
        if new_keys:
            after = _SIGNING.sub(lambda option: f"{option[1]}{secrets.token_urlsafe(32)}", after)
        if after == before:
            return
    else:
        fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
        keys = f"[core]\nfernet_key = {fernet}\n\n[api]\nsecret_key = {secrets.token_urlsafe(32)}\n"
        after = f"{_HEAD}\n{keys}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, lambda partial: _write_private(partial, after), what="Airflow's own file")


def _without_paths(text: str, settings: Settings) -> str:
    """The text without options that name the folder for which it was written, or this one."""
    named = _PLACE.search(text)
    places = {str(settings.home / "airflow"), *([named[1]] if named else [])}
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#") or not _names_one(line, places))


def _names_one(line: str, places: set[str]) -> bool:
    return any(re.search(rf"{re.escape(place)}(/|\s*$)", line) for place in places)


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
