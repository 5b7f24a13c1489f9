"""How a day is watched: what counts as moved, against which past, and what is asked before somebody
is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.usecases.policies.value_types import (
    AtLeastADay,
    Bounds,
    Count,
    Days,
    Distance,
    ExpectedRows,
    NoneOrMore,
    Positives,
    Rows,
    Share,
    ShareAboveNone,
    Sigmas,
    TimesMore,
    Weeks,
)

DriftMethod = Literal["psi", "wasserstein"]
"""The distances that drift can be measured by (`pipelines.nightly.monitor.drift.distances`)."""

FallBackCause = Literal["feed", "bug", "harmful", "concept"]
"""Causes that ail the day itself, so that the rule may decide from the next day on."""

RollBackCause = Literal["feed", "bug", "concept"]
"""Causes that call somebody: a champion gives way by itself only to those.

`harmful` never does more than a ticket.
"""

CONSTANT_SHARE = 0.02
"""For drift and for the watch alike: a column with at most this share of rows off one value
measures no distance.
"""


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """When a day has drifted: pinned method and threshold per column, and how many columns must
    exceed it.
    """

    method: DriftMethod = "psi"
    """How the distance between a day's column and the reference's is measured."""
    threshold: Distance = 0.2
    """The distance from which on a column has drifted."""
    score_threshold: Distance = 0.2
    """The distance from which on the scores have drifted."""
    constant_share: Share = CONSTANT_SHARE
    """A column with at most this share of the reference's rows off one value is constant, and
    drifts by that share.
    """
    share_of_columns: ShareAboveNone = 0.2
    """The share of the columns that must have drifted for the day to have."""
    confirm_days: AtLeastADay = 1
    """How many consecutive days beyond policy ask for a retrain."""
    cooldown_days: Days = 7
    """For how many logical days after a retrain no other is asked for."""
    sample: Rows = 5000
    """How many rows of a day are compared."""
    minimum: Rows = 500
    """Fewer rows than this are not judged."""


@dataclass(frozen=True, kw_only=True)
class WatchPolicy:
    """Limits of the daily diagnosis; measured by `make bench-watch` (decision 0210).

    A figure has moved where it is off the median of the same weekday in the `weeks` before by more
    than `sigmas` robust standard deviations *and* by more than its floor (a difference that
    matters). No page rests on small counts: see `performance_positives`, `count` and
    `constant_share`.
    """

    weeks: Weeks = 5
    """How many weeks back the same weekday says what is usual."""
    least: Count = 2
    """Fewer such weekdays than this are no history."""
    sigmas: Sigmas = 8.0
    """How far from usual a figure has moved."""
    volume_sigmas: Sigmas = 6.0
    """The same for the number of rows of a day."""
    volume: Share = 0.2
    """Floor: the share of the usual number of rows or units that a move must exceed to matter."""
    missing: Share = 0.93
    """The share of the usual rows below which the day counts as incomplete."""
    reports: Share = 0.5
    """Floor: the share of the usual number of reports that a move must exceed to matter."""
    hole: Share = 0.4
    """An hour or a block of keys is a hole below this share of what is expected there."""
    crowd: TimesMore = 1.7
    """An hour or a block of keys is too full above so many times what is expected there."""
    cell: ExpectedRows = 25.0
    """An hour or a block of keys with fewer expected rows is not judged."""
    distance: Annotated[float, Bounds("standard deviations", 0)] = 0.12
    """Floor: the Wasserstein distance of a column that a move must exceed to matter."""
    score_distance: Annotated[float, Bounds("standard deviations", 0)] = 0.08
    """Floor: the same for the scores."""
    tail: Share = 0.4
    """Floor: the share of the usual number of rows at or above the threshold that a move must
    exceed to matter.
    """
    nulls: Share = 0.02
    """The rise of a column's share of nulls, or of bad rows, that matters."""
    coherent: Share = 0.9
    """A feature agrees within a key where its correlation there is this or more."""
    torn: Share = 0.5
    """A feature that agrees within a key, and then has less than this share of it, is joined to the
    wrong rows.
    """
    matured_days: AtLeastADay = 28
    """How many matured days before say what performance is usual."""
    least_matured: AtLeastADay = 7
    """With fewer matured days before, performance is not judged."""
    performance_sigmas: Sigmas = 4.0
    """How far below the median of the matured days before one day's performance has fallen."""
    performance_loss: Share = 0.1
    """The share of its usual value that performance must lose to have fallen."""
    slow_days: AtLeastADay = 5
    """How many days are averaged to see a slow fall of performance."""
    slow_sigmas: Sigmas = 5.0
    """How far below usual the mean of those days has fallen."""
    performance_positives: Positives = 18.0
    """How many positives less must be caught, or more be missed, on one day before a fall is
    told.
    """
    count: ExpectedRows = 15.0
    """A count is judged where it, or its usual value, is at least this."""
    constant_share: Share = CONSTANT_SHARE
    """A column with at most this share of the usual rows off one value is constant, and moves by
    that share.
    """
    minimum: Rows = 200
    """The columns of a day with fewer rows are not judged."""
    retrain_of: Days = 0
    """The newest days among which a retrain's confirming days may lie; 0: they must be in a row."""
    retrain_cap: NoneOrMore = 3
    """How often a retrain is asked for by itself within `retrain_cap_days`."""
    retrain_cap_days: AtLeastADay = 28
    """The days that `retrain_cap` counts in."""
    retrain_waits: bool = False
    """Whether a retrain waits until labels say so too."""
    escalate_days: AtLeastADay = 3
    """A ticket that goes on for so many days is a page."""
    fall_back_on: tuple[FallBackCause, ...] = ()
    """Causes on which the declared rule decides from the next day on, without a person."""
    return_days: AtLeastADay = 2
    """After how many calm days in a row the champion decides again."""
    roll_back_on: tuple[RollBackCause, ...] = ()
    """Causes on which a champion that the trouble began with gives way to the one before, without a
    person.
    """
    parity_sample: Annotated[int, Bounds("events", 1)] = 200
    """How many events of a day are asked for through the live path every morning."""
