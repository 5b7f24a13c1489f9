"""A bearer token in a file, for Prometheus: it reads the file at each scrape, but cannot log in by
itself.

The token is that of a viewer, and Airflow lets it expire after a day.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pipelines.airflow.api import SCRAPER, AirflowApi
from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings

RENEWED = 3600.0
"""Seconds after which a new token is fetched."""

AGAIN = 15.0
"""Seconds after which an Airflow that did not answer is asked again."""


def token_file(settings: Settings) -> Path:
    """Where the token is; the folder is for those to see who may read metrics, the file is open to
    them.
    """
    return settings.home / "monitoring" / "token"


def keep(settings: Settings) -> None:
    """Fetch a token, and a new one every hour, until somebody ends it; an Airflow that is down is
    asked again.
    """
    while True:
        try:
            renew(settings)
            time.sleep(RENEWED)
        except StoreError as error:
            print(error, file=sys.stderr, flush=True)
            time.sleep(AGAIN)


def renew(settings: Settings) -> Path:
    """Fetch a token and put it in its file; raises `StoreError` where Airflow does not answer."""
    token = AirflowApi(settings, SCRAPER).token()
    settings.home.mkdir(parents=True, exist_ok=True)
    token_file(settings).parent.mkdir(mode=0o750, exist_ok=True)

    def write(path: Path) -> None:
        path.write_text(token)
        path.chmod(0o644)

    return write_whole(token_file(settings), write, what="the token for Prometheus")


def is_fresh(settings: Settings) -> bool:
    """Whether the token was fetched within the last two hours."""
    try:
        age = time.time() - token_file(settings).stat().st_mtime
    except FileNotFoundError:
        return False
    # A file from the future was written before the clock went back: how old it is cannot be told.
    return abs(age) < 2 * RENEWED
