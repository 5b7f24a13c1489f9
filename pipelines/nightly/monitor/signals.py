"""A signal: one figure of a day that is out of the ordinary, with a sentence; and a day's reading,
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pipelines.accounts.monitor import SignalAccount
from pipelines.nightly.monitor.profile import DayProfile

Area = Literal["feed", "inputs", "labels", "features", "scores", "performance"]


@dataclass(frozen=True)
class Past(Mapping[date, DayProfile]):
    """Days that a day may be compared with; the `odd` ones are no measure of how far usual days are
    from each other.

    An odd day (its inputs had moved) still counts for what is usual: a world that has changed for
    good is usual once most of the same weekdays show it.
    """

    profiles: Mapping[date, DayProfile] = field(default_factory=dict)
    odd: frozenset[date] = frozenset()

    def __getitem__(self, day: date) -> DayProfile:
        return self.profiles[day]

    def __iter__(self) -> Iterator[date]:
        return iter(self.profiles)

    def __len__(self) -> int:
        return len(self.profiles)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One figure beyond its limit: where (`area`), what (`name`), how far, and a sentence for a
    person.

    `strength` is the figure over its limit (1 and more), to put the strongest first.
    """

    area: Area
    name: str
    value: float
    limit: float
    told: str
    strength: float = 1.0

    def account(self) -> SignalAccount:
        """What the ledger keeps."""
        return SignalAccount(
            area=self.area,
            name=self.name,
            value=self.value,
            limit=self.limit,
            told=self.told,
            strength=self.strength,
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All signals of a day, strongest first in each area, and what could not be judged, with the
    reason.
    """

    signals: Sequence[Signal] = ()
    unjudged: Sequence[str] = ()

    def of(self, *areas: Area) -> list[Signal]:
        """The signals of some areas."""
        return [signal for signal in self.signals if signal.area in areas]
