"""How long a service that a command follows may fail to answer before the command gives up
following it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pipelines.base.errors import StoreError, TransientError

LONGEST_OUTAGE = timedelta(minutes=3)

Answer = TypeVar("Answer")


class NotFollowedError(TransientError):
    """A service that goes on by itself was not reached for so long that it is not known how its
    work stands.
    """

    exit_code = 4


@dataclass
class Patience:
    """Counts how long Airflow fails to answer; `command` follows the same days again, `pause` waits
    for seconds.
    """

    command: str
    clock: Callable[[], datetime]
    pause: Callable[[float], None]
    seconds: float = 1.0
    longest: timedelta = LONGEST_OUTAGE
    since: datetime | None = None

    def failed(self, error: StoreError) -> timedelta:
        """Note that it does not answer, and for how long now; raises `NotFollowedError` after
        `longest`.
        """
        now = self.clock()
        if self.since is None:
            self.since = now
        if now - self.since < self.longest:
            return now - self.since
        raise NotFollowedError(
            f"Airflow has not answered for {(now - self.since).total_seconds():.0f} s, so the days"
            " are not followed any more; what it runs goes on",
            where=error.where,
            expected="an answer that says how the days stand",
            found=f"{error.what}: {error.found}",
            next_step=(
                f"`tollgate status`; once Airflow answers, `{self.command}` follows the days again"
            ),
            runbook="docs/runbooks/services.md",
        ) from error

    def answered(self) -> timedelta:
        """Note that it answers, and how long it did not."""
        outage = self.clock() - self.since if self.since is not None else timedelta(0)
        self.since = None
        return outage

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question that may be asked again and again."""
        while True:
            try:
                answer = question()
            except StoreError as error:
                self.failed(error)
                self.pause(self.seconds)
            else:
                self.answered()
                return answer
