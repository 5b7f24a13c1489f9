"""What a gate said of a day's rows: the result of one suite, with the checks that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.accounts.part import Part

if TYPE_CHECKING:
    from expectations.result import GateResult


class FailedCheck(Part):
    """One failed check. `column` is empty for a check of the whole table.

    `unexpected_percent` is between 0 and 100, of all rows; `days` (YYYY-MM-DD) are those whose row
    failed.
    """

    check: str = ""
    column: str = ""
    severity: str = ""
    meaning: str = ""
    expected: str = ""
    observed: str = ""
    unexpected_count: int | None = None
    unexpected_percent: float | None = None
    days: tuple[str, ...] = ()


class GateAccount(Part):
    """The result of a suite: `checks` were made on `rows`, `failures` stand with the worst first.

    `severity` is the worst that failed, None where everything holds. `checks` is None in an account
    that did not count.
    """

    suite: str = ""
    subject: str = ""
    engine: str = ""
    rows: int = 0
    checks: int | None = None
    passed: bool = True
    severity: str | None = None
    failures: tuple[FailedCheck, ...] = ()

    @classmethod
    def of(cls, result: GateResult) -> GateAccount:
        """The account of a gate's result."""
        return cls.from_json(result.to_json())
