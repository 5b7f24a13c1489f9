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
    for day, found, known in run_days(bank, list(bank.usual.values())):
        known_by_day[day] = known
        if day >= STARTS + timedelta(days=HISTORY_DAYS):
            asked = evidently and (day - STARTS).days % EVIDENTLY_EVERY == 0
            told = default_preset(bank, bank.usual[day]) if asked else None
            quiet.append(
                Quiet(
                    seed=bank.seed,
                    day=day,
                    cause=found.cause,
                    severity=found.severity,
                    told=found.describe(),
                    evidently=told,
                )
            )
    mine = [trouble for index, trouble in enumerate(TROUBLES) if (index + number) % SPREAD == 0]
    seen = []
    for place, trouble in enumerate(mine):
        first = STARTS + timedelta(
            days=HISTORY_DAYS + 12 + (place * 17 + number * 3) % (120 - 12 - DAYS)
        )
        seen.append(watch_trouble(bank, trouble, first, known_by_day[first], evidently))
    return quiet, seen


def run_days(
    bank: WatchedBank, days: Sequence[Watched], known: Known | None = None
) -> Iterator[tuple[date, Diagnosis, Known]]:
    """The diagnosis of each day in turn, with what was known before it."""
    from pipelines.nightly.monitor.diagnosis.day import Known, watch_day

    before = known or Known()
    delay = timedelta(days=bank.use_case.label.delay_days)
    features = bank.use_case.stored_features
    worth_of = {
        **{d: w.worth for d, w in bank.usual.items()},
        **{one.day: one.worth for one in days},
    }
    for one in days:
        subject = one.day - delay
        worths = {then: worth for then, worth in worth_of.items() if then <= subject}
        now = Known(profiles=before.profiles, causes=before.causes, worths=worths)
        found = watch_day(
            one.day,
            one.profile,
            now,
            bank.use_case.watch,
            subject=subject,
            reach=lambda name: features[name].reach_days,
        )
        yield one.day, found, now
        before = Known(
            profiles={**before.profiles, one.day: one.profile},
            causes={**before.causes, one.day: found.cause},
        )


def watch_trouble(
    bank: WatchedBank, trouble: Trouble, first: date, known: Known, evidently: bool
) -> Seen:
    """One incident, told day by day."""
    days = list(trouble.watched(bank, first))
    found = [diagnosis for _, diagnosis, _ in run_days(bank, days, known)]
    usual = [bank.usual[one.day] for one in days[: trouble.lasts]]
    caught, missed = (
        sum(getattr(one.truth, name) for one in days[: trouble.lasts])
        / sum(getattr(u.truth, name) for u in usual)
        for name in ("caught_money", "missed_money")
    )
    spoke = [
        index for index, one in enumerate(found) if one.cause not in ("well", "echo", "unjudged")
    ]
    first_possible = bank.use_case.label.delay_days if trouble.kind == "concept" else 0
    named = next((one for one in found if one.cause in trouble.right), None)
    first_told = found[spoke[0]] if spoke else None
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
        causes=[one.cause for one in found],
    )


def default_preset(bank: WatchedBank, one: Watched) -> Preset:
    """What Evidently's preset, as it is by default, says of the day's sample against the training
    window's.
    """
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    os.environ.setdefault("DO_NOT_TRACK", "1")
    snapshot = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(one.sample.astype(float)),
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
        for one in (q for q in days if q.cause not in ("well",)):
            print(
                f"usual   {one.severity:<7} {one.cause:<8} {one.day} {one.told}",
                file=sys.stderr,
                flush=True,
            )
        for one in troubles:
            word = "right" if one.right else "WRONG"
            late = "never" if one.noticed is None else one.noticed - one.first_possible
            print(
                f"{word} {late} {one.kind} {one.size} ({one.caught:.2f}, {one.missed:.2f}): "
                f"{one.told} {one.causes}",
                file=sys.stderr,
                flush=True,
            )
    print(tables(quiet, seen))
    if chosen.json:
        outcomes = {"quiet": [asdict(one) for one in quiet], "seen": [asdict(one) for one in seen]}
        chosen.json.write_text(json.dumps(outcomes, indent=1, default=str))


if __name__ == "__main__":
    main()
