"""Airflow's REST API over HTTP: runs, tasks, backfills, pools. It imports nothing of Airflow.

Every call raises `StoreError` where Airflow does not answer (`tollgate up` starts it) or fails
itself (HTTP 5xx, an answer that is cut off), and `PermanentError` where it refuses, with Airflow's
own reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from pipelines.base.errors import ConfigurationError, PermanentError, StoreError
from pipelines.base.ports import LOCALHOST, home_of_service
from pipelines.base.settings import Settings

USER = "admin"
SCRAPER = "metrics"
"""The user in whose name Prometheus reads the metrics: a viewer."""

TIMEOUT = 30.0
FINISHED = frozenset({"success", "failed"})
PAGE = 100


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """A run of a DAG; `partition` is its day as text, times are aware UTC instants."""

    dag_id: str
    run_id: str
    partition: str | None
    state: str
    run_after: datetime
    started: datetime | None
    ended: datetime | None

    @property
    def finished(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return self.state in FINISHED


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """A task of a run, with its newest try."""

    task_id: str
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None


def passwords_file(settings: Settings) -> Path:
    """Where the user's password for Airflow is kept; only the user reads it."""
    return settings.home / "airflow" / "passwords.json"


def airflow_url(settings: Settings) -> str:
    """Where Airflow's API is: the address that is set, else this machine's port."""
    return settings.airflow_url or f"http://{LOCALHOST}:{settings.airflow_port}"


