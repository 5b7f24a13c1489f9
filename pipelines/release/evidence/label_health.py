"""Are the labels plausible? Every slice's rate of positives, week by week, against its own history.

Positives come in clusters (a compromised terminal for four weeks, a stolen card for two), so weeks differ by far more
than independent rows would. The dispersion is measured: the variance of a week's count when whole entities, not rows,
come and go, over its mean; of all kinds of entities the largest counts. A week's deviance in these units, with the
uncertainty of the history's rate, gives its chance; Bonferroni over slices and windows corrects for looking at many.

Looked at are all windows of seven days from the beginning of the training window to the last test day: damage on the
test days makes a candidate look good that has learnt the same damage. The history's rate is the median of the frame's
weeks, which one damaged week, or three of nine, cannot move far.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.platform.days import DayRange
from pipelines.release.evidence.slice_rows import SliceRows
from pipelines.release.metrics import Array
from pipelines.release.verdict import Check, not_applicable
from pipelines.usecases.definition import UseCase
from pipelines.usecases.policies.evidence import EvidencePolicy

if TYPE_CHECKING:
    import pandas as pd

NAME = "label_health"
QUESTION = "Does every slice have about as many positives in each week as its history lets expect?"
WEEK, FEWEST_WEEKS = 7, 4
EVERYTHING = "all events"
_OVERLAP = 3.0
"""Windows that overlap are not so many looks: all 7-day windows of a stretch count as three times its weeks."""
_MEDIAN = math.pi / 2
"""Variance of a median over that of a mean, for normal values."""


@dataclass(frozen=True)
class Suspicion:
    """The least plausible week of a slice: how many positives of how many events, what was expected, its chance.

    `chance` is two-sided and for this week alone; `dispersion` is the variance of a count over its mean.
    """

    days: DayRange
    events: int
    expected: float
    found: int
    dispersion: float
    chance: float

    def to_json(self, name: str, *, suspect: bool) -> dict[str, Any]:
        """A row of the check's table."""
        return {
            "slice": name,
            "from": str(self.days.first),
            "to": str(self.days.last),
            "events": self.events,
            "expected": round(self.expected, 1),
            "found": self.found,
            "dispersion": round(self.dispersion, 2),
            "chance": self.chance,
            "outcome": "suspect" if suspect else "plausible",
        }

    def words(self, name: str) -> str:
        return f"{name} on {self.days}: expected about {self.expected:.0f} positives, found {self.found}"


def labels_are_plausible(frame: pd.DataFrame, label: Array, use_case: UseCase, examined: DayRange) -> Check:
    """The check. `label` (0, 1, NaN where not known) is parallel to the training frame `frame`.

    `examined`: the first day that is learnt from to the last test day; the frame's earlier days are history only.
    """
    policy = use_case.evidence
    known = ~np.isnan(label) & (frame["day"].to_numpy() <= np.datetime64(examined.last))
    rows, label = frame[known], label[known]
    weeks = _Weeks.of(rows, use_case, examined)
    if weeks is None:
        return not_applicable(NAME, QUESTION, f"fewer than {FEWEST_WEEKS} weeks of labels to compare")
    selected = SliceRows.of(frame, use_case)
    masks = {EVERYTHING: np.ones(len(rows), dtype=np.bool_)} | {
        piece.name: selected.mask(rows, piece) for piece in policy.slices if not selected.missing(rows, piece)
    }
    worst = {name: found for name, mask in masks.items() if (found := weeks.worst(label, mask, policy)) is not None}
    if not worst:
        return not_applicable(NAME, QUESTION, f"no slice lets expect {policy.label_expected:g} positives in a week")
    allowed = policy.label_chance / (len(worst) * _OVERLAP * max(1.0, len(examined) / WEEK))
    suspect = {name: found for name, found in worst.items() if found.chance <= allowed}
    named = dict(sorted(suspect.items(), key=lambda item: item[1].chance))
    return Check(
        name=NAME,
        question=QUESTION,
        outcome="failed" if suspect else "passed",
        found=_found(named, worst),
        figures={"slices": float(len(worst)), "weeks": float(weeks.count), "chance_allowed": allowed},
        table=[found.to_json(name, suspect=name in suspect) for name, found in worst.items()],
        subjects=tuple(named),
    )


def _found(suspect: Mapping[str, Suspicion], worst: Mapping[str, Suspicion]) -> str:
    if suspect:
        return "suspect labels: " + "; ".join(found.words(name) for name, found in list(suspect.items())[:3])
    name = min(worst, key=lambda key: worst[key].chance)
    return f"the labels of {len(worst)} slices are plausible; least so: {worst[name].words(name)}"


@dataclass(frozen=True)
class _Weeks:
    """Rows by day (0 is the frame's first examined or earlier day of a whole week) and by entity."""

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
        return cls(first, day.astype(np.int64), count, max(0, (examined.first - first).days), entities)

    def worst(self, label: Array, mask: Array, policy: EvidencePolicy) -> Suspicion | None:
        """The least plausible 7-day window of a slice; None where too few positives are expected in any."""
        inside = mask & (self.day >= 0)
        day, hit = self.day[inside], label[inside]
        events = np.bincount(day, minlength=WEEK * self.count)
        positives = np.bincount(day, weights=hit, minlength=WEEK * self.count)
        weekly = events.reshape(-1, WEEK).sum(axis=1), positives.reshape(-1, WEEK).sum(axis=1)
        rate = float(np.median(weekly[1][weekly[0] > 0] / weekly[0][weekly[0] > 0])) if weekly[0].any() else 0.0
        n, y = (np.convolve(values, np.ones(WEEK), mode="valid")[self.from_day :] for values in (events, positives))
        expected = n * rate
        if not len(n) or expected.max() < policy.label_expected:
            return None
        dispersion = self._dispersion(day // WEEK, hit, inside, rate)
        chance = _chance(y, expected, dispersion, self.count)
        moved = np.abs(np.log((y + 0.5) / (expected + 0.5))) >= math.log1p(policy.label_move)
        at = int(np.argmin(np.where(moved & (expected >= policy.label_expected), chance, 1 + chance)))
        begins = self.first + timedelta(days=self.from_day + at)
        return Suspicion(
            days=DayRange.of_length(begins, WEEK),
            events=int(n[at]),
            expected=float(expected[at]),
            found=int(y[at]),
            dispersion=dispersion,
            chance=float(chance[at]) if moved[at] else 1.0,
        )

    def _dispersion(self, week: Array, hit: Array, inside: Array, rate: float) -> float:
        """Variance of a week's count over its mean where whole entities come and go: the median week's."""
        largest = 1.0
        for index, number in self.entities:
            cell = week * number + index[inside]
            shape = (self.count, number)
            residual = np.bincount(cell, weights=hit - rate, minlength=self.count * number).reshape(shape)
            mean = np.bincount(week, minlength=self.count) * rate
            whole = mean > 0
            largest = max(largest, float(np.median((residual**2).sum(axis=1)[whole] / mean[whole])))
        return largest


def _chance(found: Array, expected: Array, dispersion: float, weeks: int) -> Array:
    """Two-sided chance of so large a deviance of an overdispersed count, the expected one known from so many weeks."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(found > 0, found * np.log(found / expected), 0.0)
        deviance = 2 * (logs - (found - expected)) / (dispersion * (1 + _MEDIAN / weeks))
    root = np.sqrt(np.maximum(deviance, 0.0))
    return np.array([math.erfc(value / math.sqrt(2)) if math.isfinite(value) else 1.0 for value in root])
