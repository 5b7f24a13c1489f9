"""Is the watch any good?

Months without incident and months with one, by what is seen, when, and what it is called.

`python -m benchmarks.watch` (`make bench-watch`) prints tables for `benchmarks/README.md`. Aims: at
most 0.1 false pages a month; of the incidents that cost money 95 % noticed on the first run that
could show them; the right cause in 90 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.watch_incidents import Trouble
    from benchmarks.watch_worlds import Watched, WatchedBank
    from pipelines.nightly.monitor.diagnosis.day import Known
    from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis

BANKS, FIRST_SEED, TUNING_SEED = 15, 2_000, 7_000
PROCESSES = 2
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
LOUD = ("ticket", "page")
SPREAD = 5
"""Every so many-th kind of incident in a bank, so that five banks have all of them."""
EVIDENTLY_EVERY = 30
"""Every so many-th usual day is shown to Evidently too, which takes some 3 s for it."""
COSTS = 0.1
"""An incident costs money where the list catches so much less, or misses so much more, of the usual
amount.
"""


@dataclass(frozen=True)
class Preset:
    """What Evidently's default preset says of a day against the training window: the whole, and any
    column of it.
    """

    dataset: bool
    column: bool


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """A usual day: what was said of it, and on some of them what Evidently's preset says."""

    seed: int
    day: date
    cause: str
    severity: str
    told: str
    evidently: Preset | None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An incident: on which of the watched days (0: the first affected) it was told, and as what.

    `first_possible` is the first run that could show it: 0 where the data show it, else the run on
    which the labels of the first affected day have matured; it is the day that Evidently is shown.
    `noticed` is the first day that says more than `well`, None for never.
    """

    seed: int
    kind: str
    size: str
    day: date
    caught: float
    missed: float
    costly: bool
    first_possible: int
    noticed: int | None
    cause: str
    right: bool
    told: str
    evidently: Preset | None
    causes: list[str] = field(default_factory=list)


def watch_bank(number: int, first_seed: int, evidently: bool) -> tuple[list[Quiet], list[Seen]]:
    """All usual days of the bank with that number, and its incidents."""
    from benchmarks.watch_incidents import DAYS, TROUBLES
    from benchmarks.watch_worlds import HISTORY_DAYS, STARTS, WatchedBank

    bank = WatchedBank(first_seed + number)
    quiet, known_by_day = [], {}
    for day, diagnosed, past in run_days(bank, list(bank.usual.values())):
        known_by_day[day] = past
        if day >= STARTS + timedelta(days=HISTORY_DAYS):
            compares = evidently and (day - STARTS).days % EVIDENTLY_EVERY == 0
            preset = default_preset(bank, bank.usual[day]) if compares else None
            quiet.append(
                Quiet(
                    seed=bank.seed,
                    day=day,
                    cause=diagnosed.cause,
                    severity=diagnosed.severity,
                    told=diagnosed.describe(),
                    evidently=preset,
                )
            )
    chosen = [trouble for index, trouble in enumerate(TROUBLES) if (index + number) % SPREAD == 0]
    seen = []
    for place, trouble in enumerate(chosen):
        first = STARTS + timedelta(
            days=HISTORY_DAYS + 12 + (place * 17 + number * 3) % (120 - 12 - DAYS)
        )
        seen.append(watch_trouble(bank, trouble, first, known_by_day[first], evidently))
    return quiet, seen


def run_days(
    bank: WatchedBank, days: Sequence[Watched], past: Known | None = None
) -> Iterator[tuple[date, Diagnosis, Known]]:
    """The diagnosis of each day in turn, with what was known before it."""
    from pipelines.nightly.monitor.diagnosis.day import Known, watch_day

    before = past or Known()
    delay = timedelta(days=bank.use_case.label.delay_days)
    features = bank.use_case.stored_features
    worth_of = {
        **{d: w.worth for d, w in bank.usual.items()},
        **{day.day: day.worth for day in days},
    }
    for day in days:
        subject = day.day - delay
        worths = {earlier: worth for earlier, worth in worth_of.items() if earlier <= subject}
        now = Known(profiles=before.profiles, causes=before.causes, worths=worths)
        diagnosis = watch_day(
            day.day,
            day.profile,
            now,
            bank.use_case.watch,
            subject=subject,
            reach=lambda name: features[name].reach_days,
        )
        yield day.day, diagnosis, now
        before = Known(
            profiles={**before.profiles, day.day: day.profile},
            causes={**before.causes, day.day: diagnosis.cause},
        )


def watch_trouble(
    bank: WatchedBank, trouble: Trouble, first: date, past: Known, evidently: bool
) -> Seen:
    """One incident, told day by day."""
    days = list(trouble.watched(bank, first))
    diagnoses = [diagnosis for _, diagnosis, _ in run_days(bank, days, past)]
    usual = [bank.usual[day.day] for day in days[: trouble.lasts]]
    caught, missed = (
        sum(getattr(day.truth, name) for day in days[: trouble.lasts])
        / sum(getattr(u.truth, name) for u in usual)
        for name in ("caught_money", "missed_money")
    )
    spoke = [
        index
        for index, diagnosis in enumerate(diagnoses)
        if diagnosis.cause not in ("well", "echo", "unjudged")
    ]
    first_possible = bank.use_case.label.delay_days if trouble.kind == "concept" else 0
    named = next((diagnosis for diagnosis in diagnoses if diagnosis.cause in trouble.right), None)
    first_told = diagnoses[spoke[0]] if spoke else None
    final = named if trouble.kind == "concept" and named else first_told
    return Seen(
        seed=bank.seed,
        kind=trouble.kind,
        size=trouble.size,
        day=first,
        caught=caught,
        missed=missed,
        costly=caught < 1 - COSTS or missed > 1 + COSTS,
        first_possible=first_possible,
        noticed=spoke[0] if spoke else None,
        cause=final.cause if final else "well",
        right=bool(final and final.cause in trouble.right),
        told=final.describe() if final else "",
        evidently=default_preset(bank, days[first_possible]) if evidently else None,
        causes=[diagnosis.cause for diagnosis in diagnoses],
    )


def default_preset(bank: WatchedBank, watched: Watched) -> Preset:
    """What Evidently's preset, as it is by default, says of the day's sample against the training
    window's.
    """
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    os.environ.setdefault("DO_NOT_TRACK", "1")
    snapshot = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(watched.sample.astype(float)),
        Dataset.from_pandas(bank.champion.reference.astype(float)),
    )
    counted = next(
        m
        for m in snapshot.dict()["metrics"]
        if m["config"]["type"].endswith(":DriftedColumnsCount")
    )
    return Preset(dataset=counted["value"]["share"] >= 0.5, column=counted["value"]["count"] > 0)


def measured(
    banks: int, first_seed: int, evidently: bool
) -> Iterator[tuple[list[Quiet], list[Seen]]]:
    """The outcomes of so many banks, as they come."""
    os.environ |= ONE_THREAD
    with multiprocessing.get_context("spawn").Pool(PROCESSES, maxtasksperchild=1) as pool:
        tasks = [
            pool.apply_async(watch_bank, (number, first_seed, evidently)) for number in range(banks)
        ]
        for task in tasks:
            yield task.get()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the outcomes where asked."""
    from benchmarks.watch_table import tables

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--banks",
        type=int,
        default=BANKS,
        help="simulated banks: four months and some incidents each",
    )
    parser.add_argument(
        "--tuning",
        action="store_true",
        help="the seeds that limits are tuned on, not reported ones",
    )
    parser.add_argument(
        "--without-evidently", action="store_true", help="our own figures only, faster"
    )
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    chosen = parser.parse_args(arguments)
    quiet: list[Quiet] = []
    seen: list[Seen] = []
    first_seed = TUNING_SEED if chosen.tuning else FIRST_SEED
    for days, troubles in measured(chosen.banks, first_seed, not chosen.without_evidently):
        quiet += days
        seen += troubles
        for quiet_day in (q for q in days if q.cause not in ("well",)):
            print(
                f"usual   {quiet_day.severity:<7} {quiet_day.cause:<8} {quiet_day.day}"
                f" {quiet_day.told}",
                file=sys.stderr,
                flush=True,
            )
        for trouble in troubles:
            word = "right" if trouble.right else "WRONG"
            late = "never" if trouble.noticed is None else trouble.noticed - trouble.first_possible
            print(
                f"{word} {late} {trouble.kind} {trouble.size}"
                f" ({trouble.caught:.2f}, {trouble.missed:.2f}): {trouble.told} {trouble.causes}",
                file=sys.stderr,
                flush=True,
            )
    print(tables(quiet, seen))
    if chosen.json:
        outcomes = {
            "quiet": [asdict(day) for day in quiet],
            "seen": [asdict(trouble) for trouble in seen],
        }
        chosen.json.write_text(json.dumps(outcomes, indent=1, default=str))


if __name__ == "__main__":
    main()
