"""What goes wrong in the watch's benchmark: of each kind several sizes, each with the causes that
would be right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from benchmarks.watch_worlds import LEAD_DAYS, Watched, WatchedBank
from features.definition import LabelCount, LabelRate
from pipelines.base.days import DayRange
from pipelines.drills.simulated_frame import Happened
from pipelines.simulate.day import DayPlan
from pipelines.simulate.incidents import Effects
from pipelines.simulate.transactions import Transactions
from pipelines.usecases.fraud import USE_CASE

DAYS = 12
"""Days that are watched from the first affected one on: its labels have matured by then."""


@dataclass(frozen=True)
class CustomPlan(DayPlan):
    """A day with effects of its own."""

    own: Effects = field(default_factory=Effects)

    @property
    def effects(self) -> Effects:
        """These effects."""
        return self.own


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One thing that goes wrong for `lasts` days. `right` are the causes that name it."""

    kind: str
    size: str
    right: tuple[str, ...]
    lasts: int = DAYS
    effects: Effects | None = None
    change: Callable[[Happened, date, date], Happened] | None = None
    features: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def watched(self, bank: WatchedBank, first: date) -> Iterator[Watched]:
        """The days from `first` on, as the monitor meets them."""
        last = first + timedelta(days=self.lasts - 1)
        days = DayRange.of_length(first, DAYS)
        plans: dict[date, DayPlan] = {}
        if self.effects is not None:
            plans = {day: CustomPlan(own=self.effects) for day in DayRange(first, last)}
        change = None
        if (changed := self.change) is not None:
            change = lambda happened: changed(happened, first, last)  # noqa: E731
        frame, fraud = bank.frame(days.widened(before=LEAD_DAYS), plans, change)
        yield from bank.watched(frame, fraud, since=first, features=self._faulty(first))

    def _faulty(self, first: date) -> Callable[[pd.DataFrame], pd.DataFrame] | None:
        fault = self.features
        if fault is None:
            return None

        def faulty(frame: pd.DataFrame) -> pd.DataFrame:
            late = (frame["day"] >= pd.Timestamp(first)).to_numpy()
            return pd.concat([frame[~late], fault(frame[late].copy())]).astype(
                dict.fromkeys(_NAMES, float)
            )

        return faulty


_NAMES = USE_CASE.stored_features.names


def _rows(happened: Happened, keep: np.ndarray) -> Happened:
    events, reported = happened
    return Transactions(*(getattr(events, f.name)[keep] for f in fields(events))), reported[keep]


def _within(events: Transactions, first: date, last: date) -> np.ndarray:
    day = events.event_time.astype("datetime64[D]")
    return (day >= np.datetime64(first)) & (day <= np.datetime64(last))


def _hour(events: Transactions) -> np.ndarray:
    return (
        (events.event_time - events.event_time.astype("datetime64[D]"))
        .astype("timedelta64[h]")
        .astype(int)
    )


def lost_hours(begin: int, end: int) -> Callable[[Happened, date, date], Happened]:
    """Nothing of these hours arrives."""

    def change(happened: Happened, first: date, last: date) -> Happened:
        events, _ = happened
        hour = _hour(events)
        return _rows(happened, ~(_within(events, first, last) & (hour >= begin) & (hour < end)))

    return change


def lost_terminals(share: float) -> Callable[[Happened, date, date], Happened]:
    """Nothing arrives of one acquirer, whose terminals are neighbours."""

    def change(happened: Happened, first: date, last: date) -> Happened:
        events, _ = happened
        low = int(events.terminal_id.max() * 0.4)
        block = (events.terminal_id >= low) & (
            events.terminal_id < low + share * events.terminal_id.max()
        )
        return _rows(happened, ~(_within(events, first, last) & block))

    return change


def lost_rows(share: float) -> Callable[[Happened, date, date], Happened]:
    """A share of all rows does not arrive."""

    def change(happened: Happened, first: date, last: date) -> Happened:
        events, _ = happened
        lost = np.random.default_rng(first.toordinal()).random(len(events)) < share
        return _rows(happened, ~(_within(events, first, last) & lost))

    return change


def late_reports(days: int) -> Callable[[Happened, date, date], Happened]:
    """No reports come for some days, then all at once."""

    def change(happened: Happened, first: date, _last: date) -> Happened:
        events, reported = happened
        begin = np.datetime64(first, "us")
        end = begin + np.timedelta64(days, "D")
        held = (reported >= begin) & (reported < end)
        return events, np.where(held, end, reported)

    return change


def insiders(share: float) -> Callable[[Happened, date, date], Happened]:
    """Fraud that looks like any purchase: a share of the honest rows is fraud from now on, reported
    a week later.
    """

    def change(happened: Happened, first: date, last: date) -> Happened:
        events, reported = happened
        chosen = np.random.default_rng(first.toordinal()).random(len(events)) < share
        chosen &= _within(events, first, last) & (events.scenario == 0)
        week = np.timedelta64(7, "D")
        return (
            replace(events, scenario=np.where(chosen, 4, events.scenario).astype(np.int8)),
            np.where(chosen, events.event_time + week, reported),
        )

    return change


