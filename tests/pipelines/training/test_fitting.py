"""Fits are deterministic, keep to their columns and to the directions that the policy declares."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xgboost as xgb

from pipelines.training.fitting import (
    booster_scores,
    compact_matrix_of,
    fit_booster,
    fit_logistic,
    logistic_scores,
    matrix_of,
    rule_scores,
)
from pipelines.usecases.registry import load
from tests.pipelines.training.training_frames import simulated_frame

NAMES = ("amount", "noise")
QUICK = {"num_boost_round": 12, "max_depth": 3, "subsample": 0.7}


@pytest.fixture(scope="module")
def learnt():
    frame = simulated_frame(date(2026, 1, 1), 10)
    return matrix_of(frame, NAMES), frame["reported_at"].notna().to_numpy(float)


def test_the_same_rows_and_seed_give_the_same_bits(learnt):
    matrix, label = learnt
    once, again, other = (
        bytes(fit_booster(matrix, label, NAMES, QUICK, seed=seed).save_raw("ubj"))
        for seed in (7, 7, 8)
    )
    assert once == again
    assert once != other


def test_bins_of_half_the_width_give_the_bits_that_whole_values_give(learnt):
    matrix, label = learnt
    compact = compact_matrix_of(simulated_frame(date(2026, 1, 1), 10), NAMES)
    fixed = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "nthread": 1,
        "seed": 7,
        "monotone_constraints": {},
    }
    for bins in ({}, {"max_bin": 1024, "num_parallel_tree": 3, "colsample_bynode": 0.5}):
        given = {key: value for key, value in (QUICK | bins).items() if key != "num_boost_round"}
        whole = xgb.DMatrix(matrix, label=label, feature_names=list(NAMES))
        plain = xgb.train(fixed | given, whole, num_boost_round=12)
        ours = fit_booster(compact, label, NAMES, QUICK | bins, seed=7)
        assert bytes(ours.save_raw("ubj")) == bytes(plain.save_raw("ubj"))


def test_scores_are_probabilities_that_rank_frauds_first(learnt):
    matrix, label = learnt
    models = (
        booster_scores(fit_booster(matrix, label, NAMES, QUICK, seed=7), matrix),
        logistic_scores(fit_logistic(matrix, label, seed=7), matrix),
    )
    for scores in models:
        assert scores.dtype == np.float64
        assert ((scores > 0) & (scores < 1)).all()
        assert scores[label == 1].mean() > 5 * scores[label == 0].mean()


def test_a_declared_direction_holds_and_one_for_a_column_that_is_not_there_is_passed_over(learnt):
    matrix, label = learnt
    free = fit_booster(matrix, label, NAMES, QUICK, seed=7)
    bound = fit_booster(
        matrix, label, NAMES, {**QUICK, "monotone_constraints": {"amount": -1, "absent": 1}}, seed=7
    )
    ramp = np.column_stack([np.linspace(0, 400, 2000), np.zeros(2000)])
    assert (np.diff(booster_scores(bound, ramp)) <= 0).all()
    assert (np.diff(booster_scores(free, ramp)) > 0).any()


def test_columns_come_in_the_order_asked_for_and_a_missing_one_raises():
    frame = simulated_frame(date(2026, 1, 1), 1)
    assert (matrix_of(frame, ("noise", "amount"))[:, 1] == frame["amount"]).all()
    with pytest.raises(KeyError, match="absent"):
        matrix_of(frame, ("amount", "absent"))


def test_the_rule_scores_between_0_and_1():
    frame = simulated_frame(date(2026, 1, 1), 1).assign(
        amount=lambda f: np.linspace(0, 880, len(f))
    )
    rule = load("fraud").rule
    scores = rule_scores(frame, rule)
    assert (scores[0], scores[-1]) == (0.0, 1.0)
    assert (np.isclose(scores, 0.5) == np.isclose(frame["amount"], 220)).all()
