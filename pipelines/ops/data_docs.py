"""Data docs: what the data must satisfy, and what the gates found, suite by suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from expectations.definition import Check, Suite
from pipelines.accounts.gate import GateAccount
from pipelines.ops.facts import Facts, counted_results
from pipelines.pages.charts import lines

NEWEST_FAILURES = 20


def data_docs_content(facts: Facts) -> dict[str, Any]:
    """Each suite with its checks, and its results on the days shown."""
    results = suite_results(facts)
    return {
        "suites": [
            _suite(suite, results.get(name, {})) for name, suite in facts.use_case.suites.items()
        ],
        "shown": facts.shown,
    }


def suite_results(facts: Facts) -> dict[str, dict[date, GateAccount]]:
    """The newest result of each suite and day of the days shown."""
    results: dict[str, dict[date, GateAccount]] = {}
    for by_day in facts.records.values():
        for day, record in by_day.items():
            for result in counted_results(record):
                results.setdefault(result.suite, {})[day] = result
    return results


def _suite(suite: Suite, results: Mapping[date, GateAccount]) -> Mapping[str, Any]:
    days = sorted(results)
    failures = []
    for day in reversed(days):
        failures += [(day, failure) for failure in results[day].failures]
    checks = sum(results[day].checks or 0 for day in days)
    often = Counter((failure.check, failure.column) for _, failure in failures)
    return {
        "name": suite.name,
        "checks": [_check(check, often) for check in suite.checks],
        "days": len(days),
        "made": checks,
        "failed": len(failures),
        "share": (checks - len(failures)) / checks if checks else None,
        "refused": sum(not results[day].passed for day in days),
        "newest": results[days[-1]] if days else None,
        "newest_day": days[-1] if days else None,
        "failures": failures[:NEWEST_FAILURES],
        "left_out": max(0, len(failures) - NEWEST_FAILURES),
        "chart": _chart(suite.name, days, results) if failures else Markup(""),
    }


def _check(check: Check, often: Mapping[tuple[str, str], int]) -> Mapping[str, Any]:
    column = str(check.arguments.get("column") or "")
    arguments = {name: value for name, value in check.arguments.items() if name != "column"}
    return {
        "type": check.type,
        "column": column,
        "arguments": ", ".join(f"{name} {value}" for name, value in arguments.items()),
        "severity": check.severity,
        "meaning": check.meaning,
        "failed": often.get((check.type, column), 0),
    }


def _chart(name: str, days: Sequence[date], results: Mapping[date, GateAccount]) -> Markup:
    failed: list[float | None] = [float(len(results[day].failures)) for day in days]
    return lines(
        days, {"failed": failed}, title=f"Failed checks of suite {name}", unit="checks that failed"
    )
