"""Money: the cost a day is that of a plain count, and only a proven rise blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipelines.releases.scorer import Scorer, rule_scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION
from pipelines.training.evidence.calibration import (
    calibration_holds,
    reliability,
    reliability_error,
)
from pipelines.training.evidence.contest import Contest
from pipelines.training.evidence.cost import money_holds, row_costs
from tests.pipelines.training.evidence.contests import contest, use_case

RULE_SCORER = rule_scorer(use_case(), reason="no release has been promoted yet")


def _scorer(threshold: float) -> Scorer:
    return replace(RULE_SCORER, fallback=False, release_id="some", threshold=threshold)


def _plain_cost(judged: Contest, score: np.ndarray, threshold: float) -> float:
    """Day by day and card by card."""
    policy, total = judged.policy, 0.0
    rows = judged.rows.assign(label=judged.label, score=score)
    for _, card in rows.groupby(["day", "customer_id"]):
        if (card["score"] >= threshold).any():
            total += policy.review_cost
        else:
            total += policy.loss_share * card["amount"][card["label"] == 1].sum()
    return total


@pytest.mark.parametrize("threshold", [-9.0, 0.4, 1.2, 9.0])
def test_the_cost_is_that_of_a_plain_count(threshold: float) -> None:
    judged = contest(rows=1400)
    score = judged.scores[CANDIDATE]
    assert row_costs(judged, score, threshold, "amount").sum() == pytest.approx(
        _plain_cost(judged, score, threshold)
    )


def test_only_a_proven_rise_of_cost_blocks() -> None:
    judged = contest()
    same = money_holds(judged, _scorer(1.0), _scorer(1.0))
    dearer = money_holds(judged, _scorer(-1.0), _scorer(1.0))
    assert same.outcome == "passed", same.found
    assert dearer.outcome == "failed", dearer.found
    assert dearer.figures["difference_low"] > 0.1 * dearer.figures[CHAMPION]
    unsure = money_holds(contest(rows=700), _scorer(0.2), _scorer(1.0))
    assert (
        unsure.figures["difference_low"]
        < 0
        < 0.3 * unsure.figures[CHAMPION]
        < unsure.figures["difference"]
    )
    assert unsure.outcome == "passed", "dearer by far on so few rows, but not proven to be"


def test_without_a_champion_money_is_told_and_cannot_fail() -> None:
    check = money_holds(contest(), _scorer(-9.0), RULE_SCORER)
    assert check.outcome == "not applicable"
    assert check.found.startswith("no release has been promoted yet; ")


def _probabilities(factor: float) -> Contest:
    """The candidate's scores are true probabilities times `factor`, the champion's are true."""
    random = np.random.default_rng(2)
    truth = random.beta(0.3, 6, 20_000)
    label = (random.random(20_000) < truth).astype(float)
    rows = pd.DataFrame({"customer_id": random.integers(0, 2000, 20_000)})
    scores = {CANDIDATE: np.minimum(1, truth * factor), CHAMPION: truth}
    return Contest.of(rows, label, scores, use_case())


def test_calibration_that_is_surely_worse_blocks() -> None:
    good, bad = (calibration_holds(_probabilities(factor), _scorer(0.5)) for factor in (1.0, 3.0))
    assert good.outcome == "passed", good.found
    assert bad.outcome == "failed", bad.found
    assert (
        bad.figures["reliability_error_candidate"] > 5 * good.figures["reliability_error_candidate"]
    )
    assert good.figures["expected_positives"] == pytest.approx(good.figures["positives"], rel=0.1)


def test_reliability_groups_hold_all_rows_and_its_error_is_their_mean_distance() -> None:
    judged = _probabilities(2.0)
    groups = reliability(judged.label, judged.scores[CANDIDATE])
    assert sum(rows for _, _, rows in groups) == len(judged.label)
    plain = sum(abs(mean - share) * rows for mean, share, rows in groups) / len(judged.label)
    assert reliability_error(judged.label, judged.scores[CANDIDATE]) == pytest.approx(plain)
    assert sum(share * rows for _, share, rows in groups) == pytest.approx(judged.label.sum())
