"""What of a day is out of the ordinary: its profile against the same weekdays before, as named
signals.

Every figure needs enough rows and enough history; what cannot be judged is said, never guessed.
"""

from __future__ import annotations

from datetime import date
from statistics import median

from pipelines.nightly.monitor.drift.columns import columns, constants, torn
from pipelines.nightly.monitor.drift.counts import cells, labels, rejected, tail, units, volume
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.signals import Past, Reading, Signal
from pipelines.nightly.weekday_baseline import same_weekdays
from pipelines.usecases.policies.watch import WatchPolicy


def read(day: date, today: DayProfile, past: Past, policy: WatchPolicy) -> Reading:
    """The signals of `day`; `past` are the profiles of the days before that can be trusted."""
    weekday = f"{day:%A}"
    before = [past[earlier] for earlier in same_weekdays(day, past, policy)]
    usual_rows = [profile.rows for profile in before]
    if not today.rows and len(usual_rows) >= policy.least and median(usual_rows) < policy.count:
        few = (
            f"not a single row, where {median(usual_rows):.0f} are usual: too few to tell from"
            " chance"
        )
        return Reading(unjudged=[few])
    if not today.rows:
        text = "not a single row"
        missing = Signal(
            area="feed", name="volume", value=0.0, limit=policy.missing, told=text, strength=100.0
        )
        return Reading(signals=[missing])
    unjudged = []
    if today.rows < policy.minimum:
        unjudged.append(
            f"{today.rows} rows, fewer than the {policy.minimum} that a judgement of columns needs"
        )
    if len(before) < policy.least:
        unjudged.append(
            f"{len(before)} {weekday}s known before, {policy.least} are needed to say what is usual"
        )
        return Reading(signals=list(constants(today)), unjudged=unjudged)
    signals = [
        *volume(day, today, past, policy),
        *labels(day, today, past, policy),
        *rejected(day, today, past, policy),
    ]
    if today.rows >= policy.minimum:
        signals += cells(today, before, policy)
        signals += [*units(day, today, past, policy), *columns(day, today, past, policy)]
        signals += [
            *tail(day, today, past, policy),
            *constants(today, before),
            *torn(today, before, policy),
        ]
    return Reading(signals=sorted(signals, key=lambda signal: -signal.strength), unjudged=unjudged)
