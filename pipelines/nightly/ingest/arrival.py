"""What of the asked-for days has landed: every feed of every day, verified file by file, all
problems told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product
from pathlib import Path

from pipelines.base.days import DayRange
from pipelines.base.errors import ContractError, NotArrivedError
from pipelines.landing.landing import Arrival, Landing
from pipelines.nightly.ingest.contract import contract_problems, in_microseconds
from pipelines.usecases.definition import Feed, UseCase

REFUSED_PAGE = "docs/runbooks/ingest-refused.md"
NOT_ARRIVED_PAGE = "docs/runbooks/ingest-not-arrived.md"
HELD_BACK = ("features", "score", "monitor")
_SHOWN = 5


@dataclass(frozen=True)
class LandedFeed:
    """The verified part files of one feed (local paths that end in `<feed>/<day>/<name>`), and each
    day's rows.
    """

    feed: Feed
    paths: tuple[Path, ...]
    rows: Mapping[date, int]


@dataclass(frozen=True)
class Landed:
    """The feeds of all days; the days that have not arrived, and those whose files are not as
    promised.
    """

    feeds: list[LandedFeed]
    absent: list[Arrival] = field(default_factory=list)
    refusals: list[ContractError] = field(default_factory=list)


def landed(landing: Landing, feeds: Iterable[Feed], days: Iterable[date], scratch: Path) -> Landed:
    """The feeds' files of all `days`, each file checked: digest, rows, columns and types.

    Files of an object store are copied below `scratch`. `feeds` is complete only where nothing is
    absent or refused.
    """
    feeds, days = tuple(feeds), sorted(days)
    refusals: list[ContractError] = []
    arrivals = [_arrival(landing, feed, day, refusals) for feed, day in product(feeds, days)]
    absent = [arrival for arrival in arrivals if arrival is not None and not arrival.arrived]
    if absent or refusals:
        return Landed([], absent, refusals)
    return Landed(
        [_landed_feed(landing, feed, days, scratch, refusals) for feed in feeds], refusals=refusals
    )


def label_days_after(landing: Landing, use_case: UseCase, last: date) -> set[date]:
    """The days right after `last` that have landed without any event: they bring the labels of the
    days before them.

    History that is imported ends with such days, as labels come later than events. In a nightly run
    there are none.
    """
    label_days: set[date] = set()
    for day in DayRange.of_length(last + timedelta(days=1), use_case.label.delay_days):
        manifests = [_arrival(landing, feed, day, []) for feed in use_case.feeds]
        events, labels = (arrival.manifest if arrival else None for arrival in manifests)
        if events is None or labels is None or events.rows:
            break
        label_days.add(day)
    return label_days


def not_arrived(absent: list[Arrival]) -> NotArrivedError:
    """The error that names every day that is not there, and how far it has come."""
    first, days = absent[0], sorted({arrival.day for arrival in absent})
    what = f"{first.feed} of {first.day} have not arrived"
    return NotArrivedError.of_feed(
        first.feed,
        what if len(absent) == 1 else f"{what}, nor have {len(absent) - 1} more",
        where=first.where,
        day=listed(days),
        expected="a folder with the day's files and, written last, _MANIFEST.json",
        found="; ".join(f"{a.feed} {a.day}: {a.state}" for a in absent[:_SHOWN]),
        held_back=HELD_BACK,
        next_step=(
            f"wait for the sender or ask them, then `tollgate run ingest --from {days[0]} --to"
            f" {days[-1]}`"
        ),
        runbook=NOT_ARRIVED_PAGE,
    )


def refused(refusals: list[ContractError]) -> ContractError:
    """All refusals as one error: the first in full, the others by day, file and reason."""
    first = refusals[0]
    others = [f"{error.where}: {error.found}" for error in refusals[1:_SHOWN]]
    return ContractError(
        (
            first.what
            if len(refusals) == 1
            else f"{first.what}, and {len(refusals) - 1} more refusals"
        ),
        where=first.where,
        day=listed(sorted({error.day for error in refusals})),
        expected=first.expected,
        found="; ".join([first.found, *others]),
        held_back=HELD_BACK,
        next_step=first.next_step,
        runbook=REFUSED_PAGE,
    )


def listed(days: Iterable[date | str]) -> str:
    """Days as text: the first few, and an ellipsis where there are more."""
    texts = [str(day) for day in days]
    return ", ".join([*texts[:_SHOWN], "…"] if len(texts) > _SHOWN else texts)


def _arrival(
    landing: Landing, feed: Feed, day: date, refusals: list[ContractError]
) -> Arrival | None:
    try:
        return landing.arrival(feed.name, day)
    except ContractError as error:
        error.day = str(day)
        refusals.append(error)
        return None


def _landed_feed(
    landing: Landing, feed: Feed, days: list[date], scratch: Path, refusals: list[ContractError]
) -> LandedFeed:
    paths: list[Path] = []
    rows: dict[date, int] = {}
    for day in days:
        try:
            files = landing.fetch(feed.name, day, scratch)
            _require_contract(feed, day, files)
            paths += [_without_sidecar(path, scratch, feed.name, day) for path in files]
            rows[day] = landing.arrival(feed.name, day).required().rows
        except ContractError as error:
            refusals.append(error)
    return LandedFeed(feed, tuple(paths), rows)


def _without_sidecar(path: Path, scratch: Path, feed: str, day: date) -> Path:
    """The file as Spark is to read it: in microseconds, and where no checksum of Hadoop's lies
    beside it.

    Hadoop believes a hidden `.<name>.crc` more than the file: one that was left over from an
    earlier file ends the reading. Which bytes are right is the manifest's to say, and they were
    compared with it. So Spark gets a link.
    """
    readable = in_microseconds(path, scratch, feed, day)
    if readable.is_relative_to(scratch):
        return readable
    link = scratch / "landed" / feed / day.isoformat() / path.name
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():  # days are looked at again where others share keys with them
        link.symlink_to(readable.absolute())
    return link


def _require_contract(feed: Feed, day: date, files: list[Path]) -> None:
    for path in files:
        if problems := contract_problems(feed, path, day):
            raise ContractError(
                f"{feed.name} of {day} break their schema",
                where=str(path),
                day=str(day),
                expected=feed.ddl,
                found="; ".join(problems),
                next_step=(
                    "ask the sender for files with the declared columns; nothing of the day was"
                    " read"
                ),
            )
