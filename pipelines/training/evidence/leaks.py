"""Leaks: is anything learnt from that is not known at the moment of the decision?

Four ways to find one: what features declare, a feature that knows too much alone, batch and online
values that differ, and a training frame that is another one when it is read again from the same
table versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features import kinds
from features.definition import FeatureSet
from features.feature import EntityFeature, Feature
from pipelines.accounts.parity import ParityAccount
from pipelines.base.days import DayRange
from pipelines.problems.metrics import Array, auc_roc, average_precision
from pipelines.releases.verdict import CANDIDATE, Check, not_applicable
from pipelines.training.evidence.contest import Contest

_KNOWN = tuple(
    kind for kind in vars(kinds).values() if isinstance(kind, type) and issubclass(kind, Feature)
)


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The digest of training rows as they were learnt from, and of the same days read again at the
    same versions.
    """

    days: DayRange
    rows: int
    digest: str
    again: str


def known_in_time(features: FeatureSet, label_delay_days: int) -> Check:
    """By declaration: every window ends at or before the event, and every label in one is at least
    mature.
    """
    problems: dict[str, str] = {}
    for feature in features.features:
        problem = _problem(feature, label_delay_days)
        if problem:
            problems[feature.name] = problem

    labelled = sum("reported" in getattr(feature, "reads", ()) for feature in features.features)
    named = "; ".join(f"{name} {problem}" for name, problem in problems.items())
    waiting = f"the {labelled} that read labels wait {label_delay_days} days"
    return Check(
        name="known_in_time",
        question="Is every feature, as it is declared, known at the moment of the decision?",
        outcome="failed" if problems else "passed",
        found=named or f"{len(features.features)} features look back only; {waiting}",
        figures={"features": float(len(features.features)), "reading_labels": float(labelled)},
        subjects=tuple(problems),
    )


def _problem(feature: Feature, label_delay_days: int) -> str:
    """Why a feature may not be known in time, or nothing."""
    if type(feature) not in _KNOWN:
        return f"is of a kind ({type(feature).__name__}) that nothing is known of"
    delay = getattr(feature, "delay_days", 0)
    if delay < 0 or (isinstance(feature, EntityFeature) and feature.days < 1):
        return f"reads events that come {-delay} days after the decision"
    if "reported" in getattr(feature, "reads", ()) and delay < label_delay_days:
        return (
            f"reads labels of the last {label_delay_days} days (delay {delay}), before they are"
            " known"
        )
    problems = (_problem(part, label_delay_days) for part in feature.inputs)
    return next(filter(None, problems), "")


def no_feature_alone(contest: Contest, features: FeatureSet) -> Check:
    """Failed where one feature alone ranks the test rows nearly as well as the model, or nearly
    perfectly.
    """
    policy, limit = contest.policy, contest.policy.single_share * contest.point(CANDIDATE)
    question = (
        f"Does no feature alone reach {policy.single_share:.0%} of the model, or an AUC of"
        f" {policy.single_auc}?"
    )
    if not 0 < contest.label.sum() < len(contest.label):
        return not_applicable(
            "no_feature_alone", question, "the test days do not have events of both kinds"
        )
    table = [_alone(name, contest.rows[name].to_numpy(), contest.label) for name in features.names]
    table.sort(key=lambda row: -row[contest.metric])
    leaking = [
        row for row in table if row[contest.metric] >= limit or row["auc_roc"] >= policy.single_auc
    ]
    shown = leaking or table[:1]
    words = "; ".join(
        f"{row['feature']} alone: {contest.metric} {row[contest.metric]:.4f},"
        f" AUC {row['auc_roc']:.4f}"
        for row in shown
    )
    return Check(
        name="no_feature_alone",
        question=question,
        outcome="failed" if leaking else "passed",
        found=f"{words}; the model has {contest.point(CANDIDATE):.4f}",
        figures={"limit": limit, "auc_limit": policy.single_auc},
        table=table,
        subjects=tuple(row["feature"] for row in leaking),
    )


def _alone(name: str, value: Array, label: Array) -> dict[str, Any]:
    """How well the feature ranks, upwards or downwards, whichever is better."""
    up = auc_roc(label, value)
    best = value if up >= 0.5 else -value
    return {
        "feature": name,
        "average_precision": max(average_precision(label, value), average_precision(label, -value)),
        "auc_roc": max(up, 1 - up),
        "rising": bool(np.array_equal(best, value)),
    }


def parity_holds(parity: ParityAccount | None, features: FeatureSet, days: int) -> Check:
    """`parity` is the newest account of `pipelines.parity.stage`, None where there is none so
    new.
    """
    question = (
        f"Did the online path give the batch's features, bit for bit, in the last {days} days?"
    )
    if parity is None:
        reason = f"no parity was measured in the last {days} days; next: tollgate parity --day D"
        return not_applicable("parity", question, reason)
    differing = {name: count for name, count in parity.mismatches.items() if count}
    absent = [name for name in features.names if name not in parity.mismatches]
    if absent:
        return not_applicable(
            "parity", question, f"on {parity.day} it was not measured for {', '.join(absent)}"
        )
    lost = parity.only_batch + parity.only_online
    named = ", ".join(f"{name} ({count:,})" for name, count in differing.items())
    return Check(
        name="parity",
        question=question,
        outcome="failed" if differing or lost else "passed",
        found=f"{parity.day}: {parity.compared:,} events x {len(parity.mismatches)} features, "
        + (
            f"differing: {named}; on one side only: {lost} events"
            if differing or lost
            else "0 mismatches"
        ),
        figures={
            "compared": float(parity.compared),
            "mismatches": float(sum(differing.values())),
            "lost": float(lost),
        },
        subjects=tuple(differing),
    )


def frame_is_rebuilt(rebuilt: Rebuilt | None) -> Check:
    """Passed where the pinned table versions gave the same rows twice."""
    name, question = (
        "frame_rebuilt",
        "Do the pinned table versions give the same training rows when read again?",
    )
    if rebuilt is None:
        return not_applicable(name, question, "the frame was not read from a lake")
    same = rebuilt.digest == rebuilt.again
    return Check(
        name=name,
        question=question,
        outcome="passed" if same else "failed",
        found=f"{rebuilt.rows:,} rows of {rebuilt.days}: digest {rebuilt.digest[:12]}"
        + (", twice" if same else f", then {rebuilt.again[:12]}"),
        figures={"rows": float(rebuilt.rows)},
    )
