"""A declaration is taken or refused as a whole: every place that is wrong is named, in one
error.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest
from croniter import croniter
from hypothesis import example, given
from hypothesis import strategies as st

from expectations.kinds import CHECK_ARGUMENTS
from features.definition import RequestAmount
from pipelines.base.errors import ConfigurationError
from pipelines.nightly.monitor.diagnosis.causes import TITLES
from pipelines.nightly.monitor.drift.distances import METHODS
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.watch import DriftMethod, FallBackCause, RollBackCause
from pipelines.usecases.validation.conditions import condition_columns
from pipelines.usecases.validation.problems import DeclarationError
from pipelines.usecases.validation.schedules import is_cron
from tests.pipelines.usecases.breaks import Break, all_breaks, places_of

BREAKS = all_breaks()


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.place)
def test_a_single_break_is_named(broken: Break) -> None:
    assert broken.place in places_of([broken])


@given(
    st.lists(
        st.sampled_from(BREAKS), min_size=2, max_size=12, unique_by=lambda broken: broken.place
    )
)
def test_every_one_of_several_breaks_is_named_in_one_error(broken: list[Break]) -> None:
    compatible = _without_hidden(broken)
    named = places_of(compatible)
    assert [
        broken_place.place for broken_place in compatible if broken_place.place not in named
    ] == []


def _without_hidden(broken: list[Break]) -> list[Break]:
    """The breaks without those whose place another one takes away: a value that is replaced as a
    whole has no parts.
    """
    replaced = [
        place.place for place in broken if place.place.count(".") == 1 and "[" not in place.place
    ]
    kept = []
    for candidate in broken:
        if not any(candidate.place.startswith((f"{place}[", f"{place}.")) for place in replaced):
            kept.append(candidate)
    return kept


def test_the_error_says_where_what_and_what_next() -> None:
    with pytest.raises(DeclarationError) as caught:
        replace(
            USE_CASE,
            watch=replace(USE_CASE.watch, nulls=2.0),
            rule=replace(USE_CASE.rule, column="amonut"),
        )
    error = caught.value
    assert isinstance(error, ConfigurationError)
    assert error.what == "the declaration of use case fraud has 2 problems"
    assert "watch.nulls: expected a number, from 0 to 1; found 2.0" in error.found
    assert (
        "rule.column: expected a stored feature that the event alone gives, without history (did"
        " you mean amount?); found amonut" in error.found
    )
    assert "pipelines/usecases/fraud.py" in error.where


def test_a_misspelled_suite_is_no_missing_gate() -> None:
    checks = {**USE_CASE.checks, "transactions_by_dya": USE_CASE.checks["transactions_by_day"]}
    with pytest.raises(DeclarationError, match=r"did you mean transactions_by_day"):
        replace(USE_CASE, checks=checks)


@pytest.mark.parametrize(
    ("section", "name", "value", "reason"),
    [
        ("rollout", "risk_tier", "hihg", "releases would have gone on without a person"),
        ("evidence", "late_consequence", "refused", "a person would have been asked"),
        (
            "watch",
            "roll_back_on",
            ("harmful",),
            "never more than a ticket, so nothing would have been done",
        ),
        ("drift", "method", "ks", "found out in the first night"),
        ("upkeep", "backups", 0, "no backup would have been left"),
    ],
)
def test_values_that_would_have_done_nothing(
    section: str, name: str, value: object, reason: str
) -> None:
    policy = replace(getattr(USE_CASE, section), **{name: value})
    with pytest.raises(
        DeclarationError, match=rf"{section}\.{name}: expected .* or|{section}\.{name}: expected"
    ):
        replace(USE_CASE, **{section: policy})


def test_names_of_policies_are_those_that_the_code_has() -> None:
    assert set(get_args(DriftMethod)) == set(METHODS)
    assert set(get_args(RollBackCause)) < set(get_args(FallBackCause)) < set(TITLES)


def test_a_feed_with_an_own_type_error_hides_nothing_else() -> None:
    feed = replace(USE_CASE.events, columns="amount")  # type: ignore[arg-type]
    with pytest.raises(DeclarationError) as caught:
        replace(USE_CASE, events=feed, watch=replace(USE_CASE.watch, sigmas=-1.0))
    assert {"events.columns", "watch.sigmas"} <= {
        problem.place for problem in caught.value.problems
    }


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("amount >= 0", ["amount"]),
        ("lower(kind) IN ('a', 'amount b') and not `odd name` is null", ["kind", "odd name"]),
        ("hour between 0 and 23", ["hour"]),
        ("date_diff(DAY, a, b) < 3 or c like '%d%'", ["a", "b", "c"]),
        ("1 < 2", []),
    ],
)
def test_columns_of_a_condition(condition: str, columns: list[str]) -> None:
    assert condition_columns(condition, ["hour"]) == columns


FIELDS = st.sampled_from(
    [
        "*",
        "0",
        "5",
        "7",
        "12",
        "23",
        "31",
        "59",
        "60",
        "1-5",
        "5-1",
        "*/15",
        "*/0",
        "1,31",
        "mon",
        "jan-mar",
        "x",
        "-1",
    ]
)


@example(["*", "*", "*", "*", "*/15"])
@example(["*/15", "*/15", "*/15", "*", "*"])
@given(st.lists(FIELDS, min_size=5, max_size=5))
def test_cron_expressions_are_those_that_airflow_takes(fields: list[str]) -> None:
    expression = " ".join(fields)
    # croniter turns a range around that ends before it begins, and takes a step that is longer than
    # its field (15 of 12 months, of 7 weekdays); here both are slips
    slip = "5-1" in fields or "*/15" in fields[3:]
    assert is_cron(expression) == (croniter.is_valid(expression) and not slip), expression


def test_declarations_load_nothing_heavy() -> None:
    heavy = {"pyspark", "mlflow", "feast", "xgboost", "great_expectations", "pandas", "numpy"}
    code = (
        "import sys, pipelines.usecases.fraud, pipelines.usecases.policies.in_force;"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_checks_that_can_be_declared_are_those_of_great_expectations() -> None:
    from expectations.library import load_great_expectations

    load_great_expectations()
    import great_expectations.expectations as gxe

    unknown = Counter[str]()
    for kind, arguments in CHECK_ARGUMENTS.items():
        fields = getattr(gxe, kind).__fields__
        unknown.update(f"{kind}.{name}" for name in arguments if name not in fields)
    assert unknown == Counter()


def test_the_rule_scores_by_what_the_event_alone_gives() -> None:
    with pytest.raises(DeclarationError) as caught:
        replace(USE_CASE, rule=replace(USE_CASE.rule, column="customer_tx_count_1d"))
    assert "rule.column: expected a stored feature that the event alone gives" in caught.value.found
    assert replace(USE_CASE, rule=replace(USE_CASE.rule, column="is_night")).rule.column


def test_the_feature_of_the_amount_bears_the_name_of_its_column() -> None:
    baseline = USE_CASE.feature_sets["baseline"]
    others = [feature for feature in baseline.features if not isinstance(feature, RequestAmount)]
    amount = next(feature for feature in baseline.features if isinstance(feature, RequestAmount))
    assert "column" not in amount.declaration(), "digests of earlier versions stay as they were"
    renamed = replace(amount, column="value")
    assert (renamed.name, renamed.declaration()["column"]) == ("value", "value")
    wrong = replace(baseline, features=(renamed, *others))
    with pytest.raises(DeclarationError) as caught:
        replace(USE_CASE, feature_sets={**USE_CASE.feature_sets, "baseline": wrong})
    assert "feature_sets[baseline].[value].column" in caught.value.found.replace("][", "].[")
