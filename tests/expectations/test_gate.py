"""The gate says the same of a frame in pandas and in Spark, closes on critical checks only, and
explains itself.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from expectations.definition import Check, Severity, Suite
from expectations.errors import ExpectationError
from expectations.frame import gate_frame
from expectations.gate import run_suite

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def check(kind: str, severity: Severity = "critical", **arguments: object) -> Check:
    return Check(type=kind, arguments=arguments, severity=severity, meaning=f"meaning of {kind}")


SUITE = Suite(
    name="example",
    checks=(
        check("ExpectTableColumnsToMatchSet", column_set=["id", "score", "release"]),
        check("ExpectColumnValuesToBeUnique", column="id"),
        check("ExpectColumnValuesToNotBeNull", column="score"),
        check("ExpectColumnValuesToBeBetween", column="score", min_value=0, max_value=1),
        check("ExpectColumnValuesToBeInSet", "warning", column="release", value_set=["r1"]),
        check("ExpectTableRowCountToBeBetween", "info", min_value=3),
        check("ExpectColumnValuesToNotBeNull", column="day"),
    ),
)

FRAMES = {
    "good": ([1, 2, 3, 4], [0.0, 0.5, 1.0, 0.25], ["r1"] * 4),
    "twice": ([1, 1, 3, 4], [0.0, 0.5, 1.0, 0.25], ["r1"] * 4),
    "nan": ([1, 2, 3, 4], [0.0, math.nan, 1.0, 0.25], ["r1"] * 4),
    "infinite": ([1, 2, 3, 4], [0.0, math.inf, 1.0, 0.25], ["r1"] * 4),
    "warned": ([1, 2, 3, 4], [0.0, 0.5, 1.0, 0.25], ["r1", "r2", "r2", "r1"]),
    "short": ([1, 2], [0.0, 0.5], ["r1", "r1"]),
    "empty": ([], [], []),
}


def frame(name: str) -> pd.DataFrame:
    ids, scores, releases = FRAMES[name]
    return pd.DataFrame(
        {
            "id": pd.Series(ids, dtype="int64"),
            "score": pd.Series(scores, dtype="float64"),
            "release": pd.Series(releases, dtype="object"),
        }
    )


def failed(name: str) -> set[tuple[str, str]]:
    result = run_suite(SUITE, frame(name), subject=name)
    return {(failure.check, failure.column) for failure in result.failures}


ALWAYS = {("ExpectColumnValuesToNotBeNull", "day")}
TOO_FEW = {("ExpectTableRowCountToBeBetween", "")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good", set()),
        ("twice", {("ExpectColumnValuesToBeUnique", "id")}),
        ("nan", {("ExpectColumnValuesToNotBeNull", "score")}),
        ("infinite", {("ExpectColumnValuesToBeBetween", "score")}),
        ("warned", {("ExpectColumnValuesToBeInSet", "release")}),
        ("short", TOO_FEW),
        ("empty", TOO_FEW),
    ],
)
def test_only_the_broken_checks_fail(name: str, expected: set[tuple[str, str]]) -> None:
    assert failed(name) == expected | ALWAYS


def test_a_warning_lets_pass_and_a_critical_failure_does_not() -> None:
    suite = Suite(name="without day", checks=SUITE.checks[:-1])
    warned = run_suite(suite, frame("warned"), subject="x")
    assert (warned.passed, warned.severity, len(warned.warnings)) == (True, "warning", 1)
    good = run_suite(suite, frame("good"), subject="x")
    assert (good.passed, good.severity, good.failures) == (True, None, ())
    assert not run_suite(suite, frame("nan"), subject="x").passed


def test_failures_read_as_sentences_and_travel_as_json() -> None:
    result = run_suite(SUITE, frame("infinite"), subject="scores of 2026-11-07")
    assert [failure.severity for failure in result.failures] == ["critical", "critical"]
    absent, infinite = sorted(result.failures, key=lambda failure: failure.column)
    assert (
        str(absent)
        == "critical: day: expected the column to exist; found no such column, only id, score,"
        " release (meaning of ExpectColumnValuesToNotBeNull)"
    )
    assert (
        str(infinite)
        == "critical: score: expected values to be between (min_value 0, max_value 1); "
        "found 1 of 4 rows (25 %), such as inf (meaning of ExpectColumnValuesToBeBetween)"
    )
    assert (infinite.unexpected_count, infinite.unexpected_percent) == (1, 25.0)
    document = json.loads(json.dumps(result.to_json()))
    assert document["passed"] is False
    assert document["subject"] == "scores of 2026-11-07"
    assert document["failures"][0]["meaning"]


def test_a_frame_of_days_says_on_which_days_a_check_failed() -> None:
    days = pd.DataFrame(
        {"day": ["2026-11-01", "2026-11-02", "2026-11-03"], "ratio": [0.1, 1.0, None]}
    )
    ranged = check(
        "ExpectColumnValuesToBeBetween", "warning", column="ratio", min_value=0.5, max_value=2
    )
    result = run_suite(
        Suite(name="days", checks=(ranged,)), days, subject="three days", day_column="day"
    )
    assert [failure.days for failure in result.failures] == [("2026-11-01",)]
    assert result.of_day("2026-11-01") == result
    assert result.of_day("2026-11-02").failures == ()


def test_a_check_that_cannot_be_evaluated_is_an_error_not_a_verdict() -> None:
    suite = Suite(
        name="odd", checks=(check("ExpectColumnMeanToBeBetween", column="release", min_value=0),)
    )
    with pytest.raises(ExpectationError, match="could not be evaluated"):
        run_suite(suite, frame("good"), subject="x")
    with pytest.raises(ExpectationError, match="ExpectMiracles"):
        run_suite(Suite(name="odd", checks=(check("ExpectMiracles"),)), frame("good"), subject="x")


def test_importing_the_gate_does_not_import_great_expectations() -> None:
    code = (
        "import sys, expectations.gate, expectations.fraud; print({'great_expectations', 'pandas'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FRAMES))
def test_spark_and_pandas_agree(name: str, spark: SparkSession) -> None:
    in_pandas = run_suite(SUITE, frame(name), subject=name)
    ids, scores, releases = FRAMES[name]
    rows = list(zip(ids, scores, releases, strict=True))
    in_spark = run_suite(
        SUITE, spark.createDataFrame(rows, "id bigint, score double, release string"), subject=name
    )
    assert (in_pandas.engine, in_spark.engine) == ("pandas", "spark")

    def verdict(result: object) -> object:
        return [(f.check, f.column, f.severity, f.unexpected_count) for f in result.failures]  # type: ignore[attr-defined]

    assert verdict(in_spark) == verdict(in_pandas)
    assert (in_spark.passed, in_spark.rows) == (in_pandas.passed, in_pandas.rows)


@pytest.mark.slow
def test_a_small_frame_comes_to_pandas_and_a_large_one_stays(spark: SparkSession) -> None:
    rows = spark.range(10).selectExpr("id", "cast(id as decimal(12,2)) amount")
    small = gate_frame(rows, 10)
    assert isinstance(small, pd.DataFrame)
    assert small["amount"].dtype == "float64"
    assert gate_frame(rows, 9) is rows
    assert gate_frame(rows, 9, rows=10) is rows


@pytest.mark.slow
def test_what_the_library_is_imported_without_is_there_for_others() -> None:
    code = (
        "from expectations.library import load_great_expectations as load; gx = load(); assert"
        " load() is gx; import altair, scipy, scipy.stats; assert 0.97 < scipy.stats.norm.cdf(2) <"
        " 0.98; assert altair.Chart"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
