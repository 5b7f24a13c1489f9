"""How Airflow runs here: its configuration as environment variables, its user's password, when it
counts as up.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.airflow.api import AirflowApi, airflow_url, passwords_file
from pipelines.airflow.configuration import make_configuration
from pipelines.airflow.names import Orchestration
from pipelines.airflow.users import USERS
from pipelines.base.addresses import unusable, with_our_driver
from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.masking import mask_passwords
from pipelines.base.ports import LOCALHOST
from pipelines.base.secrets import secret
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.base.use_case_names import use_case_names

PARALLELISM = 4
IDLE_SLEEP = 0.2
"""Seconds that an idle scheduler sleeps: one second by default, paid between any two tasks of a
chain.
"""

EXECUTOR = "plugins.tollgate_airflow.executor.PreloadedExecutor"


def command(component: str = "standalone") -> list[str]:
    """The command that runs one of Airflow's components, or all of them."""
    return [str(_bin() / "airflow"), component]


def environment(settings: Settings) -> dict[str, str]:
    """Everything that `airflow` needs to know; tasks inherit it, and with it Tollgate's own
    settings.
    """
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


def make_database(settings: Settings) -> None:
    """Make Airflow's database where there is none, or bring a server's forward.

    A file is made elsewhere, then moved: a start that is broken off leaves no half.
    """
    make_configuration(settings)
    if settings.airflow_database:
        _migrate(settings, {}, where=mask_passwords(settings.airflow_database))
        return
    path = settings.home / "airflow" / "airflow.db"
    if path.exists():
        return
    with TemporaryDirectory(dir=path.parent) as scratch:
        new = Path(scratch) / path.name
        _migrate(
            settings,
            {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": with_our_driver(f"sqlite:///{new}")},
            where=str(path),
        )
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        new.replace(path)


def _migrate(settings: Settings, changes: Mapping[str, str], *, where: str) -> None:
    _airflow(
        settings,
        "db",
        "migrate",
        what="Airflow's database cannot be made",
        where=where,
        changes=changes,
    )


def _airflow(
    settings: Settings,
    *arguments: str,
    what: str,
    where: str = "",
    changes: Mapping[str, str] | None = None,
) -> None:
    """Run a command of Airflow's to its end; raises `ConfigurationError` with its last words where
    it fails.
    """
    done = subprocess.run(
        [*command(arguments[0]), *arguments[1:]],
        env={**environment(settings), **(changes or {})},
        capture_output=True,
        text=True,
        umask=0o077,
    )
    if done.returncode != 0:
        raise ConfigurationError(
            what,
            where=where
            or mask_passwords(settings.airflow_database or str(settings.home / "airflow")),
            found=mask_passwords("\n".join((done.stdout + done.stderr).splitlines()[-8:])),
            next_step="correct the cause that it names and run the same command again",
            runbook="docs/runbooks/services.md",
        )


def is_healthy(settings: Settings) -> bool:
    """Whether every component answers and all DAGs are known; raises `ConfigurationError` for a
    broken DAG file.
    """
    api = AirflowApi(settings)
    try:
        if set(api.health().values()) != {"healthy"}:
            return False
        broken = api.import_errors()
        dags = api.dags()
    except StoreError:
        return False
    if broken:
        raise ConfigurationError(
            "Airflow cannot import a DAG file",
            where=", ".join(broken),
            found=next(iter(broken.values())).strip().splitlines()[-1],
            next_step="correct the file; `tollgate up` checks them all",
        )
    return all(_is_there(Orchestration(name), dags.keys()) for name in use_case_names())


def _is_there(names: Orchestration, dag_ids: Collection[str]) -> bool:
    """Whether a use case's DAGs are known, or the one that says that its declaration does not
    load.
    """
    return set(names.dag_ids) <= set(dag_ids) or names.declaration_dag in dag_ids


def make_pools(settings: Settings) -> None:
    """Make the pools of every use case, one slot each."""
    api = AirflowApi(settings)
    for name, description in _pools().items():
        api.make_pool(name, slots=1, description=description)


def _pools() -> dict[str, str]:
    """The pools of all use cases with what each is for: their DAGs are all there."""
    pools: dict[str, str] = {}
    for name in use_case_names():
        pools |= Orchestration(name).pools
    return pools


def make_pools_in_database(settings: Settings) -> None:
    """The same where no Airflow runs yet; raises `ConfigurationError` where its database takes
    none.
    """
    pools = {
        name: {"slots": 1, "description": description, "include_deferred": False}
        for name, description in _pools().items()
    }
    with TemporaryDirectory() as scratch:
        file = Path(scratch, "pools.json")
        file.write_text(json.dumps(pools))
        _airflow(settings, "pools", "import", str(file), what="Airflow's pools cannot be made")


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
        "CORE__EXECUTION_API_SERVER_URL": f"{airflow_url(settings)}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in USERS.items()
        ),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        **_database(settings),
        "LOGGING__BASE_LOG_FOLDER": str(settings.home / "airflow" / "logs"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            settings.home / "airflow" / "logs" / "dag_processor"
        ),
        "API__HOST": settings.bind,
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": url,
        "API__EXPOSE_CONFIG": "False",
        "API_AUTH__JWT_SECRET": secret(settings, "jwt"),
        "LOGGING__WORKER_LOG_SERVER_PORT": "0",
        "LOGGING__TRIGGER_LOG_SERVER_PORT": "0",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": str(IDLE_SLEEP),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def _database(settings: Settings) -> dict[str, str]:
    """Airflow's two addresses of its database; psycopg serves both kinds of access to PostgreSQL.

    Airflow expands `$NAME` in what the environment tells it. Raises `ConfigurationError` for
    another database.
    """
    if not settings.airflow_database:
        file = settings.home / "airflow" / "airflow.db"
        return {"DATABASE__SQL_ALCHEMY_CONN": with_our_driver(f"sqlite:///{file}")}
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
