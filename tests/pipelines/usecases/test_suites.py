"""Suites follow from columns, bounds and features: those of fraud are what they were when they were
written by hand.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd

from expectations.from_columns import feed_suite
from expectations.from_features import features_suite
from expectations.gate import run_suite
from features.fraud import LABEL_DELAY_DAYS
from pipelines.base.settings import Settings
from pipelines.nightly.ingest.verdict import day_profile
from pipelines.run import Run
from pipelines.simulate.reports import DELAY_DAYS
from pipelines.usecases.definition import Bound, Column
from pipelines.usecases.feeds import DAY_PROFILE
from pipelines.usecases.fraud import USE_CASE

SNAPSHOT = Path(__file__).with_name("fraud_suites.json")


def test_the_suites_of_fraud_are_those_of_the_snapshot() -> None:
    suites = {name: asdict(suite) for name, suite in USE_CASE.suites.items()}
    assert suites.pop("features") == asdict(features_suite(USE_CASE.stored_features))
    assert json.loads(json.dumps(suites)) == json.loads(SNAPSHOT.read_text())


def test_a_column_that_is_added_is_in_the_feeds_suite_without_being_said_again() -> None:
    most = Bound(value=99, rule="age_possible", description="nobody is older")
    age = Column(name="age", type="int", description="age of the holder, years", most=most)
    events = replace(USE_CASE.events, columns=(*USE_CASE.events.columns, age))
    use_case = replace(USE_CASE, events=events)
    added = [
        check
        for check in use_case.suites["transactions"].checks
        if check.arguments.get("column") == "age"
    ]
    assert [(check.type, check.arguments.get("max_value")) for check in added] == [
        ("ExpectColumnValuesToNotBeNull", None),
        ("ExpectColumnValuesToBeBetween", 99),
    ]
    assert "age" in use_case.suites["transactions"].checks[0].arguments["column_set"]
    assert ("age_possible", "age <= 99") in [(rule.name, rule.condition) for rule in events.rules]


def test_every_feed_has_a_suite_whatever_is_declared() -> None:
    bare = replace(USE_CASE, checks={})
    assert set(bare.suites) == {"transactions", "fraud_reports", "features", "predictions"}


def test_a_derived_suite_closes_the_gate() -> None:
    suite = feed_suite(
        "things", ["id", "size", "day"], key=["id"], row="thing", ranges={"size": (1, None)}
    )
    good = pd.DataFrame({"id": [1, 2], "size": [1.0, 2.0], "day": ["2026-11-01"] * 2})
    assert run_suite(suite, good, subject="things").passed
    bad = good.assign(id=[1, 1], size=[0.0, None])
    failed = {
        (failure.check, failure.column)
        for failure in run_suite(suite, bad, subject="things").failures
    }
    assert failed == {
        ("ExpectColumnValuesToNotBeNull", "size"),
        ("ExpectCompoundColumnsToBeUnique", ""),
        ("ExpectColumnValuesToBeBetween", "size"),
    }


def test_the_figures_of_a_day_are_those_that_checks_may_name(settings: Settings) -> None:
    account = SimpleNamespace(
        rows_in=10, accepted=8, duplicates=1, late=1, quarantined=1, busiest_hour=3
    )
    feed = SimpleNamespace(feed=USE_CASE.events, accounts={date(2026, 11, 7): account})
    profile = day_profile(Run(settings, USE_CASE), cast(Any, feed))
    assert set(profile.columns) == set(DAY_PROFILE)


def test_the_label_delay_stands_in_one_place() -> None:
    assert USE_CASE.label.delay_days == LABEL_DELAY_DAYS == DELAY_DAYS
    assert (USE_CASE.label.feed, USE_CASE.label.reported_at) == (
        USE_CASE.labels.name,
        USE_CASE.labels.time,
    )
