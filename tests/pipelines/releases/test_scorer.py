"""The scorer: exactly XGBoost's own scores, and the declared rule, said to be so, where no model
can be trusted.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb

from features.definition import FeatureSet
from features.fraud import BASELINE
from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.releases.bundle import MODEL, releases_folder
from pipelines.releases.scorer import RULE_RELEASE, load_booster, load_champion, rule_scorer
from pipelines.run import Run
from tests.pipelines.baseline_use_case import baseline_use_case
from tests.pipelines.releases.boosters import make_bundle, make_champion, matrix

USE = baseline_use_case()


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, USE, run_id="test-run", actor="test")


def test_scores_are_those_of_xgboost(run: Run) -> None:
    bundle = make_bundle(run.settings.home, BASELINE)
    make_champion(run, bundle)
    scorer = load_champion(run)
    assert (scorer.release_id, scorer.model_version, scorer.threshold) == (
        bundle.release_id,
        "4",
        0.25,
    )
    assert not scorer.fallback
    assert scorer.feature_names == BASELINE.names
    rows = matrix(BASELINE, 1000, seed=8)
    own = load_booster(bundle.model).predict(xgb.DMatrix(rows, feature_names=list(BASELINE.names)))
    assert np.array_equal(scorer.score(rows), own.astype(np.float64))


def test_contributions_add_up_to_the_log_odds(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    scorer = load_champion(run)
    rows = matrix(BASELINE, 200, seed=8)
    weights, score = scorer.contributions(rows), scorer.score(rows)
    bias = np.log(score / (1 - score)) - weights.sum(axis=1)
    assert weights.shape == rows.shape
    assert np.ptp(bias) < 1e-4


def test_only_the_declared_rounds_count(run: Run) -> None:
    bundle = make_bundle(run.settings.home, BASELINE, rounds=3)
    make_champion(run, bundle)
    rows = matrix(BASELINE, 100, seed=8)
    own = load_booster(bundle.model).inplace_predict(rows, iteration_range=(0, 3))
    assert np.array_equal(load_champion(run).score(rows), own.astype(np.float64))


def test_no_rows_are_no_scores(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    scorer = load_champion(run)
    assert scorer.score(matrix(BASELINE, 0)).shape == (0,)
    assert scorer.contributions(matrix(BASELINE, 0)).shape == (0, len(BASELINE.names))


def test_a_matrix_of_another_width_is_refused(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    with pytest.raises(PermanentError, match="another shape") as caught:
        load_champion(run).score(matrix(BASELINE)[:, 1:])
    assert "15 columns" in caught.value.expected


def test_without_a_release_the_rule_scores_and_says_so(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        scorer = load_champion(run)
    assert scorer.fallback
    assert scorer.release_id == RULE_RELEASE
    assert "no release has been promoted" in scorer.reason
    assert scorer.reason in caplog.text


def test_the_rule_is_the_declared_one() -> None:
    scorer = rule_scorer(USE, reason="test")
    amounts = np.array([[0.0], [110.0], [220.0], [440.0], [9999.0]])
    assert scorer.feature_names == (USE.rule.column,)
    assert scorer.score(amounts).tolist() == [0.0, 0.25, 0.5, 1.0, 1.0]
    weights = scorer.contributions(amounts)[:, 0]
    assert weights[2] == 0
    assert (np.diff(weights[:4]) > 0).all()


def test_a_tampered_champion_falls_back(run: Run) -> None:
    bundle = make_bundle(run.settings.home, BASELINE)
    make_champion(run, bundle)
    path = releases_folder(run.settings.home) / bundle.release_id / MODEL
    path.write_bytes(path.read_bytes() + b"x")
    scorer = load_champion(run)
    assert scorer.fallback
    assert bundle.release_id in scorer.reason
    assert "changed: model.ubj" in scorer.reason


def _with_baseline(run: Run, changed: FeatureSet) -> Run:
    return replace(run, use_case=replace(USE, feature_sets={"baseline": changed}))


def test_a_feature_defined_otherwise_falls_back(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    other = replace(BASELINE.features[4], default=77.0)
    changed = replace(BASELINE, features=(*BASELINE.features[:4], other, *BASELINE.features[5:]))
    scorer = load_champion(_with_baseline(run, changed))
    assert scorer.fallback
    assert "no longer defined like that" in scorer.reason


def test_a_feature_that_is_gone_falls_back_and_is_named(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    scorer = load_champion(_with_baseline(run, replace(BASELINE, features=BASELINE.features[:-1])))
    assert scorer.fallback
    assert BASELINE.names[-1] in scorer.reason


def test_new_features_beside_those_of_the_model_do_no_harm(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE))
    more = replace(BASELINE, features=(*BASELINE.features[3:], *BASELINE.features[:3]))
    assert not load_champion(_with_baseline(run, more)).fallback


def test_a_model_whose_inputs_are_not_the_declared_ones_falls_back(run: Run) -> None:
    swapped = replace(BASELINE, features=(*BASELINE.features[1:], BASELINE.features[0]))
    declared = {"name": BASELINE.name, "names": list(BASELINE.names), "digest": BASELINE.digest}
    make_champion(run, make_bundle(run.settings.home, swapped, feature_set=declared))
    scorer = load_champion(run)
    assert scorer.fallback
    assert "inputs are not those" in scorer.reason


def test_a_model_that_does_not_score_falls_back(run: Run) -> None:
    make_champion(run, make_bundle(run.settings.home, BASELINE, rounds=1000))
    scorer = load_champion(run)
    assert scorer.fallback
    assert "the model does not score" in scorer.reason
