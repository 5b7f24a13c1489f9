"""File operations that fail: the k-th of those that change anything below a folder, for code that
knows nothing of it.

Python's audit events tell of every file opened for writing, made, renamed, linked or removed,
whoever calls; raising from the hook makes the call fail. A hook cannot be taken away, so there is
one for all tests, asleep most of the time.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_CHANGING = {
    "open",
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
}
_awake: list[Calls] = []
_listening: list[bool] = []


@dataclass
class Calls:
    """The changing operations below `folder`: number `fatal` (from 1) finds a full disk, with
    `lasting` all later.
    """

    folder: Path
    fatal: int
    lasting: bool
    seen: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether it came so far."""
        return len(self.seen) >= self.fatal

    def called(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Count the operation, or let it fail."""
        if not self._changes(name, arguments):
            return
        path = Path(os.fsdecode(arguments[0]))
        self.seen.append(f"{name} {path.name}")
        if len(self.seen) == self.fatal or (self.lasting and self.failed):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def _changes(self, name: str, arguments: tuple[Any, ...]) -> bool:
        path = arguments[0]
        if not isinstance(path, str | bytes) or not os.fsdecode(path).startswith(
            f"{self.folder}{os.sep}"
        ):
            return False
        return name != "open" or bool(
            int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )


@contextmanager
def failing_call(folder: Path, number: int, *, lasting: bool = False) -> Iterator[Calls]:
    """Let the operation `number` (from 1 on) below the folder fail, and with `lasting` all that
    come after it.
    """
    if not _listening:
        _listening.append(True)
        sys.addaudithook(_heard)
    calls = Calls(folder, number, lasting)
    _awake.append(calls)
    try:
        yield calls
    finally:
        _awake.remove(calls)


def _heard(name: str, arguments: tuple[Any, ...]) -> None:
    if _awake and name in _CHANGING:
        _awake[-1].called(name, arguments)
