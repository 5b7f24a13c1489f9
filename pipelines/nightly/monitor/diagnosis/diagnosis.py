"""What is wrong, if anything?

The causes told apart, from the day's signals alone: plain data in, one verdict out.

The order is that of causes: a feed that broke moves inputs, features, scores and labels; inputs
that moved move what is computed from them; a feature that moves by itself moves the scores; only
where all of these are still has the world changed. So one broken thing has one name, however many
figures it moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.nightly.monitor.diagnosis.causes import (
    CONSEQUENCES,
    RUNBOOKS,
    TITLES,
    Cause,
    Severity,
    next_step,
)
from pipelines.nightly.monitor.signals import Reading, Signal

EVIDENCE = 4
LOUD = 2.0
"""Times the limit from which a feature that moved alone, or scores that did, are worth a call."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What earlier days were found to be: cause by day, for the days that windows of features still
    reach.
    """

    causes: Mapping[date, Cause] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The verdict on a day: `cause`, how loudly to say it, the evidence that names it, and what to
    do.

    `subject_day` is the day that the evidence speaks of (a matured day for performance).
    `explained` are signals that follow from the cause.
    """

    day: date
    cause: Cause
    severity: Severity
    subject_day: date
    evidence: Sequence[Signal] = ()
    explained: Sequence[str] = ()
    unjudged: Sequence[str] = ()
    next_step: str = ""

    @property
    def title(self) -> str:
        """The cause in words."""
        return TITLES[self.cause]

    @property
    def consequence(self) -> str:
        """What it means for those who use the scores."""
        return CONSEQUENCES[self.cause]

    @property
    def runbook(self) -> str:
        """The page to read; empty where nothing has to be done."""
        return RUNBOOKS.get(self.cause, "")

    def describe(self) -> str:
        """The verdict in a sentence, with its evidence."""
        text = "; ".join(signal.told for signal in self.evidence) or "; ".join(self.unjudged)
        return f"{self.title}: {text}" if text else self.title

    def account(self) -> DiagnosisAccount:
        """What the ledger keeps."""
        return DiagnosisAccount(
            cause=self.cause,
            severity=self.severity,
            title=self.title,
            summary=self.describe(),
            consequence=self.consequence,
            subject_day=self.subject_day,
            evidence=tuple(signal.account() for signal in self.evidence),
            explained=tuple(self.explained),
            unjudged=tuple(self.unjudged),
            next_step=self.next_step,
            runbook=self.runbook,
        )


def diagnose(
    day: date,
    reading: Reading,
    performance: Sequence[Signal] = (),
    *,
    subject: date | None = None,
    memory: Memory | None = None,
    reach: Callable[[str], int] = lambda _feature: 0,
) -> Diagnosis:
    """The verdict on `day`.

    `performance` are signals of the matured day `subject`; `reach(feature)` is how many days a
    feature looks back: a moved feature whose window still holds a day with a known cause is that
    day's echo.
    """
    remembered = (memory or Memory()).causes
    feed, inputs, labels = reading.of("feed"), reading.of("inputs"), reading.of("labels")
    features, scores = reading.of("features"), reading.of("scores")
    broken = [signal for signal in features if signal.limit == 0.0]
    fresh = [
        signal
        for signal in features
        if signal in broken or not _echoes(signal.name, day, remembered, reach)
    ]
    if feed:
        return _verdict(
            day, "feed", feed, [*inputs, *features, *scores], reading, performance=performance
        )
    if broken:
        return _verdict(day, "bug", [*broken, *scores], [*inputs, *features], reading)
    if inputs:
        return _moved_inputs(day, reading, inputs, scores, performance)
    if labels:
        return _moved_labels(day, reading, labels, performance, subject)
    if fresh or (scores and not _recent(day, remembered, 2)):
        if not fresh and features:
            return _after(day, reading, features, scores, performance, subject, remembered)
        return _verdict(
            day,
            "bug",
            [*fresh, *scores],
            [signal for signal in features if signal not in fresh],
            reading,
        )
    return _after(day, reading, features, scores, performance, subject, remembered)


