"""Imports of two sources in any pieces and any order, corrected in between, with the disk failing
at any point.

The oracle is a few dictionaries: what each source has landed, by event. It knows nothing of files,
claims or Arrow.
"""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError, StoreError, UsageError
from pipelines.importing.conversion.source import Source
from pipelines.importing.landed.claims import Claims
from pipelines.importing.landed.days import import_days
from pipelines.importing.landed.landed_day import read_day
from pipelines.importing.mapping.definition import Mapping, parse_mapping
from pipelines.landing.landing import Landing
from pipelines.object_store.storage import LocalStorage
from pipelines.usecases.registry import load
from tests.failing_calls import failing_call
from tests.state_machines import play

FRAUD = load("fraud")
FIRST = date(2024, 3, 1)
DAYS = 3
DELAY = timedelta(hours=110)
SOURCES = ("north", "south")
AMOUNTS = ("10.00", "11.5", "abc", "")
GAMES, STEPS = 60, 12


@dataclass(frozen=True)
class Event:
    """An event of a source: its day (from FIRST on), minute of the day, amount as written, and
    label.
    """

    number: int
    day: int
    minute: int
    amount: str
    fraud: bool

    @property
    def time(self) -> datetime:
        return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(
            days=self.day, minutes=self.minute
        )

    @property
    def due(self) -> datetime | None:
        """When its report is due; a row that ingest will quarantine has none."""
        return self.time + DELAY if self.fraud and _amount(self.amount) is not False else None

    @property
    def row(self) -> tuple[str, ...]:
        """The event as it lands: the amount in cents where it is a number."""
        amount = _amount(self.amount)
        return (
            str(self.number),
            self.time.isoformat(),
            self.amount if amount is False else str(amount),
        )


def _amount(text: str) -> Decimal | bool | None:
    """The amount, None where there is none, False where it is no number."""
    if not text:
        return None
    try:
        return Decimal(text).quantize(Decimal("0.01"))
    except InvalidOperation:
        return False


EVENTS = st.builds(
    Event,
    number=st.integers(1, 4),
    day=st.integers(0, DAYS - 1),
    minute=st.sampled_from([0, 720, 1439]),
    amount=st.sampled_from(AMOUNTS),
    fraud=st.booleans(),
)
DAY = st.integers(0, DAYS - 1)


def mapping() -> Mapping:
    document = {
        "source": {"files": "tx.csv", "format": "csv"},
        "events": {
            "transaction_id": "id",
            "event_time": "time",
            "customer_id": "card",
            "terminal_id": "shop",
            "amount": "amt",
        },
        "labels": {
            "column": "fraud",
            "positive": [1],
            "negative": [0],
            "delay_hours": DELAY / timedelta(hours=1),
        },
    }
    return parse_mapping(document, FRAUD, where="test")


