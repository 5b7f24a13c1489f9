"""How long what is kept is kept, and when files are tidied up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UpkeepPolicy:
    """`versions_days`: how long earlier versions of a table can be read, and a release be reproduced from them;
    `state_versions_days`: the same of the tables of state, written whole every night from the others;
    `settled_days`: how old a day is before its files are put together; `backups`: how many of the ledger are kept.
    """

    versions_days: int = 100
    state_versions_days: int = 7
    settled_days: int = 7
    backups: int = 12

    def __post_init__(self) -> None:
        if self.backups < 1:
            raise ValueError(f"backups = {self.backups}: at least one is kept")
