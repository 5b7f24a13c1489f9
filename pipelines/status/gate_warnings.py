"""What a gate let pass with a warning: which check of which suite, on which days, expected and
found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from typing import Any

from pipelines.accounts.account import Account
from pipelines.accounts.gate import FailedCheck, GateAccount
from pipelines.base.days import in_words


@dataclass(frozen=True, kw_only=True)
class GateWarning:
    """One failed check that does not close the gate; `column` is empty for a check of the whole
    table.
    """

    stage: str
    suite: str
    check: str
    column: str
    severity: str
    expected: str
    found: str
    meaning: str

    @property
    def identity(self) -> tuple[str, ...]:
        """What it has in common with the same warning of another day."""
        return (self.stage, self.suite, self.check, self.column, self.expected)

    def describe(self, days: Sequence[date]) -> str:
        """The warning in one line, with the days that it was given on."""
        subject = f"{self.suite}, {self.column or 'table'} ({self.check})"
        return (
            f"{subject} on {in_words(days)}: expected {self.expected}; found {self.found}"
            f" ({self.meaning})"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def gate_warnings(account: Account) -> tuple[GateWarning, ...]:
    """The warnings of all suites in a stage's account."""
    warnings = (_warnings(account.STAGE, result) for result in account.gates())
    return tuple(chain.from_iterable(warnings))


def _warnings(stage: str, result: GateAccount) -> list[GateWarning]:
    return [
        GateWarning(
            stage=stage,
            suite=result.suite,
            check=failure.check,
            column=failure.column,
            severity=failure.severity,
            expected=failure.expected,
            found=failure.observed,
            meaning=failure.meaning,
        )
        for failure in result.failures
        if failure.severity != "critical"
    ]


def gate_failures(account: Account) -> list[FailedCheck]:
    """The checks that failed, of all suites in a stage's account."""
    return list(chain.from_iterable(result.failures for result in account.gates()))


def by_warning(
    warned: Mapping[date, Sequence[GateWarning]],
) -> list[tuple[GateWarning, list[date]]]:
    """Each warning once, as the newest of its days gave it, with all of them in order."""
    newest: dict[tuple[str, ...], GateWarning] = {}
    days: dict[tuple[str, ...], list[date]] = {}
    for day in sorted(warned):
        for warning in warned[day]:
            newest[warning.identity] = warning
            days.setdefault(warning.identity, []).append(day)
    return [(newest[identity], days[identity]) for identity in newest]
