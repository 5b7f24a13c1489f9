"""The log of answers becomes Parquet in a process of its own, beside those that answer and behind
them in the queue.

`python -m pipelines.serve.log.compaction` turns what is complete into Parquet and ends; the
supervisor starts it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipelines.base.errors import TollgateError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.prediction_log.files import answers_folder, settle, waiting

LOOK_EVERY = 5.0
"""Seconds between two looks for streams that are complete."""

PATIENCE = 5.0
"""Seconds that it has for what it is at when the service ends."""

LOGGER = logging.getLogger("tollgate.serve")


class Settler:
    """Starts the process whenever there is something for it to do; one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder: Path = answers_folder(settings.home, settings.use_case)
        self._process: subprocess.Popen[bytes] | None = None
        self._looked = 0.0

    def look(self) -> None:
        """Start it, if it is time to look and there is something to do."""
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY or (
            self._process is not None and self._process.poll() is None
        ):
            return
        self._looked = now
        if waiting(self._folder):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.serve.log.compaction"],
                env={**os.environ, **self._settings.environment()},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                process_group=0,
            )

    def end(self) -> None:
        """Let it end, or end it; what it has not done is done by the next one, or by the night."""
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


def main() -> int:
    """Settle what is complete, at the lowest priority; the exit code."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s log of answers %(levelname)s %(message)s"
    )
    os.nice(19)
    settings = Settings.from_environment()
    try:
        settle(answers_folder(settings.home, settings.use_case))
    except (TollgateError, OSError) as error:
        LOGGER.error("the log of answers stays as it is for now: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
