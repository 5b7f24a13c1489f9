"""Files that a deletion could not look into: whether they hold what is to go is not known, so a
person has to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.maintenance.files_below import files_below

LOCK_BYTES = 2000
"""A program that has a file open leaves a lock file beside it, with a name and a machine in it and
nothing else.
"""


@dataclass(frozen=True, order=True)
class Unread:
    """A file by its path (below the home where it is there), and in a few words why it was not
    understood.
    """

    path: str
    why: str


@dataclass(kw_only=True)
class Rows:
    """Rows of the subject `by_file`, files that were not understood, and files that a program has
    open.
    """

    by_file: dict[str, int] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    in_use: list[str] = field(default_factory=list)


def below_home(home: Path, path: Path) -> str:
    """A path as a person is told it."""
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)


def lock_of(path: Path) -> str | None:
    """The name of the file that a program has open, where `path` is the lock file that it leaves
    beside it.

    Of LibreOffice `.~lock.NAME#` (one line of text), of Microsoft's programs `~$NAME`, of Emacs the
    link `.#NAME`.
    """
    name = path.name
    if path.is_symlink():
        return name[2:] if name.startswith(".#") and not path.exists() else None
    if name.startswith(".~lock.") and name.endswith("#") and path.stat().st_size <= LOCK_BYTES:
        return name.removeprefix(".~lock.")[:-1] if path.read_bytes().count(b"\n") <= 1 else None
    if name.startswith("~$") and path.stat().st_size <= LOCK_BYTES // 10:
        return name[2:]
    return None


def strangers(home: Path, folder: Path, known_patterns: Sequence[str]) -> Iterator[Unread]:
    """The files below a folder whose path there fits none of `known_patterns` (each of a whole
    relative path).

    A link is a stranger whatever its name: what it leads to is not the home's.
    """
    import re

    patterns = [re.compile(pattern) for pattern in known_patterns]
    for path in files_below(folder):
        named = path.relative_to(folder).as_posix() if path != folder else ""
        if path.is_symlink():
            yield Unread(below_home(home, path), "a link")
        elif path.is_dir():
            yield Unread(below_home(home, path), "a folder that cannot be listed")
        elif not any(pattern.fullmatch(named) for pattern in patterns):
            yield Unread(below_home(home, path), "no file of this folder")
