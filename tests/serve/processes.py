"""The service as processes, as `tollgate serve` starts them, with an engine that a test chooses."""

from __future__ import annotations

import os
import signal
import socket
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

from pipelines.platform.settings import CHECKOUT, Settings
from pipelines.serve import access
from tests.serve.serving import MADE_AT

START = "import sys; from pipelines.platform.settings import Settings; from pipelines.serve.supervisor import serve; "
START += "sys.exit(serve(Settings.from_environment(), sys.argv[1]))"


class Running:
    """`trusted` is what an `https` service is asked with."""

    def __init__(self, process: subprocess.Popen[str], settings: Settings, key: str) -> None:
        self.process, self.settings, self.key = process, settings, key
        self.url = f"{settings.serve_scheme}://127.0.0.1:{settings.serve_port}"
        self.trusted: ssl.SSLContext | bool = True

    def http(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key or 'none'}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False, verify=self.trusted)

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [process for process in children if process.status() != psutil.STATUS_ZOMBIE]

    def ready(self) -> bool:
        try:
            return self.http().get("/ready").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(
    home: Path, engine: str = "tests.serve.small_engine:open_rule", *, keyed: bool = True, **changes: Any
) -> Iterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings.build(home=home, serve_port=port, serve_drain_seconds=3, **{"serve_workers": 1, **changes})
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
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
