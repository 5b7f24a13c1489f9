"""What a gate says: the checks that failed, in words for the person on call and as plain data for
the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from expectations.definition import Severity

RANK: Mapping[str, int] = {"critical": 0, "warning": 1, "info": 2}
"""Order of severities, the worst first."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One failed check. `column` is empty for a check of the whole table.

    `unexpected_count` and `unexpected_percent` (0 to 100, of all rows) are given where single rows
    failed. `days` (YYYY-MM-DD) are given where the frame has a row for each day: those whose row
    failed.
    """

    check: str
    column: str
    severity: Severity
    meaning: str
    expected: str
    observed: str
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    days: tuple[str, ...] = ()

    def __str__(self) -> str:
        subject = self.column or "table"
        return (
            f"{self.severity}: {subject}: expected {self.expected}; found {self.observed}"
            f" ({self.meaning})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """The verdict of a suite on a frame; `failures` stand with the worst first, `rows` were looked
    at.
    """

    suite: str
    subject: str
    engine: str
    rows: int
    checks: int
    failures: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no critical check failed."""
        return not any(failure.severity == "critical" for failure in self.failures)

    @property
    def severity(self) -> Severity | None:
        """The worst severity that failed, or None where everything holds."""
        return self.failures[0].severity if self.failures else None

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """The failures that let pass."""
        return tuple(failure for failure in self.failures if failure.severity != "critical")

    def of_day(self, day: str) -> GateResult:
        """The verdict as far as it concerns one day (YYYY-MM-DD): without the failures of rows of
        other days.
        """
        concerned = tuple(
            failure for failure in self.failures if not failure.days or day in failure.days
        )
        return replace(self, failures=concerned)

    def describe(self, limit: int = 5) -> str:
        """The failures in words, at most `limit` of them, the worst first, joined by semicolons."""
        shown = [str(failure) for failure in self.failures[:limit]]
        more = len(self.failures) - len(shown)
        return "; ".join([*shown, f"and {more} more"] if more > 0 else shown) or "every check holds"

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return {
            "suite": self.suite,
            "subject": self.subject,
            "engine": self.engine,
            "rows": self.rows,
            "checks": self.checks,
            "passed": self.passed,
            "severity": self.severity,
            "failures": [failure.to_json() for failure in self.failures],
        }
