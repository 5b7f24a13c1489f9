"""How Airflow runs here: its configuration as environment variables, its user's password, when it counts as up."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.platform.addresses import unusable, with_our_driver
from pipelines.platform.airflow_api import USER, AirflowApi, passwords_file
from pipelines.platform.errors import ConfigurationError, StoreError
from pipelines.platform.masking import mask_passwords
from pipelines.platform.orchestration import Orchestration
from pipelines.platform.ports import LOCALHOST
from pipelines.platform.settings import CHECKOUT, Settings

PARALLELISM = 4
IDLE_SLEEP = 0.2
"""Seconds that an idle scheduler sleeps: one second by default, paid between any two tasks of a chain."""

EXECUTOR = "plugins.tollgate_airflow.executor.PreloadedExecutor"


def command() -> list[str]:
    """The command that runs all of Airflow's components."""
    return [str(_bin() / "airflow"), "standalone"]


def environment(settings: Settings) -> dict[str, str]:
    """Everything that `airflow` needs to know; tasks inherit it, and with it Tollgate's own settings."""
    return {
        **os.environ,
        **_tollgate(settings),
        **{f"AIRFLOW__{key}": value for key, value in _configuration(settings).items()},
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "PATH": f"{_bin()}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(CHECKOUT),
        "NO_COLOR": "1",
        "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), LOCALHOST, "localhost"))),
        "TZ": "UTC",
    }


def spark_remote(settings: Settings) -> str:
    """URL of the Spark server that tasks use: the one that is set, else the local one."""
    return settings.spark_remote or f"sc://{LOCALHOST}:{settings.spark_port}"


def make_password(settings: Settings) -> Path:
    """Give the user a random password, once; the file is readable by its owner alone."""
    path = passwords_file(settings)
    if not path.is_file():
        _write_private(path, json.dumps({USER: secrets.token_urlsafe(18)}))
    return path


def make_database(settings: Settings) -> None:
    """Make Airflow's database where there is none, or bring a server's forward.

    A file is made elsewhere, then moved: a start that is broken off leaves no half.
    """
    if settings.airflow_database:
        _migrate(settings, {}, where=mask_passwords(settings.airflow_database))
        return
    path = settings.home / "airflow" / "airflow.db"
    if path.exists():
        return
    with TemporaryDirectory(dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        _migrate(settings, {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{new}"}, where=str(path))
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        new.replace(path)


def _migrate(settings: Settings, changes: Mapping[str, str], *, where: str) -> None:
    made = subprocess.run(
        [str(_bin() / "airflow"), "db", "migrate"],
        env={**environment(settings), **changes},
        capture_output=True,
        text=True,
        umask=0o077,
    )
    if made.returncode != 0:
        raise ConfigurationError(
            "Airflow's database cannot be made",
            where=where,
            found=mask_passwords("\n".join((made.stdout + made.stderr).splitlines()[-8:])),
            next_step="correct the cause that it names and run `tollgate up` again",
            runbook="docs/runbooks/services.md",
        )


def is_healthy(settings: Settings) -> bool:
    """Whether every component answers and all DAGs are known; raises `ConfigurationError` for a broken DAG file."""
    api = AirflowApi(settings)
    try:
        if set(api.health().values()) != {"healthy"}:
            return False
        broken = api.import_errors()
        known = api.dags()
    except StoreError:
        return False
    if broken:
        raise ConfigurationError(
            "Airflow cannot import a DAG file",
            where=", ".join(broken),
            found=next(iter(broken.values())).strip().splitlines()[-1],
            next_step="correct the file; `tollgate up` checks them all",
        )
    return set(Orchestration(settings.use_case).dag_ids) <= known.keys()


def make_pools(settings: Settings) -> None:
    """Make the pools of the use case, one slot each."""
    api = AirflowApi(settings)
    for name, description in Orchestration(settings.use_case).pools.items():
        api.make_pool(name, slots=1, description=description)


def _tollgate(settings: Settings) -> dict[str, str]:
    remote = spark_remote(settings)
    return {
        **settings.model_copy(update={"spark_remote": remote}).environment(),
        "SPARK_REMOTE": remote,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "FEAST_USAGE": "False",
    }


def _configuration(settings: Settings) -> dict[str, str]:
    url = f"http://{LOCALHOST}:{settings.airflow_port}"
    return {
        "CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
        "CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": EXECUTOR,
        "CORE__PARALLELISM": str(PARALLELISM),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        **_database(settings),
        "API__HOST": LOCALHOST,
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": url,
        "API__EXPOSE_CONFIG": "False",
        "API_AUTH__JWT_SECRET": _secret(settings, "jwt"),
        "LOGGING__WORKER_LOG_SERVER_PORT": "0",
        "LOGGING__TRIGGER_LOG_SERVER_PORT": "0",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(IDLE_SLEEP),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _secret(settings: Settings, name: str) -> str:
    """A random key of the home, made once."""
    path = settings.home / "airflow" / f"{name}.key"
    if not path.is_file():
        _write_private(path, secrets.token_urlsafe(64))
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _database(settings: Settings) -> dict[str, str]:
    """Airflow's two addresses of its database; psycopg serves both kinds of access to PostgreSQL.

    Airflow expands `$NAME` in what the environment tells it. Raises `ConfigurationError` for another database.
    """
    if not settings.airflow_database:
        return {"DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{settings.home / 'airflow' / 'airflow.db'}"}
    url = with_our_driver(settings.airflow_database).replace("$", "%24")
    if not url.startswith("postgresql"):
        raise unusable(
            "Airflow's database",
            settings.airflow_database,
            setting="TOLLGATE_AIRFLOW_DATABASE",
            expected="postgresql://USER:PASSWORD@HOST:PORT/BASE",
        )
    return {"DATABASE__SQL_ALCHEMY_CONN": url, "DATABASE__SQL_ALCHEMY_CONN_ASYNC": url}


def _bin() -> Path:
    return Path(sys.executable).parent
