"""Files that appear whole or not at all: written beside their place and renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from pipelines.platform.errors import StoreError


def write_whole(path: Path, write: Callable[[Path], object], *, what: str) -> Path:
    """Let `write` fill a file beside `path`, then move it there; the folder is made where it is missing.

    Raises `StoreError` that names `what` where the disk does not take it; an earlier file then stays as it was.
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
        raise StoreError(
            f"{what} could not be written",
            where=str(path),
            found=str(error),
            next_step="make room or restore the folder, then run this again",
        ) from error
    return path
