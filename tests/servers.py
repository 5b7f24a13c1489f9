"""Real servers for tests, on free ports of loopback, with passwords, in a folder of their own:
PostgreSQL and Redis.

`make test` installs them where it may (Debian: postgresql, redis-server); where they are not, the
tests that need them are skipped and say so.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from pipelines.base.ports import LOCALHOST, answers
from pipelines.services import processes
from tests.ports import free_port

PATIENCE = 120.0


@dataclass
class Server:
    """A server that can be stopped and started again with its data: `start()` returns when it
    answers.
    """

    name: str
    command: Sequence[str]
    folder: Path
    port: int
    password: str

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.record = processes.start(
            self.name, self.command, environment=os.environ, folder=self.folder, port=self.port
        )
        deadline = time.monotonic() + PATIENCE
        while not self._takes_questions():
            if self.record.leader() is None or time.monotonic() > deadline:
                log = processes.last_lines(processes.log_path(self.folder, self.name))
                pytest.fail(f"{self.name} did not start:\n{log}")
            time.sleep(0.1)

    def _takes_questions(self) -> bool:
        if self.name != "postgresql" or not answers(self.port):
            return answers(self.port)
        try:
            psycopg.connect(postgresql_url(self, "postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it; its data stay.

        PostgreSQL does not wait for its clients when it is interrupted.
        """
        leader = self.record.leader()
        if self.name == "postgresql" and leader is not None:
            leader.send_signal(signal.SIGINT)
            leader.wait(PATIENCE)
        processes.stop(self.folder, [self.record], patience=PATIENCE)


@contextmanager
def redis() -> Iterator[Server]:
    """A Redis that asks for a password."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server here (Debian: apt-get install redis-server)")
    with TemporaryDirectory(prefix="tollgate-redis-") as folder:
        port, password = free_port(), secrets.token_urlsafe(16)
        command = [program, "--bind", LOCALHOST, "--port", str(port), "--dir", folder, "--save", ""]
        command += ["--appendonly", "yes", "--requirepass", password]
        with running(Server("redis", command, Path(folder), port, password)) as server:
            yield server


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL whose user `tollgate` must give a password; `new_database` makes databases in
    it.
    """
    programs = max(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None
    )
    if programs is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    with TemporaryDirectory(prefix="tollgate-postgresql-") as folder:
        port, password = free_port(), secrets.token_urlsafe(16)
        secret = Path(folder, "password")
        secret.write_text(password)
        become = _become_postgres(Path(folder), secret)
        make = [
            *become,
            str(programs / "initdb"),
            f"--pgdata={folder}/data",
            "--username=tollgate",
            "--no-locale",
        ]
        make += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-sync"]
        made = subprocess.run(make, capture_output=True, text=True, cwd=folder)
        if made.returncode != 0:
            pytest.fail(f"initdb failed:\n{made.stdout}{made.stderr}")
        command = [
            *become,
            str(programs / "postgres"),
            "-D",
            f"{folder}/data",
            "-h",
            LOCALHOST,
            "-p",
            str(port),
        ]
        command += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
        with running(Server("postgresql", command, Path(folder), port, password)) as server:
            yield server


def new_database(server: Server) -> str:
    """Make a database in the PostgreSQL; its address, password and all."""
    name = f"base_{secrets.token_hex(6)}"
    with psycopg.connect(postgresql_url(server, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return postgresql_url(server, name)


def postgresql_url(server: Server, base: str) -> str:
    """Address of a database."""
    return f"postgresql://tollgate:{server.password}@{LOCALHOST}:{server.port}/{base}"


def redis_url(server: Server) -> str:
    """Address of the Redis."""
    return f"redis://:{server.password}@{LOCALHOST}:{server.port}/0"


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, as long as the block lasts."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _become_postgres(*paths: Path) -> list[str]:
    """PostgreSQL refuses to run as root: there, run it as the user that its package has made, who
    gets the paths.
    """
    if os.getuid() != 0:
        return []
    for path in paths:
        shutil.chown(path, "postgres", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
