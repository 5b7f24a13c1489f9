"""Ports for tests: nobody gets one twice, and the system hands none of them to anybody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pipelines.base.settings import CHECKOUT
from tests.ports import free_ports

ASK = "from tests.ports import free_ports; print(*free_ports(300)); input()"


def test_nobody_gets_a_port_that_another_process_has() -> None:
    """Three processes ask for 300 each, and keep them until all have been told."""
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ports = free_ports(100)
    for process in asking:
        assert process.stdout
        ports += map(int, process.stdout.readline().split())
    for process in asking:
        process.communicate("\n")
        assert process.returncode == 0
    assert len(ports) == len(set(ports)) == 1000


def test_the_system_picks_none_of_them() -> None:
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not [port for port in free_ports(20) if lowest <= port <= highest]
