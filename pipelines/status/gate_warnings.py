"""What a gate let pass with a warning: which check of which suite, on which days, expected and found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipelines.base.days import in_words


@dataclass(frozen=True, kw_only=True)
class GateWarning:
    """One failed check that does not close the gate; `column` is empty for a check of the whole table."""

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
        return f"{subject} on {in_words(days)}: expected {self.expected}; found {self.found} ({self.meaning})"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def gate_warnings(stage: str, payload: Mapping[str, Any]) -> tuple[GateWarning, ...]:
    """The warnings in a stage's account, whose `gate` is the result of one suite or results by suite."""
    return tuple(
        GateWarning(
            stage=stage,
            suite=str(result.get("suite", "")),
            check=str(failure.get("check", "")),
            column=str(failure.get("column", "")),
            severity=str(failure["severity"]),
            expected=str(failure.get("expected", "")),
            found=str(failure.get("observed", "")),
            meaning=str(failure.get("meaning", "")),
        )
        for result in gate_results(payload)
        for failure in result["failures"]
        if failure["severity"] != "critical"
    )


def gate_results(payload: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The results in a stage's account: of its one suite, or of several."""
    gate = payload.get("gate") or {}
    if "failures" in gate:
        yield gate
        return
    for result in gate.values():
        if isinstance(result, Mapping) and "failures" in result:
            yield result


def by_warning(warned: Mapping[date, Sequence[GateWarning]]) -> list[tuple[GateWarning, list[date]]]:
    """Each warning once, as the newest of its days gave it, with all of them in order."""
    newest: dict[tuple[str, ...], GateWarning] = {}
    days: dict[tuple[str, ...], list[date]] = {}
    for day in sorted(warned):
        for warning in warned[day]:
            newest[warning.identity] = warning
            days.setdefault(warning.identity, []).append(day)
    return [(newest[identity], days[identity]) for identity in newest]
