"""Should a new model be trained because of drift?

Only where it hurts, confirmed, after a cool-down, up to a cap.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.usecases.policies.watch import DriftPolicy, WatchPolicy

_NO_CURE = frozenset({"feed", "bug", "concept", "inputs", "echo"})
"""Causes that a training on such days would not put right, or that need none."""


@dataclass(frozen=True)
class RetrainDecision:
    """Whether to ask for a training, and why or why not, in a sentence."""

    asked: bool
    reason: str


def hurts(cause: str, *, drift_detected: bool, waits: bool = False) -> bool:
    """Whether a day counts towards a retrain: performance fell with the inputs, or drift that
    nothing else explains.

    Beyond the limits of the training window but told to be a feed, a bug, harmless or a new
    pattern: it does not. Nor does a day that `waits` for its labels (see `waits_for_labels`).
    """
    if cause == "harmful" and waits:
        return False
    return cause == "harmful" or (drift_detected and cause not in _NO_CURE)


def waits_for_labels(diagnosis: DiagnosisAccount | None, watch: WatchPolicy) -> bool:
    """Whether a day's harm is told by its inputs alone, where policy lets a training wait until
    labels tell it too.
    """
    evidence = diagnosis.evidence if diagnosis else ()
    return watch.retrain_waits and not any(signal.area == "performance" for signal in evidence)


def decide(
    day: date,
    drifted: Mapping[date, bool],
    asking: Collection[date],
    policy: DriftPolicy,
    *,
    summary: str = "",
    watch: WatchPolicy | None = None,
) -> RetrainDecision:
    """The decision for `day`.

    `drifted` says on which days drift hurt (a day that it lacks: not); `asking` are the days on
    which a training was asked for. All of it is logical days, so a back-fill decides as the nights
    would have. It takes `confirm_days` such days among the newest `watch.retrain_of` (by default:
    in a row), this one included, none asked for less than `cooldown_days` before or after, and
    fewer than `watch.retrain_cap` in the `retrain_cap_days` before. What was asked for on this very
    day does not count: running it again decides the same.
    """
    if not drifted.get(day, False):
        return RetrainDecision(False, "no drift beyond policy")
    looked_at = max(policy.confirm_days, watch.retrain_of if watch else 0)
    confirmed = sum(1 for n in range(looked_at) if drifted.get(day - timedelta(days=n), False))
    if confirmed < policy.confirm_days:
        needed = (
            f" of which {policy.confirm_days} are needed" if looked_at > policy.confirm_days else ""
        )
        return RetrainDecision(
            False, f"drift is not confirmed yet: {confirmed} of the last {looked_at} days{needed}"
        )
    near = [
        other for other in asking if other != day and abs((other - day).days) < policy.cooldown_days
    ]
    if near:
        return RetrainDecision(
            False,
            f"cool-down of {policy.cooldown_days} days: a training was asked for on {max(near)}",
        )
    lately = [
        other for other in asking if watch and 0 < (day - other).days < watch.retrain_cap_days
    ]
    if watch and len(lately) >= watch.retrain_cap:
        return RetrainDecision(
            False,
            f"{len(lately)} trainings were asked for in {watch.retrain_cap_days} days: a person has"
            " to look",
        )
    return RetrainDecision(True, f"drift on {day}: {summary}" if summary else f"drift on {day}")
