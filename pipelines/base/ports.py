"""Ports of this machine: is one free, and if not, who has it."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil

from pipelines.base.errors import ConfigurationError

LOCALHOST = "127.0.0.1"
SERVICES = "services"
"""The folder of a home in which its services work."""


def require_free(port: int, *, needed_by: str, setting: str) -> None:
    """Raise `ConfigurationError` where something listens on the port of localhost already; names it
    where it can.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOCALHOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} is in use; {needed_by} needs it",
                where=f"{LOCALHOST}:{port}",
                expected="a free port",
                found=owner(port) or str(error),
                next_step=f"stop that process, or choose another port with {setting}",
                runbook="docs/runbooks/services.md",
            ) from error


def owner(port: int) -> str | None:
    """The process that listens on a port, as `name (pid N)`; None where that cannot be seen."""
    listening = _listening(port)
    return _named(listening[0]) if listening else None


def home_of_service(port: int) -> Path | None:
    """The home whose service listens on a port of this machine; None where none does, or it cannot
    be seen.

    Services work in `<home>/services`, wherever that is by now.
    """
    for pid in _listening(port):
        try:
            folder = Path(psutil.Process(pid).cwd()) if pid else None
        except psutil.Error:
            continue
        if folder is not None and folder.name == SERVICES:
            return folder.parent
    return None


def _listening(port: int) -> list[int | None]:
    """The processes that listen on a port; None for one that may not be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return []
    return [
        connection.pid
        for connection in connections
        if connection.laddr
        and connection.laddr.port == port
        and connection.status == psutil.CONN_LISTEN
    ]


def answers(port: int, *, timeout: float = 1.0) -> bool:
    """Whether something accepts connections on the port of localhost."""
    try:
        with socket.create_connection((LOCALHOST, port), timeout=timeout):
            return True
    except OSError:
        return False


def _named(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
