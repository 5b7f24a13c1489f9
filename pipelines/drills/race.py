"""The drill `race`: many processes and threads promote at the same moment; one wins, the others are
told so.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import OvertakenError, PermanentError
from pipelines.base.settings import Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.ledger.ledger import Ledger

RACES = 100
PROCESSES, THREADS = 4, 2
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Attempt:
    """One contender's attempt: `outcome` is `won`, `lost` (it was told who was faster), or the
    error it got instead.
    """

    race: int
    contender: str
    outcome: str


def race(settings: Settings, *, races: int = RACES) -> Sequence[Finding]:
    """So many races of `PROCESSES` x `THREADS` contenders on one ledger, the first of them for an
    empty throne.
    """
    ledger = Ledger(settings.ledger, settings.use_case)
    contenders = [
        f"{process}-{thread}" for process, thread in product(range(PROCESSES), range(THREADS))
    ]
    for number in range(races):
        for contender in contenders:
            ledger.add_release(_release_id(number, contender), ReleaseAccount(), at=AT)
    attempts = _run(settings, races)
    return _findings(ledger, attempts, races, len(contenders))


def _run(settings: Settings, races: int) -> list[Attempt]:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES * THREADS)
    results: Any = context.SimpleQueue()
    arguments = (settings.ledger, settings.use_case, races, start, results)
    processes = [
        context.Process(target=_contend, args=(number, *arguments)) for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    attempts: list[Attempt] = []
    for _ in processes:
        attempts += results.get()
    for process in processes:
        process.join()
    return attempts


def _contend(process: int, url: str, use_case: str, races: int, start: Any, results: Any) -> None:
    """One process: its threads take part in every race, each with a ledger of its own."""
    attempts: list[Attempt] = []
    threads = [
        threading.Thread(
            target=_compete,
            args=(f"{process}-{thread}", Ledger(url, use_case), races, start, attempts),
        )
        for thread in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(attempts)


def _compete(
    contender: str, ledger: Ledger, races: int, start: Any, attempts: list[Attempt]
) -> None:
    """Look who is champion, wait until all have looked, and promote one's own release."""
    for number in range(races):
        try:
            seen = ledger.champion()
            start.wait(_PATIENCE_SECONDS)
            ledger.move_champion(
                _release_id(number, contender),
                expected=seen,
                reason=f"race {number}",
                actor=contender,
                at=AT,
            )
            outcome = "won"
        except OvertakenError:
            outcome = "lost"
        except PermanentError as error:
            outcome = str(error)
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        attempts.append(Attempt(number, contender, outcome))
        start.wait(_PATIENCE_SECONDS)


def _findings(
    ledger: Ledger, attempts: Sequence[Attempt], races: int, contenders: int
) -> tuple[Finding, ...]:
    winners = Counter(attempt.race for attempt in attempts if attempt.outcome == "won")
    losers = Counter(attempt.race for attempt in attempts if attempt.outcome == "lost")
    others = sorted({attempt.outcome for attempt in attempts} - {"won", "lost"})

    pointer = ledger.champion()
    generation = pointer.generation if pointer else 0
    won = [
        _release_id(attempt.race, attempt.contender)
        for attempt in attempts
        if attempt.outcome == "won"
    ]
    crowned = [
        release.release_id
        for release in ledger.releases()
        if _was_champion(ledger, release.release_id)
    ]
    last = [
        release_id for release_id in won if release_id.startswith(f"{_release_id(races - 1, '')}")
    ]

    return (
        Finding(
            expected=f"each of {races} races has one winner",
            happened=f"{sum(count == 1 for count in winners.values())} races with one winner",
            holds=[winners[number] for number in range(races)] == [1] * races,
        ),
        Finding(
            expected=(
                f"each of the {races * (contenders - 1)} losers is told that another promotion was"
                " faster"
            ),
            happened=f"{sum(losers.values())} were told"
            + (f"; others got: {'; '.join(others)}" if others else ""),
            holds=sum(losers.values()) == races * (contenders - 1) and not others,
        ),
        Finding(
            expected=f"the pointer moved {races} times and names the winner of the last race",
            happened=(
                f"generation {generation}, champion {pointer.release_id if pointer else 'none'}"
            ),
            holds=pointer is not None and generation == races and [pointer.release_id] == last,
        ),
        Finding(
            expected="the ledger's history names exactly the winners as champions",
            happened=f"{len(crowned)} releases were champion",
            holds=sorted(crowned) == sorted(won),
        ),
    )


def _was_champion(ledger: Ledger, release_id: str) -> bool:
    return any(entry["state"] == "champion" for entry in ledger.states(release_id))


def _release_id(number: int, contender: str) -> str:
    return f"race-{number:03}-{contender}"


RACE = Drill(
    name="race",
    description=(
        "100 concurrent promotions on one ledger: one winner each time, the losers are told"
    ),
    injected=(
        f"{RACES} times, {PROCESSES} processes with {THREADS} threads each promote a release at the"
        " same moment"
    ),
    happens=race,
)
