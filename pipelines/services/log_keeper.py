"""Logs of running services kept within a bound: `python -m pipelines.services.log_keeper FOLDER`,
started by `up`.

A service writes to its log through a file that it holds open for appending, and cannot be told to
open another. So what it wrote is copied and the file emptied beneath it: it goes on at the new end.
A line that is written between the last look and the emptying is lost; what was written before is in
`NAME.log.1`, `.2`, … for people to read.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

NAME = "log-keeper"
LIMIT = 20 * 1024**2
"""Bytes of a log beyond which it is set aside."""

KEPT = 4
"""How many that were set aside are kept of each service: with the one at hand at most a hundred
megabytes.
"""

LOOK_EVERY = 10.0
"""Seconds between two looks."""


def rotate(log: Path, *, limit: int = LIMIT, kept: int = KEPT) -> bool:
    """Set a log aside where it is larger than `limit`, and let go of the oldest; whether it was."""
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(kept, 1, -1):
        earlier = _aside(log, number - 1)
        if earlier.exists():
            earlier.replace(_aside(log, number))
    with log.open("rb") as written, _aside(log, 1).open("wb") as copy:
        os.fchmod(copy.fileno(), 0o600)
        shutil.copyfileobj(written, copy)
        shutil.copyfileobj(written, copy)  # what came while the first part was copied
        # what is still in this process's memory would go with it, where it is ended just then
        copy.flush()
        os.truncate(log, 0)
    return True


def old_logs(folder: Path) -> list[Path]:
    """Logs that were set aside."""
    return sorted(folder.glob("*.log.*"))


def keep(folder: Path) -> None:
    """Look at all logs of the folder again and again, until a signal ends it."""
    while True:
        for log in sorted(folder.glob("*.log")):
            try:
                rotate(log)
            except OSError as error:  # a full disk, say: the next look tries again
                print(f"{log} is not set aside: {error}", file=sys.stderr, flush=True)
        time.sleep(LOOK_EVERY)


def _aside(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
