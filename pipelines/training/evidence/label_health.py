"""Are the labels plausible? Every slice's rate of positives, week by week, against its own history.

Positives come in clusters (a compromised terminal for four weeks, a stolen card for two), so weeks
differ by far more than independent rows would. The dispersion is measured: the variance of a week's
count when whole entities, not rows, come and go, over its mean; of all kinds of entities the
largest counts. A week's deviance in these units, with the uncertainty of the history's rate, gives
its chance; Bonferroni over slices and windows corrects for looking at many.

Looked at are all windows of seven days from the beginning of the training window to the last test
day: damage on the test days makes a candidate look good that has learnt the same damage. The
history's rate is the median of the frame's weeks, which one damaged week, or three of nine, cannot
move far.

Positives are what is judged. A week is suspect only where its positives are off both what its
events let expect (the rate) and what the slice's own weeks had (the count): where legitimate events
came or went and the positives are as ever, the rate moves and no label is wrong. Rows whose slice
is cut by a feature whose window was still filling up (the lake's first day and the feature's reach)
belong to no history: the slice grows there by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.days import DayRange
from pipelines.problems.metrics import Array
from pipelines.problems.slice_rows import SliceRows
from pipelines.releases.verdict import Check, not_applicable
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.evidence import Band, EvidencePolicy

if TYPE_CHECKING:
    import pandas as pd

NAME = "label_health"
QUESTION = "Does every slice have about as many positives in each week as its history lets expect?"
WEEK, FEWEST_WEEKS = 7, 4
EVERYTHING = "all events"
_OVERLAP = 3.0
"""Windows that overlap are not so many looks: all 7-day windows of a stretch count as three times
its weeks.
"""
_MEDIAN = math.pi / 2
"""Variance of a median over that of a mean, for normal values."""


@dataclass(frozen=True)
class Suspicion:
    """The least plausible week of a slice: how many positives of how many events, what was
    expected, its chance.

    `expected` positives by its events and the usual rate, `usual` by the slice's own weeks, which
    have `usual_events`. `chance` is two-sided and for this week alone; `dispersion` is the variance
    of a count over its mean.
    """

    days: DayRange
    events: int
    expected: float
    usual: float
    usual_events: float
    positives: int
    dispersion: float
    chance: float

    def to_json(self, name: str, *, suspect: bool) -> dict[str, Any]:
        """A row of the check's table."""
        return {
            "slice": name,
            "from": str(self.days.first),
            "to": str(self.days.last),
            "events": self.events,
            "usual_events": round(self.usual_events, 1),
            "expected": round(self.expected, 1),
            "usual": round(self.usual, 1),
            "found": self.positives,
            "dispersion": round(self.dispersion, 2),
            "chance": self.chance,
            "moved": self.moved,
            "outcome": "suspect" if suspect else "plausible",
        }

    @property
    def moved(self) -> str:
        """Which of the two is further from the slice's usual week: its positives, or its events."""
        positives = abs(math.log((self.positives + 0.5) / (self.usual + 0.5)))
        events = abs(math.log((self.events + 0.5) / (self.usual_events + 0.5)))
        return "positives" if positives >= events else "events"

    def words(self, name: str) -> str:
        events = f"of {self.events:,} events where {self.usual_events:,.0f} are usual"
        return (
            f"{name} on {self.days}: expected about {self.expected:.0f} positives, found"
            f" {self.positives} (usual {self.usual:.0f}; {events}: the {self.moved} moved)"
        )


