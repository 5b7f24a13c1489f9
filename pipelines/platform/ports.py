"""Ports of this machine: is one free, and if not, who has it."""

from __future__ import annotations

import socket

import psutil

from pipelines.platform.errors import ConfigurationError

LOCALHOST = "127.0.0.1"


def require_free(port: int, *, needed_by: str, setting: str) -> None:
    """Raise `ConfigurationError` where something listens on the port of localhost already; names it where it can."""
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
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return _named(connection.pid)
    return None


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