def retired(kept: float) -> Callable[[Happened, date, date], Happened]:
    """Frauds hide: of those that the model knows a share becomes honest, and as many unremarkable
    rows become fraud.
    """

    def change(happened: Happened, first: date, last: date) -> Happened:
        events, reported = happened
        random = np.random.default_rng(first.toordinal()).random(len(events))
        within = _within(events, first, last)
        gone = within & (events.scenario > 0) & (random > kept)
        honest = within & (events.scenario == 0)
        new = honest & (random < gone.sum() / max(1, honest.sum()))
        week = np.timedelta64(7, "D")
        scenario = np.where(gone, 0, np.where(new, 4, events.scenario)).astype(np.int8)
        late_reports = np.where(
            gone, np.datetime64("NaT", "us"), np.where(new, events.event_time + week, reported)
        )
        return replace(events, scenario=scenario), late_reports

    return change


def constant(*names: str, share: float = 1.0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """These features are at their default, for a share of the rows."""

    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        hit = np.random.default_rng(len(frame)).random(len(frame)) < share
        return frame.assign(
            **{n: np.where(hit, USE_CASE.stored_features[n].default, frame[n]) for n in names}
        )

    return fault


def scaled(factor: float, *names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """These features come in another unit."""
    return lambda frame: frame.assign(**{name: frame[name] * factor for name in names})


def swapped(left: str, right: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Two columns are exchanged."""
    return lambda frame: frame.assign(**{left: frame[right], right: frame[left]})


def shuffled(*names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """These features are joined to the wrong rows of their day; each column by itself looks as
    ever.
    """

    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        order = frame.groupby("day")[names[0]].sample(frac=1, random_state=1).index
        return frame.assign(**{name: frame.loc[order, name].to_numpy() for name in names})

    return fault


_TOLD = tuple(
    f.name for f in USE_CASE.stored_features.features if isinstance(f, LabelCount | LabelRate)
)
_MOVED = ("inputs", "harmful")

TROUBLES: tuple[Trouble, ...] = (
    Trouble(
        kind="holiday",
        size="x1.8, amounts x1.5",
        right=_MOVED,
        lasts=4,
        effects=Effects(volume=1.8, amounts=1.5),
    ),
    Trouble(
        kind="holiday",
        size="x1.4, amounts x1.2",
        right=_MOVED,
        lasts=4,
        effects=Effects(volume=1.4, amounts=1.2),
    ),
    Trouble(kind="holiday", size="amounts x1.3", right=_MOVED, effects=Effects(amounts=1.3)),
    Trouble(kind="holiday", size="x1.4", right=_MOVED, lasts=4, effects=Effects(volume=1.4)),
    Trouble(
        kind="concept",
        size="tested cards 1 %",
        right=("concept",),
        effects=Effects(tested_cards=0.01),
    ),
    Trouble(
        kind="concept",
        size="tested cards 0.4 %",
        right=("concept",),
        effects=Effects(tested_cards=0.004),
    ),
    Trouble(kind="concept", size="insiders 1 %", right=("concept",), change=insiders(0.01)),
    Trouble(kind="concept", size="insiders 0.5 %", right=("concept",), change=insiders(0.005)),
    Trouble(kind="concept", size="half of fraud hides", right=("concept",), change=retired(0.5)),
    Trouble(
        kind="concept", size="a third of fraud hides", right=("concept",), change=retired(0.67)
    ),
    Trouble(kind="bug", size="label features constant", right=("bug",), features=constant(*_TOLD)),
    Trouble(
        kind="bug",
        size="one feature constant",
        right=("bug",),
        features=constant("terminal_fraud_rate_30d"),
    ),
    Trouble(
        kind="bug",
        size="one feature constant in 30 %",
        right=("bug",),
        features=constant("customer_amount_mean_7d", "customer_amount_mean_30d", share=0.3),
    ),
    Trouble(
        kind="bug",
        size="mean in cents",
        right=("bug",),
        features=scaled(100, "customer_amount_mean_30d"),
    ),
    Trouble(
        kind="bug",
        size="two columns exchanged",
        right=("bug",),
        features=swapped("terminal_fraud_rate_7d", "terminal_fraud_rate_30d"),
    ),
    Trouble(kind="bug", size="joined to the wrong rows", right=("bug",), features=shuffled(*_TOLD)),
    Trouble(
        kind="feed", size="three hours lost", right=("feed",), lasts=1, change=lost_hours(12, 15)
    ),
    Trouble(
        kind="feed", size="cut off at 18:00", right=("feed",), lasts=1, change=lost_hours(18, 24)
    ),
    Trouble(
        kind="feed",
        size="an acquirer (10 %) lost",
        right=("feed",),
        lasts=3,
        change=lost_terminals(0.1),
    ),
    Trouble(
        kind="feed", size="30 % of the rows lost", right=("feed",), lasts=2, change=lost_rows(0.3)
    ),
    Trouble(
        kind="feed", size="10 % of the rows lost", right=("feed",), lasts=2, change=lost_rows(0.1)
    ),
    Trouble(
        kind="feed",
        size="reports three days late",
        right=("feed",),
        lasts=3,
        change=late_reports(3),
    ),
)