class Imports(RuleBasedStateMachine):
    """Two files whose content a person changes, imported into one landing zone."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.root = Path(self.scratch.name)
        self.landing = Landing(LocalStorage(self.root / "landing"))
        self.claims = Claims(self.root / "imports")
        self.files: dict[str, list[Event]] = {name: [] for name in SOURCES}
        self.landed: dict[str, dict[int, list[Event]]] = {name: {} for name in SOURCES}
        self.imported: set[int] = set()

    def teardown(self) -> None:
        try:
            self.one_call_from_one_file_lands_the_same_bytes()
        finally:
            self.scratch.cleanup()

    @initialize(
        north=st.lists(EVENTS, min_size=2, max_size=6),
        south=st.lists(EVENTS, min_size=1, max_size=6),
    )
    def begin(self, north: list[Event], south: list[Event]) -> None:
        for name, events in zip(SOURCES, (north, south), strict=True):
            self.files[name] = list({event.number: event for event in events}.values())
            self._write(name)

    @rule(name=st.sampled_from(SOURCES), event=EVENTS, dropped=st.booleans())
    def grow_or_correct(self, name: str, event: Event, dropped: bool) -> None:
        others = [other for other in self.files[name] if other.number != event.number]
        self.files[name] = others if dropped else [*others, event]
        self._write(name)

    @rule()
    def copy(self) -> None:
        """The second source comes to hold what the first does."""
        self.files["south"] = list(self.files["north"])
        self._write("south")

    @rule(
        name=st.sampled_from(SOURCES),
        bound=DAY,
        other_bound=DAY,
        corrected=st.booleans(),
        fails=st.sampled_from([None, None, *range(1, 30, 3)]),
    )
    def import_(
        self, name: str, bound: int, other_bound: int, corrected: bool, fails: int | None
    ) -> None:
        held = [event.day for event in self.files[name]]
        if held and not corrected:
            # Mostly days that the source has: a range that it lacks is refused, which other tests
            # look at.
            length = max(held) - min(held) + 1
            bound = min(held) + bound % length
            other_bound = min(held) + other_bound % length
        days = range(min(bound, other_bound), max(bound, other_bound) + 1)
        fine = self._allowed(name, days, corrected=corrected)
        if fails is not None and fine:
            with failing_call(self.root, fails):
                self._try(name, days, corrected=corrected)
            self._nothing_is_lost(name, days, corrected=corrected)
        before, refusal = self._contents(), None
        try:
            self._import(name, days, corrected=corrected)
        except (UsageError, ConfigurationError) as error:
            refusal = error
        assert (refusal is None) == fine, str(refusal)
        if refusal is not None:
            if isinstance(refusal, ConfigurationError):
                named = {source for source in SOURCES if source in refusal.where}
                assert self._against(name, days, corrected=corrected) & named
            assert self._contents() == before, "a refused import changes nothing"
            return
        held = self.landed[name]
        for day in days:
            own_events = [event for event in self.files[name] if event.day == day]
            kept = [] if corrected else held.get(day, [])
            held[day] = list(dict.fromkeys([*kept, *own_events]))
        self.imported |= set(days)

    def _claimed(self) -> set[Event]:
        """The events that any source has landed."""
        days = chain.from_iterable(days.values() for days in self.landed.values())
        return set(chain.from_iterable(days))

    @invariant()
    def every_event_and_report_is_there_once(self) -> None:
        claimed = self._claimed()
        assert self._landed_events() == Counter({event.row for event in claimed})
        reports = {(event.number, event.due) for event in claimed if event.due is not None}
        assert self._landed_reports() == Counter(reports)

    def one_call_from_one_file_lands_the_same_bytes(self) -> None:
        claimed = self._claimed()
        if not claimed:
            return
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _write_csv(folder / "tx.csv", sorted(claimed, key=lambda event: event.number))
            other = Landing(LocalStorage(folder / "landing"))
            source = Source(folder, mapping(), FRAUD.events, name="all")
            days = DayRange(_day(min(e.day for e in claimed)), _day(max(e.day for e in claimed)))
            list(import_days(other, source, FRAUD, days))
            for feed in FRAUD.feeds:
                for day in other.days(feed.name):
                    if read_day(other, feed, day).rows:  # type: ignore[union-attr]
                        assert _bytes(other, feed.name, day) == _bytes(self.landing, feed.name, day)

    def _allowed(self, name: str, days: range, *, corrected: bool) -> bool:
        """Whether the import contradicts nothing; a file without any event in these days cannot be
        imported.
        """
        held = [event.day for event in self.files[name]]
        inside = range(min(held), max(held) + 1) if held else range(0)
        once = set(self.landed[name]) if corrected else set()
        if any(day not in inside and day not in once for day in days):
            return False
        return not self._against(name, days, corrected=corrected)

    def _against(self, name: str, days: range, *, corrected: bool) -> set[str]:
        """The sources that say something else of an event of these days."""
        against: set[str] = set()
        for event in (event for event in self.files[name] if event.day in days):
            for source, landed in self.landed.items():
                for day, others in landed.items():
                    for other in (other for other in others if other.number == event.number):
                        own = source == name
                        if other == event or (own and (day != event.day or corrected)):
                            continue
                        # A row that cannot be read says nothing of a report, but its label is
                        # compared all the same.
                        if other.row == event.row and other.fraud == event.fraud:
                            continue
                        against.add(source)
        return against

    def _try(self, name: str, days: range, *, corrected: bool) -> None:
        with suppress(StoreError):
            self._import(name, days, corrected=corrected)

    def _nothing_is_lost(self, name: str, days: range, *, corrected: bool) -> None:
        """After a failure every day can be read, and what is to stay is there."""
        for other, landed in self.landed.items():
            for day, events in landed.items():
                if corrected and other == name and day in days:
                    continue
                landed_rows = self._landed_events()
                assert all(event.row in landed_rows for event in events)

    def _import(self, name: str, days: range, *, corrected: bool) -> None:
        source = Source(self.root / name, mapping(), FRAUD.events, name=name)
        period = DayRange(_day(days.start), _day(days.stop - 1))
        list(
            import_days(self.landing, source, FRAUD, period, claims=self.claims, replace=corrected)
        )

    def _write(self, name: str) -> None:
        (self.root / name).mkdir(exist_ok=True)
        _write_csv(self.root / name / "tx.csv", self.files[name])

    def _contents(self) -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in (self.root / "landing").rglob("*") if p.is_file()}

    def _landed_events(self) -> Counter[tuple[str, ...]]:
        landed: Counter[tuple[str, ...]] = Counter()
        for day in self.landing.days(FRAUD.events.name):
            content = read_day(self.landing, FRAUD.events, day)
            assert content is not None
            for row in content.typed.to_pylist():
                landed[
                    (str(row["transaction_id"]), row["event_time"].isoformat(), str(row["amount"]))
                ] += 1
            for row in content.texts.to_pylist():
                time = datetime.fromisoformat(row["event_time"]).astimezone(UTC)
                landed[(row["transaction_id"], time.isoformat(), row["amount"])] += 1
        return landed

    def _landed_reports(self) -> Counter[tuple[int, datetime]]:
        landed: Counter[tuple[int, datetime]] = Counter()
        for day in self.landing.days(FRAUD.labels.name):
            for path in self.landing.fetch(FRAUD.labels.name, day, self.root):
                for row in pq.read_table(path).to_pylist():
                    assert row["reported_at"].date() == day
                    landed[(row["transaction_id"], row["reported_at"])] += 1
        return landed


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _bytes(landing: Landing, feed: str, day: date) -> dict[str, bytes]:
    folder = Path(landing.address) / feed / str(day)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _write_csv(path: Path, events: list[Event]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "time", "card", "shop", "amt", "fraud"])
        for event in events:
            written = event.time.strftime("%Y-%m-%d %H:%M:%S")
            writer.writerow(
                [event.number, written, event.number + 10, 7, event.amount, int(event.fraud)]
            )


def test_pieces_orders_corrections_and_failures_land_what_the_sources_say() -> None:
    play(Imports, games=GAMES, steps=STEPS)


@pytest.mark.parametrize("fails", [1, 10, 19, 30])
def test_a_correction_that_was_cut_off_goes_on_when_it_is_typed_again(fails: int) -> None:
    """The corrected file has no row of two days any more; one is emptied before the cut."""

    def event(number: int, day: int) -> Event:
        return Event(number=number, day=day, minute=0, amount="10.00", fraud=day == 0)

    imports = Imports()
    imports.begin(north=[event(1, 0)], south=[event(1, 0), event(2, 1), event(3, 2)])
    imports.import_(name="south", bound=0, other_bound=2, corrected=False, fails=None)
    imports.copy()
    imports.import_(name="south", bound=0, other_bound=2, corrected=True, fails=fails)
    imports.every_event_and_report_is_there_once()
    imports.teardown()
