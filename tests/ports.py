"""Ports of loopback for tests: each is lent to one process of pytest, for as long as that process
lives.

A port that the system picks and gets back is picked again in the next moment: by a server of
another test, or as the near end of anybody's connection. The ports here lie below those that the
system picks from, and a lock says which are lent, also to the tests of another checkout on this
machine.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import BinaryIO

_FIRST = 20_000
_PICKED = Path("/proc/sys/net/ipv4/ip_local_port_range")
_held: list[BinaryIO] = []
"""The open lock files: they let go when the process ends, however it ends."""


def free_port() -> int:
    """A port that nobody listens on, and that nobody else gets from here while this process
    lives.
    """
    lent = _lendable()
    start = secrets.randbelow(len(lent))
    for port in (*lent[start:], *lent[:start]):
        lock = _locked(port)
        if lock is None:
            continue
        if _is_unused(port):
            _held.append(lock)
            return port
        lock.close()
    raise AssertionError(f"no port of {lent[0]} to {lent[-1]} is free")


def free_ports(count: int) -> list[int]:
    """As many such ports, all of them different."""
    return [free_port() for _ in range(count)]


def _lendable() -> range:
    """Ports from which the system picks none by itself."""
    lowest, highest = (
        map(int, _PICKED.read_text().split()) if _PICKED.exists() else (32_768, 60_999)
    )
    below, above = range(_FIRST, lowest), range(highest + 1, 65_536)
    return below if len(below) >= len(above) else above


def _locked(port: int) -> BinaryIO | None:
    """The lock of the port; None where somebody has it."""
    folder = Path(tempfile.gettempdir()) / f"tollgate-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(port)).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _is_unused(port: int) -> bool:
    """Whether nobody listens there, nor did a moment ago."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
