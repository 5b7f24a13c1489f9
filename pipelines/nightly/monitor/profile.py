"""What is kept of a day to compare later days with: counts of all rows, sketches of a sample.

Plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.accounts.profile import ProfileAccount
from pipelines.nightly.monitor.sketch import Sketch

HOURS = 24


@dataclass(frozen=True, kw_only=True)
class DayProfile:
    """A day.

    `rows` events came, `hours` of them in each hour of the day (UTC, 24 counts); `blocks` counts
    them by block of neighbouring keys of each entity, whose lower `edges` are handed on from day to
    day; `units` is the number of keys seen. `inputs` are sketches of the raw columns, `features` of
    what was made of them, `coherence` says how well a feature agrees within a key (see that
    module), `score` is a sketch of the logit of the champion's score, `tail` the share of rows at
    or above its threshold. `reports` label rows came in, None where that is not known. `rejected`
    is the share of incoming rows that were quarantined.
    """

    rows: int
    hours: tuple[int, ...] = (0,) * HOURS
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    units: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Sketch] = field(default_factory=dict)
    features: Mapping[str, Sketch] = field(default_factory=dict)
    coherence: Mapping[str, float] = field(default_factory=dict)
    score: Sketch | None = None
    tail: float | None = None
    reports: int | None = None
    rejected: float | None = None
    release: str = ""

    def account(self) -> ProfileAccount:
        """What the ledger keeps."""
        return ProfileAccount(
            rows=self.rows,
            hours=self.hours,
            blocks=dict(self.blocks),
            edges=dict(self.edges),
            units=dict(self.units),
            inputs={name: column.account() for name, column in self.inputs.items()},
            features={name: column.account() for name, column in self.features.items()},
            coherence=dict(self.coherence),
            score=self.score.account() if self.score else None,
            tail=self.tail,
            reports=self.reports,
            rejected=self.rejected,
            release=self.release,
        )

    @classmethod
    def of_account(cls, account: ProfileAccount) -> DayProfile:
        """The profile that `account` made."""
        return cls(
            rows=account.rows,
            hours=account.hours,
            blocks=account.blocks,
            edges=account.edges,
            units=account.units,
            inputs={name: Sketch.of_account(column) for name, column in account.inputs.items()},
            features={name: Sketch.of_account(column) for name, column in account.features.items()},
            coherence=account.coherence,
            score=Sketch.of_account(account.score) if account.score else None,
            tail=account.tail,
            reports=account.reports,
            rejected=account.rejected,
            release=account.release,
        )
