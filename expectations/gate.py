"""The gate: runs a suite of checks on a frame with Great Expectations; says what failed, how badly,
what it means.

Importing Great Expectations takes seconds, so it is imported when the first gate runs, never with
this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from expectations.definition import Check, Suite
from expectations.errors import ExpectationError
from expectations.frame import comparable, is_pandas
from expectations.library import load_great_expectations
from expectations.result import RANK, CheckResult, GateResult

if TYPE_CHECKING:
    from expectations.frame import Frame

_SAMPLE = 3


def run_suite(suite: Suite, frame: Frame, *, subject: str, day_column: str = "") -> GateResult:
    """Judge a pandas or Spark frame by a suite; `subject` names what is judged (`transactions of
    2026-11-07`).

    The verdict is the same in either engine. A check of a column that the frame lacks fails; a
    check that cannot be evaluated for any other reason raises `ExpectationError`. Spark first asks
    for yes or no (the fewest jobs) and then only looks closer at the checks that failed.
    `day_column` is the column of days (YYYY-MM-DD) of a pandas frame with a row for each day:
    failed checks then say on which.
    """
    frame = comparable(frame)
    columns = [str(column) for column in frame.columns]
    rows = len(frame) if is_pandas(frame) else frame.count()
    absent = [check for check in suite.checks if _missing(check, columns)]
    present = [check for check in suite.checks if not _missing(check, columns)]
    failures = [_absence(check, columns) for check in absent]
    if present:
        if is_pandas(frame):
            failed = _failed(present, frame, _named_by(day_column) if day_column else "BASIC")
        else:
            suspects = [check for check, _ in _failed(present, frame, "BOOLEAN_ONLY")]
            failed = _failed(suspects, frame, "BASIC") if suspects else []
        failures += [_failure(check, outcome, rows, day_column) for check, outcome in failed]
    return GateResult(
        suite=suite.name,
        subject=subject,
        engine="pandas" if is_pandas(frame) else "spark",
        rows=rows,
        checks=len(suite.checks),
        failures=tuple(sorted(failures, key=lambda failure: RANK[failure.severity])),
    )


def _named_by(column: str) -> dict[str, Any]:
    """A result format in which every failing row is named by its value in a column."""
    return {"result_format": "COMPLETE", "unexpected_index_column_names": [column]}


def _failed(
    checks: Sequence[Check], frame: Frame, result_format: str | Mapping[str, Any]
) -> list[tuple[Check, Mapping[str, Any]]]:
    """The checks that the frame fails, in their order, with Great Expectations' account of each."""
    validation = _validation(checks, frame)
    outcomes = validation.run(
        batch_parameters={"dataframe": frame}, result_format=result_format
    ).results
    by_check = {outcome.expectation_config.meta["check"]: outcome for outcome in outcomes}
    failed = []
    for index, check in enumerate(checks):
        outcome = by_check[index]
        _require_evaluated(check, outcome.exception_info)
        if not outcome.success:
            failed.append((check, outcome.result))
    return failed


def _validation(checks: Sequence[Check], frame: Frame) -> Any:
    """A validation of the frame in an ephemeral context: nothing on disk, no telemetry, no progress
    bars.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    gx = load_great_expectations()
    from great_expectations.data_context.types.base import DataContextConfig as Config
    from great_expectations.data_context.types.base import InMemoryStoreBackendDefaults as InMemory
    from great_expectations.data_context.types.base import ProgressBarsConfig as ProgressBars

    silent = ProgressBars(globally=False, metric_calculations=False)
    config = Config(
        store_backend_defaults=InMemory(), analytics_enabled=False, progress_bars=silent
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    if is_pandas(frame):
        source = context.data_sources.add_pandas("gate")
    else:
        source = context.data_sources.add_spark("gate", persist=False)
    batch = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")
    expectations = [_expectation(check, index) for index, check in enumerate(checks)]
    suite = context.suites.add(gx.ExpectationSuite("suite", expectations=expectations))
    return context.validation_definitions.add(
        gx.ValidationDefinition(name="gate", data=batch, suite=suite)
    )


def _expectation(check: Check, index: int) -> Any:
    import great_expectations.expectations as gxe

    kind = getattr(gxe, check.type, None)
    if kind is None:
        raise ExpectationError(
            "a check is of a type that Great Expectations does not have",
            expected="the name of a class in great_expectations.expectations",
            found=check.type,
        )
    return kind(**check.arguments, severity=check.severity, meta={"check": index})


def _require_evaluated(check: Check, exception_info: Mapping[str, Any]) -> None:
    """Raise `ExpectationError` where Great Expectations could not compute a check: that says
    nothing of the data.
    """
    infos = [
        exception_info,
        *(info for info in exception_info.values() if isinstance(info, Mapping)),
    ]
    messages = [
        str(info.get("exception_message")) for info in infos if info.get("raised_exception")
    ]
    if messages:
        raise ExpectationError(
            "a check could not be evaluated",
            where=f"{check.type}({_arguments(check)})",
            expected="a check that suits the column's type",
            found=messages[0].splitlines()[0],
        )


def _missing(check: Check, columns: Sequence[str]) -> list[str]:
    wanted = [
        value
        for name, value in check.arguments.items()
        if name in {"column", "column_A", "column_B"}
    ]
    wanted += (
        check.arguments.get("column_list", [])
        if check.type != "ExpectTableColumnsToMatchOrderedList"
        else []
    )
    return [column for column in wanted if column not in columns]


def _absence(check: Check, columns: Sequence[str]) -> CheckResult:
    return CheckResult(
        check=check.type,
        column=", ".join(_missing(check, columns)),
        severity=check.severity,
        meaning=check.meaning,
        expected="the column to exist",
        observed=f"no such column, only {', '.join(columns)}",
    )


def _failure(check: Check, outcome: Mapping[str, Any], rows: int, day_column: str) -> CheckResult:
    count = outcome.get("unexpected_count")
    named = outcome.get("unexpected_index_list") or ()
    return CheckResult(
        check=check.type,
        column=str(check.arguments.get("column", "")),
        severity=check.severity,
        meaning=check.meaning,
        expected=_expected(check),
        observed=_observed(outcome, rows),
        unexpected_count=count,
        unexpected_percent=100.0 * count / rows if count is not None and rows else None,
        days=tuple(str(row[day_column]) for row in named if day_column in row),
    )


def _expected(check: Check) -> str:
    """`values to be between (min_value 0, max_value 1)`: the class's name in words, and its
    arguments.
    """
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", check.type.removeprefix("Expect")).lower()
    arguments = _arguments(check)
    return words.removeprefix("column ").removeprefix("table ") + (
        f" ({arguments})" if arguments else ""
    )


def _arguments(check: Check) -> str:
    shown = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in check.arguments.items()
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items() if name != "column")


def _observed(outcome: Mapping[str, Any], rows: int) -> str:
    if (count := outcome.get("unexpected_count")) is not None:
        sample = list(
            dict.fromkeys(str(value) for value in outcome.get("partial_unexpected_list") or ())
        )[:_SAMPLE]
        percent = 100.0 * count / rows if rows else 0.0
        return f"{count:,} of {rows:,} rows ({percent:.3g} %)" + (
            f", such as {', '.join(sample)}" if sample else ""
        )
    if mismatched := (outcome.get("details") or {}).get("mismatched"):
        return f"{outcome.get('observed_value')}, differing in {mismatched}"
    return str(outcome.get("observed_value"))
