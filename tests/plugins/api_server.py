"""Airflow's own API server over a home, without scheduler or DAGs: its auth manager, its users, our
plugin.

Run as `python -m tests.plugins.api_server PORT`; the database is made from Airflow's models, which
takes a second where its migrations take many.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from pipelines.airflow import server as airflow_server
from pipelines.airflow.api import passwords_file
from pipelines.base.settings import CHECKOUT, Settings

PEOPLE = {"vera": "viewer", "otto": "op", "ada": "admin", "nina": ""}
"""Users and their roles, Nina has none; each one's password is the name."""

SECRET = secrets.token_urlsafe(64)
"""What the server signs its tokens with."""


@contextmanager
def api_server(settings: Settings) -> Iterator[str]:
    """The server's address, as long as it runs."""
    environment = airflow_server.environment(settings) | {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in PEOPLE.items()
        ),
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    }
    passwords = passwords_file(settings)
    passwords.parent.mkdir(parents=True, exist_ok=True)
    passwords.write_text(json.dumps({name: name for name in PEOPLE}))
    log = (settings.home / "api-server.log").open("w")
    command = [sys.executable, "-m", "tests.plugins.api_server", str(settings.airflow_port)]
    process = subprocess.Popen(
        command, env=environment, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _await(process, f"http://127.0.0.1:{settings.airflow_port}", Path(log.name))
        yield f"http://127.0.0.1:{settings.airflow_port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            log.close()


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 300
    while True:
        try:
            with urlopen(f"{address}/api/v2/version"):
                return
        except OSError:
            tail = log.read_text()[-3000:]
            assert process.poll() is None, tail
            assert time.monotonic() < deadline, tail
            time.sleep(0.2)


def _serve(port: int) -> None:
    import uvicorn
    from airflow import settings as airflow_settings
    from airflow.api_fastapi.app import create_app
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    Base.metadata.create_all(airflow_settings.engine)
    uvicorn.run(create_app("core"), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    _serve(int(sys.argv[1]))
