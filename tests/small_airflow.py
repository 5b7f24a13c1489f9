"""A small HTTP server of loopback that answers like Airflow's REST API, and fails to when a test
says so.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipelines.airflow.api import USER, passwords_file
from pipelines.base.ports import LOCALHOST
from pipelines.base.settings import Settings

BEGUN = datetime(2026, 11, 20, 2, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after the first moment that tests speak of."""
    return BEGUN + timedelta(minutes=minutes)


@dataclass
class Task:
    """A task of a run; the moment at which it succeeded, None while it goes on."""

    name: str
    ended: datetime | None = None


@dataclass
class DagRun:
    """A run as the API tells it.

    `later` are the states that it has in further looks, one a look.
    """

    dag_id: str
    run_id: str
    day: str
    state: str
    made: datetime
    tasks: list[Task] = field(default_factory=list)
    later: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The run as JSON."""
        return {
            "dag_id": self.dag_id,
            "dag_run_id": self.run_id,
            "partition_key": self.day,
            "state": self.state,
            "run_after": self.made.isoformat(),
            "start_date": self.made.isoformat(),
            "end_date": None,
        }


@dataclass
class SmallAirflow:
    """What the server holds and does.

    `failures` are the ways in which the next requests fail, one each.
    """

    dags: tuple[str, ...]
    runs: list[DagRun] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=lambda: ["token-1"])
    backfills: int = 0
    busy_backfill: bool = False
    paused: set[str] = field(default_factory=set)
    make: Callable[[], list[DagRun]] = list
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    server: ThreadingHTTPServer | None = None
    connections: list[socket.socket] = field(default_factory=list)

    def open(self) -> None:
        """Answer on the port; the first time on a free one."""
        handler = type("Handler", (_Handler,), {"airflow": self})
        self.server = ThreadingHTTPServer((LOCALHOST, self.port), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        """Refuse connections, and end those that are open."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def answer(self, method: str, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Status and document of a request."""
        if path == "/auth/token":
            self.tokens.append(f"token-{len(self.tokens) + 1}")
            return 201, {"access_token": self.tokens[-1]}
        if path == "/api/v2/monitor/health":
            return 200, {"scheduler": {"status": "healthy"}}
        if path == "/api/v2/dags":
            return 200, {
                "dags": [
                    {"dag_id": dag_id, "is_paused": dag_id in self.paused} for dag_id in self.dags
                ]
            }
        if path == "/api/v2/backfills":
            return self._backfill()
        if method == "POST" and re.fullmatch(r"/api/v2/dags/(\w+)/dagRuns", path):
            self.runs += self.make()
            return 200, self.runs[-1].document()
        if match := re.fullmatch(r"/api/v2/dags/(\w+)/dagRuns", path):
            day = query["partition_key_prefix_pattern"][0]
            return 200, {
                "dag_runs": [
                    run.document() for run in self.runs if (run.dag_id, run.day) == (match[1], day)
                ]
            }
        if match := re.fullmatch(r"/api/v2/dags/(\w+)/dagRuns/([\w-]+)(/taskInstances)?", path):
            run = next(run for run in self.runs if run.run_id == match[2])
            if match[3]:
                return 200, {"task_instances": [_task(task) for task in run.tasks]}
            if run.later:
                run.state = run.later.pop(0)
            return 200, run.document()
        if match := re.fullmatch(r"/api/v2/dags/(\w+)/clearTaskInstances", path):
            run = next(run for run in self.runs if run.dag_id == match[1])
            run.state = "queued"
            return 200, {"task_instances": []}
        return 404, {"detail": f"nothing at {method} {path}"}

    def _backfill(self) -> tuple[int, Any]:
        if self.busy_backfill:
            return 409, {"detail": "another backfill"}
        self.busy_backfill = True
        self.backfills += 1
        self.runs += self.make()
        return 200, {}


def _task(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.name,
        "state": "success" if task.ended else "running",
        "try_number": 1,
        "start_date": None,
        "end_date": task.ended.isoformat() if task.ended else None,
    }


_OPEN = ("/auth/token", "/api/v2/monitor/health")


class _Handler(BaseHTTPRequestHandler):
    airflow: SmallAirflow
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Remember the connection, so that the server can end it."""
        super().setup()
        self.airflow.connections.append(self.connection)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        airflow, parts = self.airflow, urlsplit(self.path)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        airflow.requests.append(f"{self.command} {parts.path}")
        token = self.headers.get("authorization", "")
        if parts.path not in _OPEN and token != f"Bearer {airflow.tokens[-1]}":
            self._send(401, b'{"detail": "who are you?"}')
            return
        failure = (
            airflow.failures.pop(0) if airflow.failures and parts.path != "/auth/token" else ""
        )
        if failure.startswith("after:"):
            airflow.answer(self.command, parts.path, parse_qs(parts.query))
        kind = failure.removeprefix("after:")
        if kind:
            self._fail(kind)
            return
        status, document = airflow.answer(self.command, parts.path, parse_qs(parts.query))
        self._send(status, json.dumps(document).encode())

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif kind == "silent":
            self.airflow.released.wait(30)
            self.close_connection = True
        elif kind == "cut":
            self._send(200, b'{"dag_runs": [', announced=1000)
        elif kind == "html":
            self._send(200, b"<html>a proxy</html>")
        else:
            self._send(int(kind), b'{"detail": "database is locked"}')

    def _send(self, status: int, body: bytes, *, announced: int | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(announced or len(body)))
        self.end_headers()
        self.wfile.write(body)
        if announced:
            self.close_connection = True

    def finish(self) -> None:
        """A connection that was cut has nothing to flush."""
        try:
            super().finish()
        except (OSError, ValueError):
            return

    def log_message(self, *_: object) -> None:
        """Nothing to standard error."""


@contextmanager
def small_airflow(
    settings: Settings, dags: tuple[str, ...]
) -> Iterator[tuple[SmallAirflow, Settings]]:
    """The server, open, and settings whose Airflow it is."""
    airflow = SmallAirflow(dags=dags)
    airflow.open()
    changed = settings.model_copy(update={"airflow_port": airflow.port, "airflow_url": None})
    path: Path = passwords_file(changed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({USER: "secret"}))
    try:
        yield airflow, changed
    finally:
        airflow.released.set()
        airflow.close()
