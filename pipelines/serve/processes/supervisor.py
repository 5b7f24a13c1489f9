"""The processes of the service: one listener each on one port, started again when they die, ended
together.

The listeners are bound here (SO_REUSEPORT, so that the system spreads connections) and stay open
when a process dies: what was connecting meanwhile waits for the next one.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipelines.base.certificates import certificate_of, require_valid
from pipelines.base.errors import PermanentError
from pipelines.base.home import require_own_home
from pipelines.base.ports import require_free
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.base.writable import require_writable
from pipelines.serve.http.access import ensure_first
from pipelines.serve.http.server import BACKLOG
from pipelines.serve.log.compaction import Settler
from pipelines.serve.metrics import metrics_shelf
from pipelines.serve.processes.worker import HOPELESS
from pipelines.serve.served_use_cases import served_use_cases

ENGINE = "pipelines.serve.engine.engine:open_engine"
WORKER = "pipelines.serve.processes.worker"
"""What opens the engine in each process: `module:function`, called with the settings and the
process's number.
"""

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before a process that died is started again: doubled at each death, back to the first
after a good minute.
"""

GOOD_LIFE = 60.0
MARGIN = 5.0
"""Seconds beyond its drain after which a process is killed."""

LOGGER = logging.getLogger("tollgate.serve")


@dataclass
class _Worker:
    number: int
    listener: socket.socket
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    next_start: float = 0.0


@dataclass
class Supervisor:
    """Keeps the processes; `run` returns when all are ended."""

    settings: Settings
    engine: str = ENGINE
    _asked: bool = False
    _hopeless: bool = False
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, started: Callable[[], object] = lambda: None) -> int:
        """Serve until SIGTERM or SIGINT; `started` is called once the port is ours. 0 where all
        ended well.
        """
        self._workers = [
            _Worker(number, each) for number, each in enumerate(listeners(self.settings))
        ]
        shutil.rmtree(metrics_shelf.shelves(self.settings), ignore_errors=True)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._end)
        started()
        served = [use_case.name for use_case in served_use_cases(self.settings)]
        settlers = [Settler(self.settings.model_copy(update={"use_case": name})) for name in served]
        while not self._asked and not self._hopeless:
            for worker in self._workers:
                self._look_after(worker)
            for settler in settlers:
                settler.look()
            time.sleep(0.05)
        code = self._stop()
        for settler in settlers:
            settler.end()
        return code

    def _end(self, *_: object) -> None:
        self._asked = True

    def _look_after(self, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.next_start:
                self._start(worker)
            return
        code = worker.process.poll()
        if code is None:
            return
        self._hopeless = code == HOPELESS and worker.deaths == 0
        worker.deaths = 1 if now - worker.started > GOOD_LIFE else worker.deaths + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (worker.deaths - 1))
        worker.process, worker.next_start = None, now + delay
        for figures in metrics_shelf.shelves(self.settings).glob(f"*/{worker.number}.json"):
            figures.unlink(missing_ok=True)
        LOGGER.error(
            "process %d ended with %d; the next one starts in %.1f s", worker.number, code, delay
        )

    def _start(self, worker: _Worker) -> None:
        descriptor = worker.listener.fileno()
        worker.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                WORKER,
                str(worker.number),
                str(descriptor),
                self.engine,
            ],
            env={**os.environ, **self.settings.environment()},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            process_group=0,
        )
        worker.started = time.monotonic()

    def _stop(self) -> int:
        for worker in self._workers:
            worker.listener.close()
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + self.settings.serve_drain_seconds + MARGIN
        well = not self._hopeless
        for process in running:
            try:
                code = process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            well = well and code == 0
        return 0 if well else PermanentError.exit_code


def listeners(settings: Settings) -> list[socket.socket]:
    """A listening socket for each process, all on one port; raises `ConfigurationError` where it is
    taken.
    """
    require_free(settings.serve_port, needed_by="the online scorer", setting="TOLLGATE_SERVE_PORT")
    return [_listener(settings) for _ in range(settings.serve_processes)]


def _listener(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.bind, settings.serve_port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def serve(settings: Settings, engine: str = ENGINE) -> int:
    """`tollgate serve`: make the first key where there is none, say where to ask, and serve; the
    exit code.

    Raises `ConfigurationError` for a port that is taken, a certificate that cannot be used, and a
    home that was copied.
    """
    require_own_home(settings)
    require_writable(settings.home / "serving", needed_by="the online scorer")
    certificate = certificate_of(settings)
    if certificate is not None:
        require_valid(certificate, datetime.now(UTC))

    def tell() -> None:
        first = ensure_first(settings, made_at=datetime.now(UTC).isoformat(timespec="seconds"))
        where = f"{settings.serve_scheme}://{settings.bind}:{settings.serve_port}"
        print(f"the online scorer: {where}, {settings.serve_processes} process(es)")
        if first:
            print(
                f"its first key is in {first}; make others with `tollgate serve keys add NAME"
                " --role scorer`"
            )
        sys.stdout.flush()

    return Supervisor(settings, engine).run(tell)