def _moved_inputs(
    day: date,
    reading: Reading,
    inputs: list[Signal],
    scores: list[Signal],
    performance: Sequence[Signal],
) -> Diagnosis:
    """Inputs moved: harmful where matured performance fell, or the number of rows that reach the
    threshold jumped.
    """
    hurt = [*performance, *(signal for signal in scores if signal.name == "tail")]
    cause: Cause = "inputs" if not hurt else "concept" if _only_missed(hurt) else "harmful"
    return _verdict(
        day, cause, [*inputs[:2], *hurt, *inputs[2:]], [*reading.of("features"), *scores], reading
    )


def _moved_labels(
    day: date,
    reading: Reading,
    labels: list[Signal],
    performance: Sequence[Signal],
    subject: date | None,
) -> Diagnosis:
    """More positives than usual: a wave that the model catches, or one of a kind that it does not
    know.
    """
    follows = [*reading.of("features"), *reading.of("scores")]
    if performance:
        return _verdict(day, "concept", [*performance, *labels], follows, reading, subject=subject)
    return _verdict(day, "inputs", labels, follows, reading)


def _after(
    day: date,
    reading: Reading,
    features: list[Signal],
    scores: list[Signal],
    performance: Sequence[Signal],
    subject: date | None,
    remembered: Mapping[date, Cause],
) -> Diagnosis:
    """Nothing new in the data: what matured performance says, and what is left of earlier days."""
    if performance and subject is not None:
        previous = remembered.get(subject, "well")
        if previous == "harmful" or (previous == "inputs" and not _only_missed(performance)):
            return _verdict(
                day, "harmful", performance, [*features, *scores], reading, subject=subject
            )
        if previous in ("feed", "bug"):
            return _verdict(
                day, "echo", performance, [*features, *scores], reading, subject=subject
            )
        return _verdict(day, "concept", performance, [*features, *scores], reading, subject=subject)
    if features or scores:
        return _verdict(day, "echo", [*features, *scores], [], reading)
    if reading.unjudged:
        return _verdict(day, "unjudged", [], [], reading)
    return _verdict(day, "well", [], [], reading)


def _only_missed(hurt: Sequence[Signal]) -> bool:
    """More positives pass, while what the list holds is as good as ever: they are of a kind that it
    does not know.
    """
    return all(signal.name == "missed" for signal in hurt)


def _echoes(
    feature: str, day: date, remembered: Mapping[date, Cause], reach: Callable[[str], int]
) -> bool:
    return _recent(day, remembered, reach(feature) + 1)


def _recent(day: date, remembered: Mapping[date, Cause], days: int) -> bool:
    loud = ("feed", "inputs", "harmful")
    return any(
        cause in loud and 0 < (day - earlier).days <= days for earlier, cause in remembered.items()
    )


def _verdict(
    day: date,
    cause: Cause,
    evidence: Sequence[Signal],
    explained: Sequence[Signal],
    reading: Reading,
    *,
    subject: date | None = None,
    performance: Sequence[Signal] = (),
) -> Diagnosis:
    return Diagnosis(
        day=day,
        cause=cause,
        severity=_severity(cause, evidence),
        subject_day=subject or day,
        evidence=list(evidence)[:EVIDENCE],
        explained=[cause.name for cause in (*explained, *performance) if cause not in evidence],
        unjudged=list(reading.unjudged),
        next_step=next_step(cause, day),
    )


def _faint(signal: Signal) -> bool:
    """A column of features or scores that moved, but not far beyond its limit: a ticket, and a page
    once it lasts.
    """
    column = signal.area == "features" or (signal.area == "scores" and signal.name == "score")
    return column and signal.limit > 0 and signal.strength < LOUD


def _severity(cause: Cause, evidence: Sequence[Signal]) -> Severity:
    """By consequence: a person is called only where nobody else can act and the day's alerts are at
    stake.
    """
    if cause == "feed":
        whole = any(
            signal.name in ("volume", "labels") and signal.value < 0.5 for signal in evidence
        )
        return "page" if whole else "ticket"
    if cause == "bug" and all(_faint(signal) for signal in evidence):
        return "ticket"
    severities: Mapping[Cause, Severity] = {
        "well": "none",
        "bug": "page",
        "inputs": "note",
        "harmful": "ticket",
        "concept": "page",
        "echo": "none",
        "unjudged": "note",
    }
    return severities[cause]
