"""Leaks: a feature that is not known in time, or knows too much alone, is named; parity and digests
tell the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from features.definition import FeatureSet, LabelRate, Ratio, WindowMean
from features.fraud import BASELINE, EXTENDED, SCHEMA
from pipelines.accounts.parity import ParityAccount
from pipelines.base.days import DayRange
from pipelines.training.evidence.contest import Contest
from pipelines.training.evidence.frame_digest import frame_digest
from pipelines.training.evidence.leaks import (
    Rebuilt,
    frame_is_rebuilt,
    known_in_time,
    no_feature_alone,
    parity_holds,
)
from tests.pipelines.training.evidence.contests import contest, use_case

TEXTS = {"owner": "me", "description": "", "unit": "", "reason": ""}


def _set(*features: object) -> FeatureSet:
    return FeatureSet(name="tried", description="", schema=SCHEMA, features=features)  # type: ignore[arg-type]


def test_the_declared_sets_are_known_in_time() -> None:
    for features in (BASELINE, EXTENDED):
        assert known_in_time(features, 7).outcome == "passed"


def test_labels_without_delay_are_named_also_inside_another_feature() -> None:
    early = LabelRate(entity="terminal", days=7, delay_days=1, **TEXTS)
    share = Ratio(numerator=early, denominator=BASELINE["amount"], **TEXTS)
    check = known_in_time(_set(BASELINE["amount"], early, share), 7)
    assert check.outcome == "failed"
    assert check.subjects == (early.name, share.name)
    assert "reads labels of the last 7 days (delay 1)" in check.found


def test_a_window_into_the_future_is_named() -> None:
    future = WindowMean(entity="customer", days=30, **TEXTS)
    object.__setattr__(future, "delay_days", -2)
    check = known_in_time(_set(future), 7)
    assert f"{future.name} reads events that come 2 days after the decision" in check.found


def test_a_kind_that_nothing_is_known_of_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Oracle(WindowMean):
        kind = "oracle"

    check = known_in_time(_set(Oracle(entity="customer", days=30, **TEXTS)), 7)
    assert check.outcome == "failed"
    assert "Oracle" in check.found


def _with_features(leak: float) -> tuple[Contest, FeatureSet]:
    judged = contest()
    random = np.random.default_rng(3)
    noise = random.normal(size=len(judged.label))
    rows = judged.rows.assign(
        is_night=noise, amount=noise if leak == 0 else judged.label * leak + noise
    )
    features = replace(BASELINE, features=(BASELINE["amount"], BASELINE["is_night"]))
    return Contest.of(rows, judged.label, judged.scores, use_case()), features


def test_a_feature_that_knows_too_much_alone_is_named_whichever_way_it_points() -> None:
    honest, features = _with_features(0)
    passed = no_feature_alone(honest, features)
    assert passed.outcome == "passed"
    assert passed.found.startswith(f"{passed.table[0]['feature']} alone: "), "the nearest is shown"
    for leak in (8.0, -8.0):
        leaking, _ = _with_features(leak)
        check = no_feature_alone(leaking, features)
        assert check.subjects == ("amount",), check.found
        assert check.found.startswith("amount alone: average_precision ")
        assert check.table[0]["rising"] is (leak > 0)


def _parity(**mismatches: int) -> ParityAccount:
    counts = dict.fromkeys(BASELINE.names, 0) | mismatches
    return ParityAccount(
        day=date(2026, 11, 7), compared=900, mismatches=counts, only_batch=0, only_online=0
    )


def test_parity_is_told_as_it_was_measured() -> None:
    assert parity_holds(_parity(), BASELINE, 14).outcome == "passed"
    broken = parity_holds(_parity(customer_amount_mean_30d=12), BASELINE, 14)
    assert broken.subjects == ("customer_amount_mean_30d",)
    assert "customer_amount_mean_30d (12)" in broken.found
    assert parity_holds(_parity().replaced(only_batch=3), BASELINE, 14).outcome == "failed"
    for reason, check in (
        ("tollgate parity", parity_holds(None, BASELINE, 14)),
        ("not measured for", parity_holds(_parity(), EXTENDED, 14)),
    ):
        assert check.outcome == "not applicable"
        assert reason in check.found


def _frame() -> pd.DataFrame:
    time = pd.date_range("2026-11-01", periods=5, freq="h", tz="UTC").as_unit("us")
    reported = time.to_series(index=range(5)).where([True, False, True, False, False])
    return pd.DataFrame(
        {
            "transaction_id": range(5),
            "event_time": time,
            "reported_at": reported,
            "x": np.arange(5.0),
        }
    )


def test_the_digest_does_not_depend_on_order_and_sees_every_bit() -> None:
    frame, key = _frame(), ("transaction_id",)
    digest = frame_digest(frame, key)
    shuffled = frame.sample(frac=1, random_state=1)[
        ["x", "transaction_id", "reported_at", "event_time"]
    ]
    assert frame_digest(shuffled, key) == digest
    changes = {
        "value": frame.assign(x=np.nextafter(frame["x"], 9)),
        "label": frame.assign(reported_at=frame["reported_at"].shift(1)),
        "row": frame.iloc[:-1],
        "column": frame.rename(columns={"x": "y"}),
        "type": frame.assign(x=frame["x"].astype("int64")),
    }
    assert [name for name, changed in changes.items() if frame_digest(changed, key) == digest] == []


def test_another_frame_from_the_same_versions_is_refused() -> None:
    days = DayRange.single(date(2026, 11, 1))
    same = frame_is_rebuilt(Rebuilt(days=days, rows=5, digest="a" * 64, again="a" * 64))
    other = frame_is_rebuilt(Rebuilt(days=days, rows=5, digest="a" * 64, again="b" * 64))
    assert (same.outcome, other.outcome, frame_is_rebuilt(None).outcome) == (
        "passed",
        "failed",
        "not applicable",
    )
