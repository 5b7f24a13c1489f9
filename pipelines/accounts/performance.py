"""What the monitor's account says of a matured day: what its predictions were worth, in all and by
slice.
"""

from __future__ import annotations

from datetime import date

from pipelines.accounts.part import Part


class Worth(Part):
    """A day's review list and scores against its labels.

    Of `listed` units (the capacity) `hits` had a positive; `missed` ones with a positive were not.
    `caught_money` and `missed_money` are the amounts of their positives. `counts` and `positives`
    are by bin of the logit of a unit's highest score (see `watch.worth.EDGES`).
    """

    listed: int
    hits: int
    missed: int
    caught_money: float
    missed_money: float
    counts: tuple[int, ...]
    positives: tuple[int, ...]

    @property
    def precision(self) -> float:
        """Share of the capacity that was well spent."""
        return self.hits / self.listed if self.listed else 0.0


class ChampionPerformance(Part):
    """What the champion would have done on a day that the declared rule decided by policy."""

    release: str
    card_precision: float
    worth: Worth


class PerformanceAccount(Part):
    """The performance of `subject_day`, whose labels have just matured, by the release that scored
    it.

    `average_precision` is None without a positive; `card_precision` is the share (0 to 1) of the
    review capacity that was well spent; `n` events were judged, `positives` of them positive.
    `model` is None unless the rule decided.
    """

    subject_day: date
    release: str = ""
    average_precision: float | None = None
    card_precision: float = 0.0
    n: int = 0
    positives: int = 0
    worth: Worth | None = None
    model: ChampionPerformance | None = None

    @property
    def watched(self) -> Worth | None:
        """The worth that says how the model does: the champion's, whoever decided."""
        return self.model.worth if self.model else self.worth

    @property
    def watched_release(self) -> str:
        """The release that `watched` speaks of."""
        return self.model.release if self.model else self.release


class SliceAccount(Part):
    """Of the events of a `slice`: `positives`, of which `caught` belong to units on the review
    list.

    `missed_money` is the amount of the positives that were not caught. `note` says why the slice is
    not judged. The `past_` members pool the day with the matured days before it.
    """

    slice: str
    events: int = 0
    positives: int = 0
    caught: int = 0
    missed_money: float = 0.0
    average_precision: float | None = None
    note: str = ""
    past_positives: int = 0
    past_caught: int = 0
    past_note: str = ""


class Estimate(Part):
    """Expected share of the review list that is well spent, its 95 % interval, and the expected
    number of positives.
    """

    precision: float
    low: float
    high: float
    positives: float


class RealisedEstimate(Part):
    """An estimate beside what came true, and whether that lay `within` the interval."""

    estimated: float
    low: float
    high: float
    realised: float
    within: bool
