"""What the ledger keeps of monitor: a day's input, drift, diagnosis and profile, and what an
earlier day was worth.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.drift import DriftAccount
from pipelines.accounts.part import Part
from pipelines.accounts.performance import (
    Estimate,
    PerformanceAccount,
    RealisedEstimate,
    SliceAccount,
)
from pipelines.accounts.profile import ProfileAccount


class SignalAccount(Part):
    """One figure beyond its limit: where (`area`), what (`name`), how far, and a sentence
    (`told`).
    """

    area: str = ""
    name: str = ""
    value: float = 0.0
    limit: float = 0.0
    told: str = ""
    strength: float = 1.0


class DiagnosisAccount(Part):
    """The verdict on a day: its cause, how loudly to say it, the evidence, and what to do.

    `subject_day` is the day that the evidence speaks of, None only in an account that did not say
    it. `explained` names signals that follow from the cause, `unjudged` says what could not be
    judged and why.
    """

    cause: str = "unjudged"
    severity: str = "none"
    title: str = ""
    summary: str = ""
    consequence: str = ""
    subject_day: date | None = None
    evidence: tuple[SignalAccount, ...] = ()
    explained: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    next_step: str = ""
    runbook: str = ""


class ScoreShare(Part):
    """The share of the scores' distance (0 to 1) that is gone where this feature is as it was in
    the reference.
    """

    feature: str
    share: float


class RetrainAccount(Part):
    """Whether the day asks for a training, and why or why not."""

    asked: bool = False
    reason: str = ""


class ShownAccount(Part):
    """What only the day's page shows: shares of rows by score, by series; whether Evidently's page
    was made.
    """

    score_counts: dict[str, tuple[float, ...]] = {}
    drift_page: bool = False


class MonitorAccount(Account):
    """A watched day.

    `volume_ratio` is against the weekday's usual rows, `quarantine_rate` and shares are 0 to 1.

    `quiet_hours` lie between the newest event and the end of the day. `performance`, `slices` and
    `checked` speak of the day whose labels have just matured, `estimate` of this day. `explained`
    names the features that moved the scores, `answers` says in sentences what was done about the
    day, `restated` which days of labels were corrected since. `page` is below the home. A figure
    that is not known is None.
    """

    STAGE: ClassVar[str] = "monitor"

    rows: int = 0
    score_mean: float | None = None
    release: str = ""
    volume_ratio: float | None = None
    quarantine_rate: float | None = None
    quiet_hours: float | None = None
    drift: DriftAccount | None = None
    performance: PerformanceAccount | None = None
    profile: ProfileAccount | None = None
    diagnosis: DiagnosisAccount | None = None
    explained: tuple[ScoreShare, ...] = ()
    estimate: Estimate | None = None
    checked: RealisedEstimate | None = None
    slices: tuple[SliceAccount, ...] | None = None
    retrain: RetrainAccount | None = None
    page: str | None = None
    answers: tuple[str, ...] = ()
    shown: ShownAccount | None = None
    restated: tuple[date, ...] = ()

    @property
    def cause(self) -> str:
        """The cause of the day's diagnosis; `unjudged` where the account has none."""
        return self.diagnosis.cause if self.diagnosis else "unjudged"

    @property
    def summary(self) -> str:
        """The diagnosis in a sentence, nothing where the account has none."""
        return self.diagnosis.summary if self.diagnosis else ""

    @property
    def asks_for_training(self) -> bool:
        """Whether the day asks for a training."""
        return self.retrain is not None and self.retrain.asked

    @property
    def retrain_reason(self) -> str:
        """Why the day asks for a training, or why not."""
        return self.retrain.reason if self.retrain else ""

    def rows_handled(self) -> int:
        return self.rows