def labels_are_plausible(
    frame: pd.DataFrame,
    label: Array,
    use_case: UseCase,
    examined: DayRange,
    *,
    first_day: date | None = None,
) -> Check:
    """The check. `label` (0, 1, NaN where not known) is parallel to the training frame `frame`.

    `examined`: the first day that is learnt from to the last test day; the frame's earlier days are
    history only. `first_day` is the first day that the lake holds: where it is not given, no window
    is taken to be filling.
    """
    policy = use_case.evidence
    judged = ~np.isnan(label) & (frame["day"].to_numpy() <= np.datetime64(examined.last))
    rows, label = frame[judged], label[judged]
    weeks = _Weeks.of(rows, use_case, examined)
    if weeks is None:
        return not_applicable(
            NAME, QUESTION, f"fewer than {FEWEST_WEEKS} weeks of labels to compare"
        )

    selected = SliceRows.of(frame, use_case)
    masks = {EVERYTHING: np.ones(len(rows), dtype=np.bool_)} | {
        piece.name: selected.mask(rows, piece)
        for piece in policy.slices
        if not selected.missing(rows, piece)
    }

    filled = _filled_from(use_case, first_day)
    worst: dict[str, Suspicion] = {}
    filling = []
    for name, mask in masks.items():
        since = weeks.week_from(filled.get(name))
        if weeks.count - since < FEWEST_WEEKS:
            filling.append(name)
        elif (suspicion := weeks.worst(label, mask, policy, since)) is not None:
            worst[name] = suspicion

    if not worst:
        return not_applicable(
            NAME, QUESTION, f"no slice lets expect {policy.label_expected:g} positives in a week"
        )

    allowed = policy.label_chance / (len(worst) * _OVERLAP * max(1.0, len(examined) / WEEK))
    suspect = {name: suspicion for name, suspicion in worst.items() if suspicion.chance <= allowed}
    named = dict(sorted(suspect.items(), key=lambda item: item[1].chance))

    return Check(
        name=NAME,
        question=QUESTION,
        outcome="failed" if suspect else "passed",
        found=_found(named, worst, filling),
        figures={
            "slices": float(len(worst)),
            "weeks": float(weeks.count),
            "chance_allowed": allowed,
        },
        table=[
            suspicion.to_json(name, suspect=name in suspect) for name, suspicion in worst.items()
        ],
        subjects=tuple(named),
    )


def _filled_from(use_case: UseCase, first_day: date | None) -> dict[str, date]:
    """By slice that is cut by features with a window: the first day on which these windows are
    full.
    """
    if first_day is None:
        return {}
    features = use_case.stored_features
    stored_names = set(features.names)
    days = {}
    for piece in use_case.evidence.slices:
        columns = [
            part.column
            for part in piece.where
            if isinstance(part, Band) and part.column in stored_names
        ]
        reach = max((features[column].reach_days for column in columns), default=0)
        if reach > 1:  # the reach of what looks at no other day is at most its own
            days[piece.name] = first_day + timedelta(days=reach)
    return days


def _found(
    suspect: Mapping[str, Suspicion], worst: Mapping[str, Suspicion], filling: Sequence[str]
) -> str:
    left_out = f"; windows are still filling, not judged: {', '.join(filling)}" if filling else ""
    if suspect:
        words = "; ".join(suspicion.words(name) for name, suspicion in list(suspect.items())[:3])
        return f"suspect labels: {words}{left_out}"
    name = min(worst, key=lambda key: worst[key].chance)
    return (
        f"the labels of {len(worst)} slices are plausible; least so:"
        f" {worst[name].words(name)}{left_out}"
    )


