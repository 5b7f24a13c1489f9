"""Whether a folder may be written to, asked before a program starts that would fail on it
half-way.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from pipelines.base.errors import ConfigurationError


def require_writable(folder: Path, *, needed_by: str) -> None:
    """Make the folder where it is missing, and a file in it, which is removed again.

    Raises `ConfigurationError` where either is refused: another owner, a disk that may only be
    read, no room.
    """
    probe = folder / f".writable-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{needed_by} must be able to write here",
            where=str(folder),
            expected="a folder that this user may write to",
            found=error.strerror or str(error),
            next_step=(
                "run it as the owner, give this user the right, or set TOLLGATE_HOME; to read only:"
                " tollgate status, which, releases, oncall, report --out FILE, ledger backup --to"
                " FILE"
            ),
        ) from error
