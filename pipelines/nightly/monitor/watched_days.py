"""What the ledger remembers of watched days, and the diagnosis of the next ones: the monitor's
memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pipelines.accounts.monitor import DiagnosisAccount, MonitorAccount
from pipelines.accounts.performance import Estimate, SliceAccount, Worth
from pipelines.nightly.monitor.diagnosis.causes import Cause
from pipelines.nightly.monitor.diagnosis.day import Known, watch_day
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis
from pipelines.nightly.monitor.performance.estimate import calibration
from pipelines.nightly.monitor.performance.performance import matured_day
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.run import Run


@dataclass
class WatchedDays:
    """Accounts of the monitor by day: those of the ledger before the days at hand, and theirs as
    they come.
    """

    run: Run
    accounts: dict[date, MonitorAccount] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, first: date) -> WatchedDays:
        """The memory at the beginning of `first`."""
        policy = run.use_case.watch
        reach = (
            max(7 * policy.weeks, policy.matured_days, run.use_case.stored_features.reach_days) + 1
        )
        records = run.ledger.latest(
            MonitorAccount,
            first=first - timedelta(days=reach),
            last=first - timedelta(days=1),
            status="done",
        )
        return cls(run, {day: record.account for day, record in records.items()})

    def edges(self) -> Mapping[str, Sequence[int]]:
        """The key blocks of the newest remembered day; empty where none is known."""
        edges_of = {
            day: account.profile.edges
            for day, account in self.accounts.items()
            if account.profile is not None and account.profile.edges
        }
        return edges_of[max(edges_of)] if edges_of else {}

    def worths(self, day: date, release: str = "") -> dict[date, Worth]:
        """Matured days that are known when `day` begins, by what the champion said (of one release
        where given).
        """
        matured = [
            account.performance for earlier, account in self.accounts.items() if earlier < day
        ]
        return {
            outcome.subject_day: outcome.watched
            for outcome in matured
            if outcome is not None
            and outcome.worth is not None
            and outcome.watched is not None
            and (not release or outcome.watched_release == release)
        }

    def calibration(
        self, day: date, release: str
    ) -> tuple[NDArray[np.float64], Sequence[Worth]] | None:
        """The calibration that holds on `day` for a release's scores, and the matured days that it
        is made of.
        """
        days = sorted(self.worths(day, release).items())[-self.run.use_case.watch.matured_days :]
        past = [worth for _, worth in days]
        probability = calibration(past)
        return None if probability is None else (probability, past)

    def diagnose(self, day: date, profile: DayProfile, matured: Worth | None) -> Diagnosis:
        """The diagnosis of `day`, whose labels of a week ago have just matured (`matured`)."""
        features = self.run.use_case.stored_features
        subject = matured_day(self.run, day)
        worths = self.worths(day) | ({subject: matured} if matured else {})
        past = Known(profiles=self._profiles(day), causes=self._causes(), worths=worths)
        names = set(features.names)
        return watch_day(
            day,
            profile,
            past,
            self.run.use_case.watch,
            subject=subject,
            reach=lambda name: features[name].reach_days if name in names else 0,
        )

    def estimated(self, subject: date) -> Estimate | None:
        """What was estimated of a day before its labels came."""
        account = self.accounts.get(subject)
        return account.estimate if account else None

    def sliced(self, subject: date) -> list[Sequence[SliceAccount]]:
        """What was found of each slice on the matured days before `subject` that performance is
        compared with.
        """
        first = subject - timedelta(days=self.run.use_case.watch.matured_days)
        return [
            account.slices
            for account in self.accounts.values()
            if account.slices
            and account.performance
            and first <= account.performance.subject_day < subject
        ]

    def diagnoses(self) -> dict[date, DiagnosisAccount]:
        """What was found of each remembered day."""
        return {
            day: account.diagnosis for day, account in self.accounts.items() if account.diagnosis
        }

    def _profiles(self, day: date) -> dict[date, DayProfile]:
        first = day - timedelta(weeks=self.run.use_case.watch.weeks)
        return {
            earlier: DayProfile.of_account(account.profile)
            for earlier, account in self.accounts.items()
            if first <= earlier < day and account.profile
        }

    def _causes(self) -> dict[date, Cause]:
        return {day: cast("Cause", diagnosis.cause) for day, diagnosis in self.diagnoses().items()}
