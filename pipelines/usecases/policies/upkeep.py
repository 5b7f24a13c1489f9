"""How long what is kept is kept, and when files are tidied up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.usecases.policies.value_types import AtLeastADay, Bounds, Count, Days


@dataclass(frozen=True, kw_only=True)
class UpkeepPolicy:
    """How long earlier versions, backups and logs are kept, and when files are tidied up."""

    versions_days: AtLeastADay = 100
    """How long earlier versions of a table can be read, and a release be reproduced from them."""
    state_versions_days: AtLeastADay = 7
    """The same of the tables of state, which are written whole every night from the others."""
    settled_days: Days = 7
    """How old a day is before its files are put together."""
    backups: Count = 12
    """How many backups of the ledger are kept."""
    airflow_days: Annotated[int, Bounds("days", 7)] = 90
    """How long Airflow's logs and the rows of its own database are kept; retries and back-fills
    need a week.
    """
