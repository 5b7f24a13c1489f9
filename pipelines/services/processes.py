"""A background process that outlives its starter: own session, a record of it on disk, stopped with
all its children.

A record names the process by pid *and* start time, so that a pid that the system has given to
somebody else is never mistaken for ours. A record that came along in a copy of a home names the
original's process: what is ours works in the folder of the record or below it, and that tells the
two apart (a folder that is moved takes its processes along). Children are found by session: Airflow
puts each task into a process group of its own, which a signal to the group of the parent would
miss.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipelines.services import log_keeper

START_TIME_TOLERANCE = 1.0
"""Seconds by which two readings of a process's start time may differ."""


@dataclass(frozen=True, kw_only=True)
class ProcessRecord:
    """A process that was started: `pid` is also the id of its session, `started` its start time
    (seconds, epoch).

    `folder` is where it was started and the record lies; None where the record was not read from a
    folder.
    """

    name: str
    pid: int
    started: float
    port: int
    folder: Path | None = field(default=None, compare=False)

    def leader(self) -> psutil.Process | None:
        """The process itself, where it still runs and is the one that was started."""
        try:
            process = psutil.Process(self.pid)
            runs = self._is_ours(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if runs else None

    def members(self) -> list[psutil.Process]:
        """The process and everything that it started and that still runs, even where it is gone
        itself.
        """
        leader = self.leader()
        if psutil.pid_exists(self.pid) and leader is None and not _is_zombie(self.pid):
            # the pid belongs to somebody else now, and with it the session of that number
            return []
        members = [process for process in psutil.process_iter() if self._is_member(process)]
        ours = leader is not None or any(self._works_in_folder(process) for process in members)
        return members if ours else []

    def of_another_home(self) -> bool:
        """Whether the process that the record names runs for another home: the record came along in
        a copy.
        """
        try:
            process = psutil.Process(self.pid)
            same = self._is_that_old(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        return same and not self._works_in_folder(process)

    def _is_ours(self, process: psutil.Process) -> bool:
        return self._is_that_old(process) and self._works_in_folder(process)

    def _is_that_old(self, process: psutil.Process) -> bool:
        return bool(abs(process.create_time() - self.started) < START_TIME_TOLERANCE)

    def _works_in_folder(self, process: psutil.Process) -> bool:
        if self.folder is None:
            return True
        try:
            # Below it too: a database works in the folder of its data.
            return Path(process.cwd()).resolve().is_relative_to(self.folder.resolve())
        except (OSError, psutil.Error):
            return False

    def _is_member(self, process: psutil.Process) -> bool:
        try:
            return (
                os.getsid(process.pid) == self.pid
                and process.create_time() >= self.started - START_TIME_TOLERANCE
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except (ProcessLookupError, PermissionError, psutil.Error):
            return False


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def start(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, port: int
) -> ProcessRecord:
    """Start `command` in a session of its own, its output appended to `<folder>/<name>.log`; keep
    its record.

    Files that it makes are readable by the user alone: they hold keys and passwords.
    """
    with _log(folder, name).open("ab") as log:
        process = subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
        )
    started = psutil.Process(process.pid).create_time()
    kept = {"name": name, "pid": process.pid, "started": started, "port": port}
    _path(folder, name).write_text(json.dumps(kept))
    # Without the folder: whoever has just started a process need not ask whether it is his,
    # wherever it works by now.
    return ProcessRecord(**kept)


def read(folder: Path, name: str) -> ProcessRecord | None:
    """The record of a process that was started, dead or alive; None where there is none (or it
    cannot be read).
    """
    try:
        return ProcessRecord(**json.loads(_path(folder, name).read_text()), folder=folder)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stop(folder: Path, records: Sequence[ProcessRecord], *, patience: float) -> list[str]:
    """Stop processes with all that they started, killing them after `patience` seconds; names of
    those that ran.
    """
    members = {record.name: record.members() for record in records}
    running: list[psutil.Process] = []
    for group in members.values():
        running += group
    for process in running:
        _signal(process, kill=False)
    psutil.wait_procs(running, timeout=patience)
    left: list[psutil.Process] = []
    for record in records:
        left += record.members()
    for process in left:
        _signal(process, kill=True)
    psutil.wait_procs(left, timeout=patience)
    for record in records:
        forget(folder, record.name)
    return [name for name, group in members.items() if group]


def forget(folder: Path, name: str) -> None:
    """Remove the record of a process."""
    _path(folder, name).unlink(missing_ok=True)


def log_path(folder: Path, name: str) -> Path:
    """Where the output of a process goes."""
    return folder / f"{name}.log"


def last_lines(path: Path, count: int = 12) -> str:
    """The last lines of a log."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return "\n".join(lines[-count:])


def _log(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = log_path(folder, name)
    log_keeper.rotate(path)
    return path


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
