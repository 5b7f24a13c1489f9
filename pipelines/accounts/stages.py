"""Which type of account belongs to which stage."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.accounts.account import Account
from pipelines.accounts.cost import CostAccount
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.journal import JournalAccount
from pipelines.accounts.maintain import MaintainAccount
from pipelines.accounts.materialize import BuildBegun, MaterializeAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.parity import ParityAccount
from pipelines.accounts.rollout import RolloutAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.accounts.served import ServedAccount
from pipelines.accounts.train import TrainAccount

_TYPES: tuple[type[Account], ...] = (
    IngestAccount,
    FeaturesAccount,
    BuildBegun,
    MaterializeAccount,
    ScoreAccount,
    MonitorAccount,
    RolloutAccount,
    ParityAccount,
    ServedAccount,
    TrainAccount,
    MaintainAccount,
    CostAccount,
    JournalAccount,
)

ACCOUNTS: Mapping[str, type[Account]] = {account.STAGE: account for account in _TYPES}
"""The type of each stage's account, by the name of the stage."""


def account_type(stage: str) -> type[Account]:
    """The type of a stage's account; of a stage that this code does not know, what all accounts
    have in common.
    """
    return ACCOUNTS.get(stage, Account)
