"""How a day is watched: what counts as moved, against which past, and what is asked before somebody is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DriftPolicy:
    """When a day has drifted: pinned method and threshold per column, and how many columns must exceed it.

    `confirm_days`: consecutive days beyond policy before a retrain is asked for; `cooldown_days`: logical days after
    one in which no other is asked for; `sample`: rows compared; `minimum`: fewer rows than this are not judged.

    A column of which at most `constant_share` of the reference's rows are off one value is constant for this purpose.
    It has drifted where the share of rows off that value differs by `constant_share` or more: no distance is taken.
    """

    method: str = "psi"
    threshold: float = 0.2
    score_threshold: float = 0.2
    constant_share: float = 0.02
    share_of_columns: float = 0.2
    confirm_days: int = 1
    cooldown_days: int = 7
    sample: int = 5000
    minimum: int = 500


@dataclass(frozen=True, kw_only=True)
class WatchPolicy:
    """Limits of the daily diagnosis; measured by `make bench-watch` (decision 0210).

    A figure has moved where it is off the median of the same weekday in the `weeks` before by more than `sigmas`
    robust standard deviations *and* by more than its floor (a difference that matters). Fewer than `least` such
    weekdays are no history. Floors: `volume` and `reports` are shares of the usual count, `distance` and
    `score_distance` are Wasserstein distances in standard deviations, `tail` is a share of the usual number of rows at
    or above the threshold.

    A feature that usually agrees within a key (correlation of `coherent` and more) and now has less than the share
    `torn` of that is joined to the wrong rows.

    An hour or a block of keys is a hole below `hole` of what is expected there, and too full above `crowd` times that;
    cells with fewer than `cell` expected rows are not judged. `missing` is the share of the usual rows below which the
    day counts as incomplete, `nulls` the rise of a column's share of nulls that matters.

    Performance has fallen where a matured day is below the median of the `matured_days` before by more than
    `performance_sigmas` and by the share `performance_loss`, or the mean of `slow_days` is below by `slow_sigmas`.
    Fewer rows than `minimum` are not judged.

    No page rests on small counts. A fall of performance is told where at least `performance_positives` positives are
    caught less or missed more on one day, or that times the root of `slow_days` on those together (more while fewer
    than `matured_days` are known, see `pipelines.nightly.monitor.performance.matured`). A count is judged where it, or
    its usual value, is at least `count`. A column with one value in all but `constant_share` of the usual rows has
    moved where the share of rows off that value differs by as much: a spread of nearly zero measures nothing.

    A retrain needs the drift policy's `confirm_days` among the newest `retrain_of` days (0: in a row), and is asked for
    by itself at most `retrain_cap` times in `retrain_cap_days`; with `retrain_waits` not before labels say so too. A
    ticket that goes on for `escalate_days` is a page.

    What is done without a person, by cause: on those of `fall_back_on` the declared rule decides from the next day on,
    until `return_days` days in a row are calm; on those of `roll_back_on` a champion that the trouble began with gives
    way to the one before. Nothing by default.

    `parity_sample` events of a day are asked for through the live path every morning.
    """

    weeks: int = 5
    least: int = 2
    sigmas: float = 8.0
    volume_sigmas: float = 6.0
    volume: float = 0.2
    missing: float = 0.93
    reports: float = 0.5
    hole: float = 0.4
    crowd: float = 1.7
    cell: float = 25.0
    distance: float = 0.12
    score_distance: float = 0.08
    tail: float = 0.4
    nulls: float = 0.02
    coherent: float = 0.9
    torn: float = 0.5
    matured_days: int = 28
    least_matured: int = 7
    performance_sigmas: float = 4.0
    performance_loss: float = 0.1
    slow_days: int = 5
    slow_sigmas: float = 5.0
    performance_positives: float = 18.0
    count: float = 15.0
    constant_share: float = 0.02
    minimum: int = 200
    retrain_of: int = 0
    retrain_cap: int = 3
    retrain_cap_days: int = 28
    retrain_waits: bool = False
    escalate_days: int = 3
    fall_back_on: tuple[str, ...] = ()
    return_days: int = 2
    roll_back_on: tuple[str, ...] = ()
    parity_sample: int = 200