@dataclass(frozen=True)
class _Weeks:
    """Rows by day (0 is the frame's first examined or earlier day of a whole week) and by
    entity.
    """

    first: date
    day: Array
    count: int
    from_day: int
    entities: tuple[tuple[Array, int], ...]

    @classmethod
    def of(cls, rows: pd.DataFrame, use_case: UseCase, examined: DayRange) -> _Weeks | None:
        """Whole weeks that end with the last examined day; None where there are too few."""
        if not len(rows):
            return None
        start = rows["day"].min().date()
        count = ((examined.last - start).days + 1) // WEEK
        if count < FEWEST_WEEKS:
            return None
        first = examined.last - timedelta(days=WEEK * count - 1)
        day = (rows["day"].to_numpy() - np.datetime64(first)) // np.timedelta64(1, "D")
        keys = [key for key in use_case.stored_features.schema.keys if key in rows]
        codes = (np.unique(rows[key].to_numpy(), return_inverse=True) for key in keys)
        entities = tuple((index, len(names)) for names, index in codes)
        return cls(
            first, day.astype(np.int64), count, max(0, (examined.first - first).days), entities
        )

    def week_from(self, day: date | None) -> int:
        """The first whole week (0 is the first one) from a day on; 0 where no day is given."""
        return 0 if day is None else max(0, -(-(day - self.first).days // WEEK))

    def worst(
        self, label: Array, mask: Array, policy: EvidencePolicy, since: int = 0
    ) -> Suspicion | None:
        """The least plausible 7-day window of a slice; None where too few positives are expected in
        any.

        Weeks before the one with number `since` are neither history nor judged.
        """
        inside = mask & (self.day >= WEEK * since)
        day, hit = self.day[inside], label[inside]

        events = np.bincount(day, minlength=WEEK * self.count)
        positives = np.bincount(day, weights=hit, minlength=WEEK * self.count)
        weekly = tuple(
            values.reshape(-1, WEEK).sum(axis=1)[since:] for values in (events, positives)
        )
        rate = (
            float(np.median(weekly[1][weekly[0] > 0] / weekly[0][weekly[0] > 0]))
            if weekly[0].any()
            else 0.0
        )
        from_day = max(self.from_day, WEEK * since)

        window_events, window_positives = (
            np.convolve(values, np.ones(WEEK), mode="valid")[from_day:]
            for values in (events, positives)
        )
        expected, usual = window_events * rate, float(np.median(weekly[1]))
        if not len(window_events) or expected.max() < policy.label_expected:
            return None

        dispersion = self._dispersion(day // WEEK, hit, inside, rate)
        counted = np.full(len(window_positives), usual)
        weeks = self.count - since
        chance = np.maximum(
            _chance(window_positives, expected, dispersion, weeks),
            _chance(window_positives, counted, dispersion, weeks),
        )

        off_rate = np.log((window_positives + 0.5) / (expected + 0.5))
        off_count = np.log((window_positives + 0.5) / (usual + 0.5))
        move = math.log1p(policy.label_move)
        moved = (np.minimum(off_rate, off_count) >= move) | (
            np.maximum(off_rate, off_count) <= -move
        )

        at = int(
            np.argmin(np.where(moved & (expected >= policy.label_expected), chance, 1 + chance))
        )
        begins = self.first + timedelta(days=from_day + at)
        return Suspicion(
            days=DayRange.of_length(begins, WEEK),
            events=int(window_events[at]),
            expected=float(expected[at]),
            usual=usual,
            usual_events=float(np.median(weekly[0])),
            positives=int(window_positives[at]),
            dispersion=dispersion,
            chance=float(chance[at]) if moved[at] else 1.0,
        )

    def _dispersion(self, week: Array, hit: Array, inside: Array, rate: float) -> float:
        """Variance of a week's count over its mean where whole entities come and go: the median
        week's.
        """
        largest = 1.0
        for index, number in self.entities:
            cell = week * number + index[inside]
            shape = (self.count, number)
            residual = np.bincount(cell, weights=hit - rate, minlength=self.count * number).reshape(
                shape
            )
            mean = np.bincount(week, minlength=self.count) * rate
            whole = mean > 0
            largest = max(largest, float(np.median((residual**2).sum(axis=1)[whole] / mean[whole])))
        return largest


def _chance(positives: Array, expected: Array, dispersion: float, weeks: int) -> Array:
    """Two-sided chance of so large a deviance of an overdispersed count, the expected one known
    from so many weeks.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(positives > 0, positives * np.log(positives / expected), 0.0)
        deviance = 2 * (logs - (positives - expected)) / (dispersion * (1 + _MEDIAN / weeks))
    root = np.sqrt(np.maximum(deviance, 0.0))
    return np.array(
        [math.erfc(value / math.sqrt(2)) if math.isfinite(value) else 1.0 for value in root]
    )
