"""The local services: a Spark Connect server, Airflow and MLflow's UI, started and stopped
together.

Each runs in a session of its own, with its record and log under `<home>/services/`. All of them
come up or none does.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.airflow import server as airflow_server
from pipelines.airflow.users import make_passwords
from pipelines.base.errors import ConfigurationError, StoreError, TollgateError
from pipelines.base.home import require_own_home
from pipelines.base.ports import SERVICES as SERVICES_FOLDER
from pipelines.base.ports import answers, require_free
from pipelines.base.settings import CHECKOUT, Settings, is_remote
from pipelines.base.user_name import require_user_name
from pipelines.services import log_keeper, processes
from pipelines.services.processes import ProcessRecord
from pipelines.services.service_list import SERVICES, Service
from pipelines.spark.session import require_java

RUNBOOK = "docs/runbooks/services.md"
START_PATIENCE = 420.0
"""Seconds within which every service must answer: half a minute on two idle cores, minutes on busy
ones.
"""

STOP_PATIENCE = 15.0
"""Seconds between asking a service to end and killing it."""

POLL = 1.0


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """What a service does: `up`, `starting` (or hanging: no answer), `dead` (it ended by itself),
    `down`.

    `another home's`: the record came along in a copy; what it names runs for the home that was
    copied.
    """

    name: str
    title: str
    state: str
    address: str
    pid: int | None
    log: str


def up(settings: Settings, *, report: Callable[[str, str], None]) -> list[ServiceStatus]:
    """Start all services and wait until they answer; `report(name, state)` is called as they come
    up.

    Raises `ConfigurationError` where they are up already, a port is taken, Java is missing, a
    service ends at once, or the home was copied or moved; nothing is left running then.
    """
    require_own_home(settings)
    with _lock(settings):
        require_own_home(settings)  # once more: a new home's folder is there only now
        _refuse_second(settings)
        require_java()
        require_user_name("Spark and Airflow")
        for service in SERVICES:
            require_free(service.port(settings), needed_by=service.title, setting=service.setting)
        _stop_all(settings)  # what a service that died has left over
        _prepare(settings)
        try:
            for service in SERVICES:
                report(service.name, "starting")
                _start(service, settings)
            _keep_logs(settings)
            _wait(settings, report)
            airflow_server.make_pools(settings)
        except BaseException:
            _stop_all(settings)
            raise
    return status(settings)


def down(settings: Settings) -> list[str]:
    """Stop every service with all that it started; names of those that were running.

    Raises `ConfigurationError` where the home was copied or moved: the records are another home's.
    """
    require_own_home(settings)
    with _lock(settings):
        return _stop_all(settings)


def status(settings: Settings) -> list[ServiceStatus]:
    """State of each service."""
    records = _records(settings)
    return [_status(service, records.get(service.name), settings) for service in SERVICES]


def folder(settings: Settings) -> Path:
    """Where records and logs of the services are."""
    return settings.home / SERVICES_FOLDER


def _status(service: Service, record: ProcessRecord | None, settings: Settings) -> ServiceStatus:
    leader = record.leader() if record else None
    if record is None:
        state = "down"
    elif record.of_another_home():
        state = "another home's"
    elif leader is None:
        state = "dead"
    else:
        state = "up" if answers(record.port) else "starting"
    return ServiceStatus(
        name=service.name,
        title=service.title,
        state=state,
        address=service.address(settings),
        pid=leader.pid if leader else None,
        log=str(processes.log_path(folder(settings), service.name)),
    )


def _refuse_second(settings: Settings) -> None:
    running = {name: record for name, record in _records(settings).items() if record.leader()}
    if running:
        raise ConfigurationError(
            "Tollgate's services are up already",
            where=str(folder(settings)),
            expected="none running",
            found=", ".join(
                f"{name} (pid {record.pid}, port {record.port})" for name, record in running.items()
            ),
            next_step="use them, or stop them first with `tollgate down`",
            runbook=RUNBOOK,
        )


def _prepare(settings: Settings) -> None:
    for path in (settings.home / "airflow", settings.home / "spark"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_passwords(settings)
    if not is_remote(settings.landing):
        Path(settings.landing).mkdir(parents=True, exist_ok=True)


def _start(service: Service, settings: Settings) -> None:
    service.prepare(settings)
    try:
        processes.start(
            service.name,
            service.command(settings),
            environment=service.environment(settings),
            folder=folder(settings),
            port=service.port(settings),
        )
    except OSError as error:
        raise ConfigurationError(
            f"{service.title} cannot be started",
            where=service.command(settings)[0],
            found=str(error),
            next_step="run `tollgate doctor`",
            runbook=RUNBOOK,
        ) from error


def _keep_logs(settings: Settings) -> None:
    """Start what keeps the logs of the services within a bound while they run."""
    command = [sys.executable, "-m", log_keeper.__name__, str(folder(settings))]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    processes.start(
        log_keeper.NAME, command, environment=environment, folder=folder(settings), port=0
    )


def _wait(settings: Settings, report: Callable[[str, str], None]) -> None:
    waiting = {service.name: service for service in SERVICES}
    deadline = time.monotonic() + START_PATIENCE
    while waiting:
        for service in list(waiting.values()):
            record = processes.read(folder(settings), service.name)
            if record is None or record.leader() is None:
                raise _failed(service, settings, "it ended by itself")
            if service.healthy(settings):
                report(service.name, "up")
                del waiting[service.name]
        if waiting and time.monotonic() > deadline:
            raise _failed(
                next(iter(waiting.values())), settings, f"no answer within {START_PATIENCE:.0f} s"
            )
        time.sleep(POLL if waiting else 0)


def _failed(service: Service, settings: Settings, reason: str) -> TollgateError:
    log = processes.log_path(folder(settings), service.name)
    return ConfigurationError(
        f"{service.title} did not come up: {reason}; nothing was left running",
        where=str(log),
        expected=f"an answer at {service.address(settings)}",
        found=f"its log ends with\n{processes.last_lines(log)}",
        next_step="read that log, correct the cause, and run `tollgate up` again",
        runbook=RUNBOOK,
    )


def _stop_all(settings: Settings) -> list[str]:
    keeper = processes.read(folder(settings), log_keeper.NAME)
    if keeper is not None:
        processes.stop(folder(settings), [keeper], patience=STOP_PATIENCE)
    return processes.stop(
        folder(settings), list(_records(settings).values()), patience=STOP_PATIENCE
    )


def _records(settings: Settings) -> dict[str, ProcessRecord]:
    records = {service.name: processes.read(folder(settings), service.name) for service in SERVICES}
    return {name: record for name, record in records.items() if record is not None}


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """One `up` or `down` at a time."""
    try:
        folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder(settings) / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            "the home is not a folder that we can write to",
            where=str(settings.home),
            found=str(error),
            next_step="make it one, or choose another with TOLLGATE_HOME",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                "another `tollgate up` or `tollgate down` is at work",
                where=str(settings.home),
                next_step="wait until it is done",
                runbook=RUNBOOK,
            ) from error
        yield
