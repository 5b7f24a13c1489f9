"""Kill -9 at the k-th step: a step is whatever a process is about to do to the disk or to a
database.

A forked child counts its own steps, through Python's audit events (files opened for writing,
renamed, made, removed below a folder) and SQLAlchemy's events (statements that write to one
database; commits to any), and kills itself with SIGKILL right before the step with the given
number. Nothing in the code under test knows of it.

Folders of `coarse` are another system's own business: an unbroken series of files there, or of
commits to databases other than ours, is one step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

_FILE_EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink"}
_WRITES = ("INSERT", "UPDATE", "DELETE")


@dataclass
class Steps:
    """Counts steps below `folder` and in databases; kills the process before step `fatal` (from 1
    on), if given.
    """

    folder: Path
    ledger: str
    coarse: tuple[str, ...] = ()
    fatal: int | None = None
    seen: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Count from now on, until the process ends (an audit hook cannot be taken away)."""
        sys.addaudithook(self._audited)
        event.listen(sa.Engine, "before_cursor_execute", self._executed)
        event.listen(sa.Engine, "commit", self._committed)

    def _audited(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in _FILE_EVENTS and self._is_ours(name, arguments):
            path = Path(os.fsdecode(arguments[0])).relative_to(self.folder)
            coarse = path.parts[0] in self.coarse
            self._step(
                f"files of {path.parts[0]}"
                if coarse
                else f"{name.removeprefix('os.')} {_stable(path)}"
            )

    def _is_ours(self, name: str, arguments: tuple[Any, ...]) -> bool:
        path = arguments[0]
        if not isinstance(path, str | bytes) or not os.fsdecode(path).startswith(
            f"{self.folder}{os.sep}"
        ):
            return False
        return name != "open" or bool(
            int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        )

    def _executed(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        url = connection.engine.url.render_as_string(hide_password=False)
        if url == self.ledger and statement.startswith(_WRITES):
            self._step(f"ledger: {' '.join(statement.split()[:3])}")

    def _committed(self, connection: Any) -> None:
        url = connection.engine.url.render_as_string(hide_password=False)
        self._step("ledger: commit" if url == self.ledger else f"commits to {Path(url).stem}")

    def _step(self, what: str) -> None:
        if what.startswith(("files of", "commits to")) and self.seen[-1:] == [what]:
            return
        self.seen.append(what)
        if len(self.seen) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def _stable(path: Path) -> str:
    """The path, without the random name of a scratch folder."""
    return "/".join("(scratch)" if part.startswith(".partial") else part for part in path.parts)


@dataclass(frozen=True)
class Ended:
    """How a child ended: `value` is what its work returned, None where it was `killed` or raised
    (then `error`).
    """

    value: Any
    killed: bool
    error: str = ""


def in_child(work: Callable[[], Any]) -> Ended:
    """Do the work in a forked child and wait for it; what it returns must be plain JSON data.

    The child gets all that this process has in memory, and leaves without cleaning up: no
    `finally`, no `atexit`.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work_and_leave(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Ended(None, killed=os.WTERMSIG(status) == signal.SIGKILL)
    document = json.loads(answer)
    return Ended(document.get("value"), killed=False, error=document.get("error", ""))


def _work_and_leave(work: Callable[[], Any], writer: int) -> None:
    try:
        document = {"value": work()}
    except BaseException:
        document = {"error": traceback.format_exc()}
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(json.dumps(document, default=str).encode())
    os._exit(0)
