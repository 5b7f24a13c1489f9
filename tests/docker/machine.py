"""This machine in the place of containers: the compose file's commands, environment, secrets and
entrypoint.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipelines.base.settings import Settings
from pipelines.services import processes
from tests.docker.stack import DOCKER, mounted_secrets, services

PATIENCE = 600.0


@dataclass
class Machine:
    """This machine in the place of the containers: where each of their addresses is here, and the
    home.

    A service's second container is `NAME-2`; `extras` are further variables of a container.
    """

    home: Path
    secrets: Path
    places: dict[str, str]
    ports: dict[str, int]
    extras: dict[str, dict[str, str]] = field(default_factory=dict)
    started: list[processes.ProcessRecord] = field(default_factory=list)

    def environment(self, name: str) -> dict[str, str]:
        """What the compose file gives a service, led to this machine."""
        given = {key: str(value) for key, value in _service(name)["environment"].items()}
        for there, here in self.places.items():
            given = {key: value.replace(there, here) for key, value in given.items()}
        bare = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("TOLLGATE_", "AWS_"))
        }
        folder = self.secrets / str(mounted_secrets(_service(name)))
        ports = {f"TOLLGATE_{key.upper()}_PORT": str(port) for key, port in self.ports.items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**bare, **given, **ports, **self._own(name, folder), "PATH": path}

    def _own(self, name: str, secrets: Path) -> dict[str, str]:
        return {
            "TOLLGATE_HOME": str(self.home),
            "SECRETS_FOLDER": str(secrets),
            **self.extras.get(name, {}),
        }

    def command(self, name: str) -> list[str]:
        return [sys.executable, str(DOCKER / "entrypoint.py"), *_service(name)["command"]]

    def run(self, name: str) -> None:
        """An errand, to its end."""
        done = subprocess.run(
            self.command(name), env=self.environment(name), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def begin(self, name: str) -> None:
        """A component, without waiting for it."""
        environment, folder = self.environment(name), self.home.parent / name
        self.started.append(
            processes.start(
                name, self.command(name), environment=environment, folder=folder, port=0
            )
        )

    def start(self, *names: str) -> None:
        """Components, until each says of itself that it is well."""
        for name in names:
            self.begin(name)
        deadline = time.monotonic() + PATIENCE
        for name in names:
            while not self.is_well(name):
                log = processes.last_lines(processes.log_path(self.home.parent / name, name))
                assert all(record.leader() for record in self.started), log
                assert time.monotonic() < deadline, log
                time.sleep(0.5)

    def is_well(self, name: str) -> bool:
        """What its health check says; a health check does not go through the entrypoint."""
        command = _service(name)["healthcheck"]["test"][1:]
        return (
            subprocess.run(
                command, env=self.environment(name), stdout=subprocess.DEVNULL
            ).returncode
            == 0
        )

    def stop(self) -> None:
        for record in reversed(self.started):
            processes.stop(self.home.parent / record.name, [record], patience=60)


def _service(name: str) -> dict[str, Any]:
    return services()[re.sub(r"-\d+$", "", name)]


def command_line(process: psutil.Process) -> str:
    """As others see it; nothing where it has ended in this moment."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def settings_of(machine: Machine, name: str) -> Settings:
    """What a service finds, once its entrypoint has filled in the secrets."""
    filled = runpy.run_path(str(DOCKER / "entrypoint.py"))["filled"]
    environment = machine.environment(name)
    return Settings.from_environment(filled(environment, Path(environment["SECRETS_FOLDER"])))
