"""The drill `rollback`: a bad release decides while scoring runs; one command undoes it, every row
is accounted for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from pipelines.base.days import DayRange
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.drills.bad_release import release_a_bad_model
from pipelines.drills.bank import DAYS, FIRST_TRAINING, bank, first_champion
from pipelines.drills.drill import Drill, Finding
from pipelines.nightly.score.scored_rows import feature_matrix
from pipelines.nightly.score.stage import score
from pipelines.problems.metrics import Array
from pipelines.releases.scorer import load_champion
from pipelines.run import Run

NEEDED = DayRange(DAYS.first, FIRST_TRAINING - timedelta(days=1))
NIGHTS = DayRange(FIRST_TRAINING - timedelta(days=5), FIRST_TRAINING - timedelta(days=1))
ROWS_A_REQUEST = 64
_PAUSE_SECONDS = 0.005
_ENOUGH = 20
_MAIN = "from pipelines.cli.main import main; main()"


@dataclass
class Requests:
    """Requests answered beside the nightly scoring: who answered each, by champion of its moment;
    and errors.
    """

    answers: list[tuple[str, Array]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def go_on(self, run: Run, matrix: Array) -> None:
        """Ask the champion of each moment for the scores of the same rows, until told to stop."""
        while not self.stop.is_set():
            try:
                scorer = load_champion(run)
                self.answers.append((scorer.release_id, scorer.score(matrix)))
            except Exception as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            time.sleep(_PAUSE_SECONDS)

    def wait_for_more(self) -> None:
        """Until some more have been answered (or nothing is answered for five minutes)."""
        wanted, patience = len(self.answers) + _ENOUGH, time.monotonic() + 300
        while len(self.answers) < wanted and time.monotonic() < patience:
            time.sleep(_PAUSE_SECONDS)


def rollback(settings: Settings) -> Sequence[Finding]:
    """Score nights and requests with a bad release, roll back in between, and count everything."""
    run = bank(settings, days=NEEDED)
    good = first_champion(run)
    expected = _rows_by_night(run)
    matrix = _request(run)
    answer_of = {good: load_champion(run).score(matrix)}
    bad = release_a_bad_model(run)
    answer_of[bad] = load_champion(run).score(matrix)
    requests = Requests()
    asking = threading.Thread(target=requests.go_on, args=(run, matrix))
    asking.start()
    try:
        command = _score_and_roll_back(run, settings, requests)
    finally:
        requests.stop.set()
        asking.join()
    return _findings(run, good, bad, command, requests, answer_of, expected)


@dataclass(frozen=True, kw_only=True)
class Command:
    """How the command ended, and how long it took."""

    code: int
    said: str
    seconds: float


def _score_and_roll_back(run: Run, settings: Settings, requests: Requests) -> Command:
    """Nights are scored one after the other; the command is given while the third is being
    scored.
    """
    ended: list[Command] = []
    for number, night in enumerate(NIGHTS):
        undoing = threading.Thread(target=lambda: ended.append(_command(settings)))
        if number == 2:
            undoing.start()
        score(run, DayRange.single(night))
        if number == 2:
            undoing.join()
    requests.wait_for_more()
    return ended[0]


def _command(settings: Settings) -> Command:
    """`tollgate rollback`, as a person types it: a process of its own."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _MAIN, "rollback", "--reason", "drill: it decides badly"],
        env={**os.environ, **settings.environment()},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return Command(
        code=ended.returncode,
        said=(ended.stdout + ended.stderr).strip(),
        seconds=time.monotonic() - began,
    )


def _request(run: Run) -> Array:
    """Some events' features, as a request would bring them."""
    names = load_champion(run).feature_names
    some = run.lake.read("features", days=DayRange.single(NIGHTS.last)).limit(ROWS_A_REQUEST)
    return feature_matrix(some.select(*names).toArrow(), names)


def _rows_by_night(run: Run) -> dict[str, int]:
    counted = run.lake.read("features", days=NIGHTS).groupBy("day").count().collect()
    return {str(row["day"]): int(row["count"]) for row in counted}


def _findings(
    run: Run,
    good: str,
    bad: str,
    command: Command,
    requests: Requests,
    answer_of: Mapping[str, Array],
    expected: Mapping[str, int],
) -> tuple[Finding, ...]:
    return (
        Finding(
            expected="one command puts the champion before it back",
            happened=(
                f"exit code {command.code} after {command.seconds:.1f} s (aim: 5 s): {command.said}"
            ),
            holds=command.code == 0 and _is(run.ledger.champion(), good),
        ),
        *_of_rows(run, good, bad, expected),
        _of_requests(good, bad, requests, answer_of),
        Finding(
            expected=(
                "the ledger tells it: both were champion, the bad one is retired, with the reason"
            ),
            happened="; ".join(
                f"{move.kind} {move.champion}: {move.reason}" for move in run.ledger.moves()
            ),
            holds=[move.champion for move in run.ledger.moves()] == [good, bad, good]
            and run.ledger.states(bad)[-1]["state"] == "retired",
        ),
    )


def _of_rows(run: Run, good: str, bad: str, expected: Mapping[str, int]) -> tuple[Finding, Finding]:
    stamps = _stamps(run)
    rows = {night: sum(by_release.values()) for night, by_release in stamps.items()}
    releases = [
        next(iter(stamps[night])) if len(stamps[night]) == 1 else "mixed"
        for night in sorted(stamps)
    ]
    turn = releases.index(good) if good in releases else len(releases)
    return (
        Finding(
            expected=(
                f"every row of {len(expected)} scored nights is there: {sum(expected.values()):,}"
            ),
            happened=f"{sum(rows.values()):,} predictions",
            holds=rows == dict(expected),
        ),
        Finding(
            expected=(
                "each night is stamped by exactly one release: the bad one first, then the one"
                " before it"
            ),
            happened=", ".join(
                {good: "good", bad: "bad"}.get(release, release) for release in releases
            ),
            holds=releases == [bad] * turn + [good] * (len(releases) - turn)
            and 0 < turn < len(releases),
        ),
    )


def _of_requests(
    good: str, bad: str, requests: Requests, answer_of: Mapping[str, Array]
) -> Finding:
    counts = Counter(release for release, _ in requests.answers)
    wrong = sum(
        release not in answer_of or not np.array_equal(scores, answer_of[release])
        for release, scores in requests.answers
    )
    return Finding(
        expected=(
            "each request meanwhile is answered, by exactly one of the two, with that one's scores"
        ),
        happened=(
            f"{counts[bad]:,} by the bad one, {counts[good]:,} by the good one, {wrong} by a"
            f" mixture, {len(requests.errors)} errors"
        )
        + "".join(f"; {error}" for error in requests.errors[:1]),
        holds=not wrong and not requests.errors and set(counts) == {good, bad},
    )


def _stamps(run: Run) -> dict[str, dict[str, int]]:
    """Rows of `predictions` by night and release."""
    stamps: dict[str, dict[str, int]] = {}
    for row in (
        run.lake.read("predictions", days=NIGHTS).groupBy("day", "release").count().collect()
    ):
        stamps.setdefault(str(row["day"]), {})[row["release"]] = int(row["count"])
    return stamps


def _is(pointer: Any, release_id: str) -> bool:
    return pointer is not None and pointer.release_id == release_id


ROLLBACK = Drill(
    name="rollback",
    description=(
        "a bad release decides while scoring runs: one command undoes it, every row is"
        " accounted for"
    ),
    injected=(
        "a model that learnt nonsense is let through; it is scored with, night by night and request"
        " by request"
    ),
    happens=rollback,
)
