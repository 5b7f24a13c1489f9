"""The parts of the services, each for a process supervisor of its own to start: a container, a
systemd unit, a pod.

`tollgate up` starts them all on one machine; here each is one program in the foreground, or an
errand that ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import httpx

from pipelines.airflow import server as airflow_server
from pipelines.airflow.api import AirflowApi
from pipelines.airflow.users import make_passwords
from pipelines.base.errors import ConfigurationError, StoreError
from pipelines.base.home import require_own_home
from pipelines.base.ports import LOCALHOST
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.base.user_name import require_user_name
from pipelines.object_store.buckets import make_buckets
from pipelines.services import metrics_token
from pipelines.services.service_list import SERVICES, Service
from pipelines.spark import cluster as spark_cluster

FOLDERS = ("services", "airflow", "spark")
"""What the programs find in the home; the first is where they run."""

RUNBOOK = "docs/runbooks/services.md"


@dataclass(frozen=True, kw_only=True)
class Component:
    """One part: what it does, how it begins (a program does not return), and, unless it ends,
    whether it is well.
    """

    name: str
    title: str
    begin: Callable[[Settings], object]
    healthy: Callable[[Settings], bool] | None = None


def component(name: str) -> Component:
    """The component of that name; raises `ConfigurationError` that lists them all."""
    by_name = {component.name: component for component in COMPONENTS}
    if name not in by_name:
        raise ConfigurationError(
            "there is no such component",
            expected=", ".join(by_name),
            found=name,
            next_step="name one of them",
            runbook=RUNBOOK,
        )
    return by_name[name]


def _become(
    command: Callable[[Settings], list[str]],
    environment: Callable[[Settings], Mapping[str, str]],
    settings: Settings,
) -> NoReturn:
    """Replace this process by the program, so that signals reach it; files that it makes are its
    user's alone.
    """
    if command is not _scorer_command:
        require_user_name("this component")
    for name in FOLDERS:
        (settings.home / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    require_own_home(settings)
    arguments = command(settings)
    variables = dict(environment(settings))
    os.chdir(settings.home / "services")
    os.umask(0o077)
    os.execve(arguments[0], arguments, variables)


def _served(service: Service) -> Component:
    begin = partial(_become, service.command, service.environment)
    return Component(name=service.name, title=service.title, begin=begin, healthy=service.healthy)


def _airflow(name: str, title: str, reported: str) -> Component:
    """A component of Airflow; `reported` is its name in what the API server says of the health of
    all.
    """
    begin = partial(_become, lambda _: airflow_server.command(name), airflow_server.environment)
    return Component(
        name=f"airflow-{name}",
        title=title,
        begin=begin,
        healthy=partial(_reported_healthy, reported),
    )


def _reported_healthy(reported: str, settings: Settings) -> bool:
    try:
        return AirflowApi(settings).health().get(reported) == "healthy"
    except StoreError:
        return False


def _of_cluster(
    role: str,
    title: str,
    command: Callable[[Settings], list[str]],
    healthy: Callable[[Settings], bool],
) -> Component:
    begin = partial(_become, command, spark_cluster.daemon_environment)
    return Component(name=f"spark-{role}", title=title, begin=begin, healthy=healthy)


def _migrate(settings: Settings) -> None:
    make_passwords(settings)
    airflow_server.make_database(settings)
    airflow_server.make_pools_in_database(settings)


def _scorer_command(_: Settings) -> list[str]:
    return [sys.executable, "-m", "pipelines.serve"]


def _scorer_alive(settings: Settings) -> bool:
    """Whether it is alive; whether it answers as it should is `/ready`'s to say, and no reason to
    start it again.

    Its certificate is not looked at: it is for other names than loopback's, and nothing secret is
    sent.
    """
    where = f"{settings.serve_scheme}://{LOCALHOST}:{settings.serve_port}/health"
    try:
        return httpx.get(where, timeout=5, trust_env=False, verify=False).is_success
    except httpx.HTTPError:
        return False


COMPONENTS = (
    *(_served(service) for service in SERVICES if service.name != "airflow"),
    _of_cluster(
        "master",
        "a Spark cluster's master",
        spark_cluster.master_command,
        spark_cluster.master_healthy,
    ),
    _of_cluster(
        "worker",
        "a Spark cluster's worker",
        spark_cluster.worker_command,
        spark_cluster.worker_healthy,
    ),
    _airflow("api-server", "Airflow's UI and API, and the Model Ops pages", "metadatabase"),
    _airflow("scheduler", "Airflow's scheduler, with the workers that run tasks", "scheduler"),
    _airflow("dag-processor", "reads the DAG files", "dag_processor"),
    _airflow("triggerer", "waits for what tasks wait for", "triggerer"),
    Component(
        name="scorer",
        title="the online scorer",
        begin=partial(
            _become, _scorer_command, lambda _: {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        ),
        healthy=_scorer_alive,
    ),
    Component(
        name="airflow-migrate",
        title="an errand: Airflow's database and pools, its users' passwords",
        begin=_migrate,
    ),
    Component(
        name="buckets", title="an errand: the buckets that the settings name", begin=make_buckets
    ),
    Component(
        name="metrics-token",
        title="keeps a token for Prometheus in <home>/monitoring/token",
        begin=metrics_token.keep,
        healthy=metrics_token.is_fresh,
    ),
)
