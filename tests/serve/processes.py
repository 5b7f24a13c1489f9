"""The service as processes, as `tollgate serve` starts them, with an engine that a test chooses."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.serve.http import access
from tests.ports import free_port
from tests.serve.serving import MADE_AT

START = (
    "import sys; from pipelines.base.settings import Settings; from"
    " pipelines.serve.processes.supervisor import serve; "
)
START += "sys.exit(serve(Settings.from_environment(), sys.argv[1]))"

PATIENCE = 120.0
"""Seconds after which something is given up that takes one or two on a machine that does nothing
else.
"""


class Running:
    """`trusted` is what an `https` service is asked with."""

    def __init__(self, process: subprocess.Popen[str], settings: Settings, key: str) -> None:
        self.process, self.settings, self.key = process, settings, key
        self.url = f"{settings.serve_scheme}://127.0.0.1:{settings.serve_port}"
        self.trusted: ssl.SSLContext | bool = True

    def http(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key or 'none'}"}
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=self.trusted
        )

    def workers(self) -> list[psutil.Process]:
        return [
            process for process in psutil.Process(self.process.pid).children() if lives(process)
        ]

    def ready(self) -> bool:
        try:
            return self.http().get("/ready").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(
    home: Path,
    engine: str = "tests.serve.small_engine:open_rule",
    *,
    keyed: bool = True,
    **changes: Any,
) -> Iterator[Running]:
    """The service on a port of its own; on a busy machine no request is too late for it, and no end
    too slow.
    """
    patient = {"serve_workers": 1, "serve_deadline_ms": 60_000, "serve_drain_seconds": 8}
    settings = Settings.build(home=home, serve_port=free_port(), **{**patient, **changes})
    key = access.add(settings, "test", access.ROLES, made_at=MADE_AT) if keyed else ""
    process = subprocess.Popen(
        [sys.executable, "-c", START, engine],
        env={**os.environ, **settings.environment()},
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process, settings, key)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()


def lives(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and that nobody has asked about yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until it holds.

    How long that takes is no test's subject: the limit is for what never comes.
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold within {seconds:.0f} s"
        time.sleep(0.02)