class AirflowApi:
    """A client for the Airflow of these settings, in the name of one of its users."""

    def __init__(self, settings: Settings, user: str = USER) -> None:
        self.settings = settings
        self.user = user
        self.url = airflow_url(settings)

    @cached_property
    def _client(self) -> httpx.Client:
        self._require_own_airflow()
        client = _client_of(self.url)
        client.headers["Authorization"] = f"Bearer {self.token()}"
        return client

    def _require_own_airflow(self) -> None:
        """Raise `ConfigurationError` where the Airflow on this machine's port is seen to be another
        home's.
        """
        if self.settings.airflow_url:
            return
        home = home_of_service(self.settings.airflow_port)
        if home is not None and home.resolve() != self.settings.home:
            raise ConfigurationError(
                "the Airflow on this port runs for another home; nothing was asked of it",
                where=self.url,
                expected=f"the Airflow of {self.settings.home}",
                found=f"that of {home}",
                next_step=(
                    "let TOLLGATE_HOME be that home, or set TOLLGATE_AIRFLOW_PORT to a port of this"
                    " home's own"
                ),
                runbook="docs/runbooks/home.md",
            )

    def token(self) -> str:
        """A new bearer token; Airflow's `[api_auth] jwt_expiration_time` says how long it is good
        (a day).
        """
        credentials = {"username": self.user, "password": self._password()}
        with _client_of(self.url) as client:
            return str(
                self._checked(_sent(client, "POST", "/auth/token", json=credentials))[
                    "access_token"
                ]
            )

    def _password(self) -> str:
        path = passwords_file(self.settings)
        try:
            return str(json.loads(path.read_text())[self.user])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                "Airflow's password cannot be read",
                where=str(path),
                expected=f"a JSON document with the password of {self.user}",
                found=type(error).__name__,
                next_step="run `tollgate up`, which makes it",
                runbook="docs/runbooks/services.md",
            ) from error

    def health(self) -> dict[str, str]:
        """State of each component (`metadatabase`, `scheduler`, `dag_processor`, `triggerer`);
        needs no password.
        """
        with _client_of(self.url) as client:
            components = self._checked(_sent(client, "GET", "/api/v2/monitor/health"))
        return {
            name: str(component.get("status"))
            for name, component in components.items()
            if component
        }

    def dags(self) -> dict[str, bool]:
        """DAG ids that Airflow knows, and whether each is paused."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._get("/dags", limit=PAGE)["dags"]}

    def import_errors(self) -> dict[str, str]:
        """DAG files that cannot be imported, with the traceback."""
        errors = self._get("/importErrors", limit=PAGE)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def make_pool(self, name: str, *, slots: int, description: str) -> None:
        """Make a pool, or give it these slots."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self._raw("POST", "/pools", json=body).status_code == httpx.codes.CONFLICT:
            self._checked(
                self._raw("PATCH", f"/pools/{name}", json={"pool": name, **_without(body, "name")})
            )

    def runs(self, dag_id: str, partition: str) -> list[DagRun]:
        """The runs of a DAG for one day, oldest first."""
        page = self._get(
            f"/dags/{dag_id}/dagRuns", partition_key_prefix_pattern=partition, limit=PAGE
        )
        runs = [_dag_run(item) for item in page["dag_runs"] if item["partition_key"] == partition]
        return sorted(runs, key=lambda run: (run.run_after, run.started or run.run_after))

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run."""
        return _dag_run(self._get(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def tasks(self, run: DagRun) -> list[TaskRun]:
        """The tasks of a run."""
        page = self._get(f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances", limit=PAGE)
        return [_task_run(item) for item in page["task_instances"]]

    def log(self, run: DagRun, task: TaskRun) -> str:
        """The log of a task's newest try, one line per record."""
        instance = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task.task_id}"
        path = f"{instance}/logs/{task.try_number}"
        content = self._get(path, full_content=True)["content"]
        return "\n".join(
            line if isinstance(line, str) else str(line.get("event", "")) for line in content
        )

    def trigger(self, dag_id: str, partition: str, conf: Mapping[str, Any] | None = None) -> DagRun:
        """Start a run for a day."""
        body = {"logical_date": None, "partition_key": partition, "conf": dict(conf or {})}
        return _dag_run(self._checked(self._raw("POST", f"/dags/{dag_id}/dagRuns", json=body)))

    def clear(self, run: DagRun, *, only_failed: bool) -> int:
        """Have the tasks of a finished run (or those that failed) run again; how many there are."""
        body = {
            "dry_run": False,
            "dag_run_id": run.run_id,
            "only_failed": only_failed,
            "reset_dag_runs": True,
            "include_downstream": True,
        }
        cleared = self._checked(
            self._raw("POST", f"/dags/{run.dag_id}/clearTaskInstances", json=body)
        )
        return len(cleared["task_instances"])

    def create_backfill(
        self, dag_id: str, first: str, last: str, *, reprocess: str, active: int
    ) -> bool:
        """Start a backfill over instants `first` to `last` (ISO 8601, both included).

        False where another one of the DAG is not over; Airflow notices up to half a minute late
        that one is.
        """
        body = {
            "dag_id": dag_id,
            "from_date": first,
            "to_date": last,
            "reprocess_behavior": reprocess,
            "max_active_runs": active,
        }
        response = self._raw("POST", "/backfills", json=body)
        if response.status_code == httpx.codes.CONFLICT:
            return False
        self._checked(response)
        return True

    def _get(self, path: str, **query: Any) -> Any:
        return self._checked(self._raw("GET", path, params=query))

    def _raw(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        response = _sent(self._client, method, f"/api/v2{path}", **arguments)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # A token is good for a day, and only for the Airflow that gave it: whoever follows for
            # longer asks again.
            self._client.headers["Authorization"] = f"Bearer {self.token()}"
            response = _sent(self._client, method, f"/api/v2{path}", **arguments)
        return response

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise self._failed(response, f"HTTP {response.status_code}: {_reason(response)}")
        if response.is_success:
            try:
                return response.json()
            except ValueError as error:
                raise self._failed(response, f"no JSON: {response.text[:100]!r}") from error
        raise PermanentError(
            "Airflow refused the request",
            where=f"{response.request.method} {response.request.url}",
            found=f"HTTP {response.status_code}: {_reason(response)}",
            next_step=f"look at {self.url} and at `tollgate status`",
            runbook="docs/runbooks/services.md",
        )

    def _failed(self, response: httpx.Response, problem: str) -> StoreError:
        return StoreError(
            "Airflow failed to answer a request",
            where=f"{response.request.method} {response.request.url}",
            expected="an answer of its API",
            found=problem,
            next_step=(
                "run the same command again; if it stays so, look at the log of Airflow's API"
                " server"
            ),
            runbook="docs/runbooks/services.md",
        )


def _client_of(url: str) -> httpx.Client:
    """A client of this machine's own Airflow: no proxy that the environment names stands between
    them.
    """
    return httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)


def _sent(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    try:
        return client.request(method, path, **arguments)
    except httpx.HTTPError as error:
        raise StoreError(
            "Airflow does not answer",
            where=str(client.base_url),
            expected="Airflow's API",
            found=str(error) or type(error).__name__,
            next_step="start it with `tollgate up`",
            runbook="docs/runbooks/services.md",
        ) from error


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", response.text))
    except ValueError:
        return response.text[:500]


def _without(values: Mapping[str, Any], *names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _dag_run(item: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=item["dag_id"],
        run_id=item["dag_run_id"],
        partition=item["partition_key"],
        state=item["state"],
        run_after=datetime.fromisoformat(item["run_after"]),
        started=_instant(item["start_date"]),
        ended=_instant(item["end_date"]),
    )


def _task_run(item: Mapping[str, Any]) -> TaskRun:
    return TaskRun(
        task_id=item["task_id"],
        state=item["state"],
        try_number=item["try_number"],
        started=_instant(item["start_date"]),
        ended=_instant(item["end_date"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
