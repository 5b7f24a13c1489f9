"""Which use case the simulator makes data for."""

from __future__ import annotations

from pipelines.base.errors import UsageError
from pipelines.base.settings import DEFAULT_USE_CASE

SIMULATED = DEFAULT_USE_CASE
"""The simulator makes a bank's card transactions and fraud reports."""


def require_simulated(use_case: str, *, command: str) -> None:
    """Raise `UsageError` where a command that rests on simulated data is asked for another use
    case.
    """
    if use_case != SIMULATED:
        raise UsageError(
            f"{command} cannot be done for this use case: there is no simulator for it",
            where="-u or TOLLGATE_USE_CASE",
            expected=SIMULATED,
            found=use_case,
            next_step=(
                f"bring files with tollgate import --mapping …; or for the simulated bank: tollgate"
                f" -u {SIMULATED} {command}"
            ),
        )
