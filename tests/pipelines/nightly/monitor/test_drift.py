"""Drift: like is compared with like, sizes are guarded, garbage is drift, noise is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.fraud import BASELINE
from pipelines.nightly.monitor.drift.comparison import SCORE, compare
from pipelines.nightly.monitor.drift.drift import Drift, judge, measure
from pipelines.usecases.policies.watch import DriftPolicy

POLICY = DriftPolicy(method="wasserstein", threshold=0.15, score_threshold=0.15)


def sample(rows: int, seed: int, *, weekend: float = 0.0) -> pd.DataFrame:
    """Rows of all baseline features; `weekend` is the share of rows on a weekend, where amounts are
    twice as high.
    """
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.gamma(3, 10, rows) for name in BASELINE.names})
    frame["is_weekend"] = (rng.random(rows) < weekend).astype(int)
    frame["is_night"] = (rng.random(rows) < 0.2).astype(int)
    frame["amount"] *= 1 + frame["is_weekend"]
    frame[SCORE] = rng.beta(1, 30, rows)
    return frame


def verdict(
    reference: pd.DataFrame, current: pd.DataFrame, policy: DriftPolicy = POLICY, **options: int
) -> Drift:
    comparison = compare(reference, current, BASELINE, policy, **options)
    values = {} if comparison.refusal else measure(comparison, policy)
    return judge(comparison, values, policy, release="fraud-1")


def test_noise_is_not_drift() -> None:
    drift = verdict(sample(5000, 1, weekend=2 / 7), sample(5000, 2))
    assert (drift.judged, drift.detected, drift.share, drift.drifted) == (True, False, 0.0, ())


@pytest.mark.parametrize("weekend", [0.0, 1.0])
def test_a_saturday_is_compared_with_weekends_and_a_tuesday_with_weekdays(weekend: float) -> None:
    drift = verdict(sample(8000, 1, weekend=2 / 7), sample(4000, 2, weekend=weekend))
    assert not drift.drifted
    assert "is_weekend" in drift.skipped
    assert "is_night" not in drift.skipped


def test_a_shift_of_some_features_is_drift_and_the_most_moved_are_named() -> None:
    today = sample(4000, 2)
    today[["amount", "customer_amount_mean_1d", "customer_amount_mean_7d"]] *= [3.0, 2.0, 1.5]
    drift = verdict(sample(5000, 1), today)
    assert drift.detected
    names = [column.name for column in drift.drifted]
    assert names == ["amount", "customer_amount_mean_1d", "customer_amount_mean_7d"]
    assert drift.share == pytest.approx(3 / 14)
    assert "3 of 14 features beyond their limit" in drift.describe()
    assert "amount: mean 29.7 →" in drift.describe()


def test_one_moved_feature_is_shown_but_is_below_the_policys_share() -> None:
    today = sample(4000, 2)
    today["amount"] *= 3
    drift = verdict(sample(5000, 1), today)
    assert not drift.detected
    assert drift.account().drifted == ("amount",)


def test_moved_scores_alone_are_drift() -> None:
    today = sample(4000, 2)
    today[SCORE] = today[SCORE] * 2
    drift = verdict(sample(5000, 1), today)
    assert drift.detected
    assert drift.share == 0
    assert "score: mean" in drift.describe()


def test_columns_that_are_constant_or_empty_are_handled() -> None:
    reference, today = sample(2000, 1), sample(2000, 2)
    today["amount"] = np.nan
    reference["customer_tx_count_1d"] = today["customer_tx_count_1d"] = 1.0
    reference["terminal_fraud_rate_1d"] = today["terminal_fraud_rate_1d"] = np.nan
    reference["customer_tx_count_7d"] = 4.0
    today["customer_tx_count_7d"] = 5.0
    today.loc[:10, "customer_amount_mean_1d"] = np.inf
    drift = verdict(reference, today)
    values = {column.name: column.value for column in drift.columns}
    assert values["amount"] is None
    assert values["customer_tx_count_1d"] == 0
    assert [column.name for column in drift.drifted] == ["amount", "customer_tx_count_7d"]
    assert drift.skipped["terminal_fraud_rate_1d"] == "no values"
    assert "amount: mean 30 → none (no values" in drift.describe()


@pytest.mark.parametrize("rows", [0, 3, 499])
def test_few_rows_are_not_judged(rows: int) -> None:
    drift = verdict(sample(5000, 1), sample(rows, 2))
    assert (drift.judged, drift.detected, drift.share) == (False, False, None)
    assert f"{rows} rows today" in drift.describe()


def test_a_reference_without_that_kind_of_day_is_not_judged() -> None:
    drift = verdict(sample(5000, 1), sample(2000, 2, weekend=1.0))
    assert not drift.judged
    assert "same kind of day" in drift.describe()


def test_features_that_were_still_filling_up_are_not_held_against_the_day() -> None:
    today = sample(4000, 2)
    grown = [name for name in BASELINE.names if name.endswith("_30d")]
    today[grown] *= 3
    reference = sample(5000, 1)
    assert verdict(reference, today).detected
    young = verdict(reference, today, history_days=29)
    assert not young.detected
    assert set(grown) <= set(young.skipped)
    assert verdict(reference, today, history_days=37).detected


def test_the_verdict_is_the_policys() -> None:
    today = sample(4000, 2)
    today["amount"] *= 1.05
    reference = sample(5000, 1)
    assert not verdict(reference, today).drifted
    strict = replace(POLICY, threshold=0.1, share_of_columns=0.05)
    assert verdict(reference, today, strict).detected


def test_account_is_plain_data() -> None:
    import json

    today = sample(4000, 2)
    today["amount"] = np.nan
    account = verdict(sample(5000, 1), today).account().to_json()
    assert json.loads(json.dumps(account, allow_nan=False)) == account


CONSTANT = [name for name in BASELINE.names if "fraud" in name]


def nearly_constant(
    rows: int, off: int, seed: int, *, base: float = 0.0, other: float = 1.0
) -> pd.DataFrame:
    """A usual sample in which all features of reports are `base`, but `other` in `off` rows."""
    frame = sample(rows, seed)
    frame[CONSTANT] = base
    frame.loc[: off - 1, CONSTANT] = other if off else base
    return frame


@pytest.mark.parametrize("reference_off", [0, 1, 5, 25])
@pytest.mark.parametrize(("base", "other"), [(0.0, 1.0), (0.01, 1.0), (1e6, 1e9), (0.1 + 0.2, 0.3)])
def test_a_few_rows_that_leave_a_constant_are_no_drift(
    reference_off: int, base: float, other: float
) -> None:
    strict = replace(POLICY, share_of_columns=0.01)
    reference = nearly_constant(5000, reference_off, 1, base=base, other=other)
    for off in (0, 1, 5, 60):
        drift = verdict(reference, nearly_constant(5000, off, 2, base=base, other=other), strict)
        assert not drift.detected, drift.describe()


def test_many_rows_that_leave_a_constant_are_drift_and_the_verdict_says_their_share() -> None:
    drift = verdict(nearly_constant(5000, 0, 1), nearly_constant(5000, 150, 2))
    assert {column.name for column in drift.drifted} == set(CONSTANT)
    column = drift.account().column(CONSTANT[0])
    assert column is not None
    assert (column.value, column.threshold, column.method) == (0.03, 0.02, "share off the constant")
    assert (
        "0 in all but 0.00% of the reference's rows, in all but 3.00% today (limit: 2.00%"
        in drift.describe()
    )


def test_a_column_with_few_values_in_the_reference_is_judged_by_those_values() -> None:
    reference, today = sample(5000, 1), sample(5000, 2)
    reference["amount"] = np.nan
    few, many = today.copy(), today.copy()
    few.loc[3:, "amount"] = np.nan
    many.loc[1000:, "amount"] = np.nan
    assert not verdict(reference, few).drifted
    assert [column.name for column in verdict(reference, many).drifted] == ["amount"]


def test_one_row_that_leaves_a_constant_score_is_no_drift() -> None:
    reference, today = sample(5000, 1), sample(5000, 2)
    reference[SCORE] = today[SCORE] = 0.0
    today.loc[0, SCORE] = 1.0
    assert not verdict(reference, today).detected
    today.loc[:500, SCORE] = 1.0
    assert verdict(reference, today).detected
