"""Files that appear whole or not at all: written beside their place, then renamed, or linked where
the first stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from pipelines.base.errors import StoreError


def write_whole(path: Path, write: Callable[[Path], object], *, what: str) -> Path:
    """Let `write` fill a file beside `path`, then move it there; the folder is made where it is
    missing.

    Raises `StoreError` that names `what` where the disk does not take it; an earlier file then
    stays as it was.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise _not_written(path, what, error) from error
    return path


def write_once(path: Path, content: bytes, *, mode: int, what: str) -> None:
    """Write a file that is whole or absent; one that is there already stays, whoever of several was
    first.

    Raises `StoreError` that names `what` where the disk does not take it.
    """
    if path.exists():
        return
    scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
    except OSError as error:
        raise _not_written(path, what, error) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _not_written(path: Path, what: str, error: OSError) -> StoreError:
    return StoreError(
        f"{what} could not be written",
        where=str(path),
        found=str(error),
        next_step=f"{disk_remedy(error)}, then run the same command again",
    )


def disk_remedy(error: OSError) -> str:
    """What helps against an error of the file system, by its number: room, rights, or the folder
    that is gone.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room there"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "let this user write there (owner, mode, a disk that is mounted read-only)"
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return "bring the folder back"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "raise the number of files that may be open (ulimit -n)"
    return "look at the disk and at who may write there"
