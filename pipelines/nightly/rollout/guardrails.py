"""Guardrails of a release that is tried out: what is measured on each scored day, and what must
hold. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.rollout import MaturedPair
from pipelines.accounts.score import ContenderComparison
from pipelines.nightly.monitor.drift.distances import wasserstein
from pipelines.releases.contenders import Contenders, Scored
from pipelines.releases.scorer import Scorer
from pipelines.releases.verdict import Check
from pipelines.usecases.policies.rollout import RolloutPolicy

FEWEST_UNITS = 20
"""Fewer units at the thresholds than this are too few to compare."""


def compare(
    contenders: Contenders,
    champion: Scored,
    challenger: Scored,
    units: NDArray[Any],
    decided: NDArray[Any],
) -> ContenderComparison:
    """Figures of both contenders on the same rows of a day; parallel arrays, one entry for each
    event.

    `decided`: rows that the challenger decided. Distances are Wasserstein's in standard deviations
    of the first sample: of the champion's scores for `distance`, of the release's own reference
    sample for the drifts.
    """
    finite_scores = np.isfinite(challenger.scores)
    challenger_scores, champion_scores = (
        challenger.scores[finite_scores],
        champion.scores[finite_scores],
    )
    before = _contender_figures(contenders.champion, champion, units)
    beside = _contender_figures(contenders.challenger or contenders.champion, challenger, units)
    return ContenderComparison(
        challenger=contenders.named or "",
        state="rule" if contenders.rule else contenders.state,
        champion=contenders.champion.release_id,
        problem="",
        rows=len(units),
        not_finite=int((~finite_scores).sum()),
        distance=wasserstein(champion_scores, challenger_scores)
        if len(challenger_scores)
        else None,
        decided_share=float(decided.mean()) if len(decided) else 0.0,
        champion_mean=before.mean,
        champion_units=before.units,
        champion_drift=before.drift,
        champion_seconds_per_row=before.seconds_per_row,
        challenger_mean=beside.mean,
        challenger_units=beside.units,
        challenger_drift=beside.drift,
        challenger_seconds_per_row=beside.seconds_per_row,
    )


@dataclass(frozen=True, kw_only=True)
class _ContenderFigures:
    """One contender: mean score, units at its threshold, distance from its reference, seconds for a
    row.
    """

    mean: float | None
    units: int
    drift: float | None
    seconds_per_row: float


def _contender_figures(scorer: Scorer, scored: Scored, units: NDArray[Any]) -> _ContenderFigures:
    finite_scores = scored.scores[np.isfinite(scored.scores)]
    reference = scorer.bundle.reference()["score"].to_numpy() if scorer.bundle else np.empty(0)
    return _ContenderFigures(
        mean=float(finite_scores.mean()) if len(finite_scores) else None,
        units=len(np.unique(units[scorer.reaches_threshold(scored.scores)])),
        drift=wasserstein(reference, finite_scores)
        if len(reference) and len(finite_scores)
        else None,
        seconds_per_row=scored.seconds / max(1, len(units)),
    )


def judge(figures: ContenderComparison, policy: RolloutPolicy) -> list[Check]:
    """The guardrails on a day's figures (see `compare`); a day with fewer rows than the policy's
    minimum has none.
    """
    return [
        _errors(figures),
        _distribution(figures, policy),
        _drift(figures, policy),
        _volume(figures.challenger_units, figures.champion_units, policy),
        _latency(figures, policy),
    ]


def precision(pairs: Sequence[MaturedPair], policy: RolloutPolicy) -> Check:
    """Review precision on matured days that both have scored."""
    question = f"Does it lose at most {policy.precision_loss} of review precision on matured days?"
    if not pairs:
        return Check(
            name="precision",
            question=question,
            outcome="not applicable",
            found="no labels have matured yet",
        )
    loss = float(np.mean([pair.champion - pair.challenger for pair in pairs]))
    challenger_precision = float(np.mean([pair.challenger for pair in pairs]))
    champion_precision = float(np.mean([pair.champion for pair in pairs]))
    return _check(
        "precision",
        question,
        loss <= policy.precision_loss,
        f"{challenger_precision:.3f} against {champion_precision:.3f} on {len(pairs)} matured"
        f" day{'s' if len(pairs) > 1 else ''}",
        {"challenger": challenger_precision, "champion": champion_precision, "days": len(pairs)},
    )


def _errors(figures: ContenderComparison) -> Check:
    bad = figures.not_finite
    return _check(
        "errors",
        "Is every score a number?",
        bad == 0,
        f"{bad:,} of {figures.rows:,} scores are none",
        {"bad": bad},
    )


def _distribution(figures: ContenderComparison, policy: RolloutPolicy) -> Check:
    distance = figures.distance
    return _check(
        "score_distance",
        f"Are its scores within {policy.score_distance} standard deviations of the champion's on"
        " the same rows?",
        distance is not None and distance <= policy.score_distance,
        "no scores" if distance is None else f"{distance:.3f} apart",
        {} if distance is None else {"distance": distance},
    )


def _drift(figures: ContenderComparison, policy: RolloutPolicy) -> Check:
    """A day that is new to the champion too does not speak against the challenger: only what
    exceeds it counts.
    """
    question = (
        f"Are its scores no more than {policy.score_drift} further from their reference than the"
        " champion's?"
    )
    challenger_drift, champion_drift = figures.challenger_drift, figures.champion_drift
    if challenger_drift is None:
        return Check(
            name="score_drift", question=question, outcome="not applicable", found="no reference"
        )
    text = (
        f"{challenger_drift:.3f} from its reference, the champion {champion_drift or 0.0:.3f} from"
        " its own"
    )
    return _check(
        "score_drift",
        question,
        challenger_drift - (champion_drift or 0.0) <= policy.score_drift,
        text,
        {"challenger": challenger_drift},
    )


def _volume(units: int, other_units: int, policy: RolloutPolicy) -> Check:
    question = (
        f"Do at most {policy.positive_ratio:g} times more or fewer units reach its threshold?"
    )
    text = f"{units:,} units against {other_units:,}"
    if max(units, other_units) < FEWEST_UNITS:
        return Check(
            name="alert_volume",
            question=question,
            outcome="not applicable",
            found=f"{text}: too few",
        )
    ratio = max(units, other_units) / max(1, min(units, other_units))
    return _check("alert_volume", question, ratio <= policy.positive_ratio, text, {"ratio": ratio})


def _latency(figures: ContenderComparison, policy: RolloutPolicy) -> Check:
    seconds = figures.challenger_seconds_per_row
    return _check(
        "latency",
        f"Does it score a row in at most {policy.seconds_per_row * 1e6:,.0f} microseconds?",
        seconds <= policy.seconds_per_row,
        f"{seconds * 1e6:,.1f} microseconds a row",
        {"seconds_per_row": seconds},
    )


def volume_against(units: int, before: Sequence[int], policy: RolloutPolicy) -> Check:
    """The same question for a champion without a rival: against the mean of days that the one
    before had scored.
    """
    return _volume(units, round(float(np.mean(before))) if before else units, policy)


def _check(name: str, question: str, holds: bool, text: str, figures: Mapping[str, float]) -> Check:
    return Check(
        name=name,
        question=question,
        outcome="passed" if holds else "failed",
        found=text,
        figures=dict(figures),
    )
