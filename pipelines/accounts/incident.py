"""What the ledger keeps of an incident beside its summary: the days, what it means, the evidence,
and what to do.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator

from pipelines.accounts.evaluation import CheckAccount
from pipelines.accounts.stored import Stored


def _none_for_nothing(value: Any) -> Any:
    return None if value == "" else value


OptionalDay = Annotated[date | None, BeforeValidator(_none_for_nothing)]
"""A day; earlier versions stored an empty text where there is none."""


class IncidentDetail(Stored):
    """`by` is the part that noticed (`stage`, `watch`, `deadline`, …), `sources` are the stages
    that it came from.

    `days` are those that it is about, in order, of which `first_day` is the first; `day` is how
    earlier versions said it. `evidence` and `done` are sentences, `checks` the guardrails or
    questions that failed, `page` is below the home.
    """

    by: str = ""
    day: OptionalDay = None
    first_day: OptionalDay = None
    cause: str = ""
    days: tuple[date, ...] = ()
    sources: tuple[str, ...] = ()
    consequence: str = ""
    evidence: tuple[str, ...] = ()
    checks: tuple[CheckAccount, ...] = ()
    done: tuple[str, ...] = ()
    next_step: str = ""
    runbook: str = ""
    page: str = ""

    @property
    def first(self) -> date | None:
        """The (first) day that the incident is about; None where it names none."""
        return self.day or min(self.days, default=None) or self.first_day

    @property
    def last(self) -> date | None:
        """The newest day that the incident is about; None where it names none."""
        return max(self.days, default=None)
