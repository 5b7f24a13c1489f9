"""The drill `bad-retrain`: a slice's labels are damaged; a model that learnt it looks better, and
is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.base.settings import Settings
from pipelines.drills.bank import BAD_LABELS, INCIDENT, RETRAIN, bank, first_champion
from pipelines.drills.drill import Drill, Finding
from pipelines.releases.verdict import CANDIDATE, CHAMPION, Check
from pipelines.simulate.incidents import INCIDENTS
from pipelines.training.stage import TrainResult, train

HURT = "night"
"""The slice whose labels the incident damages."""


def bad_retrain(settings: Settings) -> Sequence[Finding]:
    """Train on the damaged weeks, as the weekly schedule would, and see what becomes of the
    candidate.
    """
    run = bank(settings)
    champion = first_champion(run)
    result = train(run, RETRAIN, reason="drill: the weekly training")
    pointer = run.ledger.champion()
    opened = [
        incident for incident in run.ledger.incidents() if incident.subject == result.release_id
    ]
    return (
        _looks_better(result),
        Finding(
            expected="the candidate is refused",
            happened=f"{result.evaluation.verdict.decision}, state {result.released.state}",
            holds=result.evaluation.verdict.decision == "refused"
            and result.released.state == "refused",
        ),
        _is_named(result),
        Finding(
            expected=f"the champion before it decides still: {champion}",
            happened=pointer.release_id if pointer else "none",
            holds=pointer is not None and pointer.release_id == champion,
        ),
        Finding(
            expected="an incident is open that says so",
            happened="; ".join(
                f"{incident.severity} {incident.kind}: {incident.summary}" for incident in opened
            )
            or "none",
            holds=any(HURT in incident.summary for incident in opened),
        ),
    )


def _looks_better(result: TrainResult) -> Finding:
    """On the rolling validation, where the labels are damaged alike, the candidate beats the
    champion.
    """
    metric = "auc_roc"
    candidate_figure, champion_figure = (
        result.evaluation.figures[name][metric] for name in (CANDIDATE, CHAMPION)
    )
    return Finding(
        expected=(
            "on the test days, whose labels are damaged alike, it looks better than the champion"
        ),
        happened=f"{metric} {candidate_figure:.4f} against {champion_figure:.4f}",
        holds=candidate_figure > champion_figure,
    )


def _is_named(result: TrainResult) -> Finding:
    failed = [check for check in result.evaluation.verdict.checks if check.outcome == "failed"]
    naming = [check for check in failed if _names(check)]
    return Finding(
        expected=f"the slice is named: {HURT}",
        happened="; ".join(f"{check.name}: {check.found}" for check in naming or failed)
        or "no check failed",
        holds=bool(naming),
    )


def _names(check: Check) -> bool:
    return HURT in check.found


BAD_RETRAIN = Drill(
    name="bad-retrain",
    description=(
        "a slice's labels are damaged: the candidate looks better, is refused, the slice is named"
    ),
    injected=f"{BAD_LABELS}: {INCIDENTS[INCIDENT].description}",
    happens=bad_retrain,
)
