"""What a command takes: seconds, and the memory of all its processes together, Java and Python
workers included.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.base.settings import CHECKOUT

INTERVAL = 0.2
GIB = 1024**3


@dataclass(frozen=True)
class Usage:
    """Wall-clock and CPU seconds, and the most memory that was held at one instant (bytes): all,
    Java's, Python's.

    A page that processes share is divided among them (proportional set size), so that nothing
    counts twice.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    java: int
    python: int


def measured(command: Sequence[str], environment: Mapping[str, str], *beside: int) -> Usage:
    """Run a command to its end, looking at its processes five times a second; raises
    `CalledProcessError`.

    `beside` are processes that work for it: they and theirs count too.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environment), cwd=CHECKOUT, stdout=sys.stderr)
    sampler = _Sampler(process.pid, *beside)
    sampler.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    sampler.ended.set()
    sampler.join()
    if code:
        raise subprocess.CalledProcessError(code, command)
    total, java = max(sampler.seen, default=(0, 0))
    return Usage(seconds, sampler.cpu, total, java, total - java)


class _Sampler(threading.Thread):
    """`seen`: bytes of all processes and of Java's among them, at each look; `cpu`: seconds, as
    last seen of each.
    """

    def __init__(self, *pids: int) -> None:
        super().__init__(daemon=True)
        self.roots = [psutil.Process(pid) for pid in pids]
        self.seen: list[tuple[int, int]] = []
        self.ended = threading.Event()
        self._before = {process.pid: _spent(process) for process in self._all()}
        self._cpu: dict[int, float] = {}

    @property
    def cpu(self) -> float:
        return sum(spent - self._before.get(pid, 0.0) for pid, spent in self._cpu.items())

    def run(self) -> None:
        while not self.ended.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        total = java = 0
        for process in self._all():
            with suppress(psutil.Error, OSError):
                held, name = _proportional(process.pid), process.name()
                self._cpu[process.pid] = _spent(process)
                total += held
                java += held if name == "java" else 0
        self.seen.append((total, java))

    def _all(self) -> list[psutil.Process]:
        processes = []
        for root in self.roots:
            with suppress(psutil.Error):
                processes += [root, *root.children(recursive=True)]
        return processes


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0
