"""Should a new model be trained because of drift? Confirmed by enough days, and not more often than the cool-down."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.usecases.definition import DriftPolicy


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to ask for a training, and why or why not, in a sentence."""

    asked: bool
    reason: str


def decide(
    day: date, drifted: Mapping[date, bool], asked: Collection[date], policy: DriftPolicy, *, summary: str = ""
) -> RetrainDecision:
    """The decision for `day`.

    `drifted` says which days were beyond policy (a day that it lacks was not); `asked` are the days on which a training
    was asked for. All of it is logical days, so a back-fill decides as the nights would have. It takes `confirm_days`
    drifted days in a row, ending with this one, and none asked for less than `cooldown_days` before or after. What was
    asked for on this very day does not count: running it again decides the same.
    """
    if not drifted.get(day, False):
        return RetrainDecision(False, "no drift beyond policy")
    needed = [day - timedelta(days=n) for n in range(policy.confirm_days)]
    confirmed = sum(1 for needed_day in needed if drifted.get(needed_day, False))
    if confirmed < len(needed):
        return RetrainDecision(False, f"drift is not confirmed yet: {confirmed} of the last {len(needed)} days")
    near = [other for other in asked if other != day and abs((other - day).days) < policy.cooldown_days]
    if near:
        return RetrainDecision(
            False, f"cool-down of {policy.cooldown_days} days: a training was asked for on {max(near)}"
        )
    return RetrainDecision(True, f"drift on {day}: {summary}" if summary else f"drift on {day}")
