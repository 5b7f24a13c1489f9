"""Accounts for tests: made by name, checked member by member, so that a renamed member fails the
tests that use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, TypeVar

from pipelines.accounts.account import Account
from pipelines.accounts.cost import CostAccount
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.part import Part
from pipelines.accounts.release import ReleaseAccount
from pipelines.accounts.rollout import RolloutAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.accounts.served import ServedAccount
from pipelines.accounts.stages import ACCOUNTS
from pipelines.accounts.train import TrainAccount

Kind = TypeVar("Kind", bound=Part)


def checked(kind: type[Kind], members: Mapping[str, Any]) -> Kind:
    """A value of that type; raises `AssertionError` for a name, at any depth, that is none of its
    members.
    """
    made = kind.from_json(members)
    unknown = list(_unknown(made))
    assert not unknown, f"{kind.__name__} has no {', '.join(unknown)}"
    return made


def account_of(stage: str, members: Mapping[str, Any]) -> Account:
    """An account of the stage of that name."""
    return checked(ACCOUNTS[stage], members)


def ingest_account(**members: Any) -> IngestAccount:
    """What ingest recorded of a day."""
    return checked(IngestAccount, members)


def features_account(**members: Any) -> FeaturesAccount:
    """What features recorded of a day."""
    return checked(FeaturesAccount, members)


def materialize_account(**members: Any) -> MaterializeAccount:
    """What materialize recorded of a build."""
    return checked(MaterializeAccount, members)


def score_account(**members: Any) -> ScoreAccount:
    """What score recorded of a day."""
    return checked(ScoreAccount, members)


def monitor_account(**members: Any) -> MonitorAccount:
    """What monitor recorded of a day."""
    return checked(MonitorAccount, members)


def rollout_account(**members: Any) -> RolloutAccount:
    """What rollout recorded of a day."""
    return checked(RolloutAccount, members)


def served_account(**members: Any) -> ServedAccount:
    """What the comparison of served answers recorded of a day."""
    return checked(ServedAccount, members)


def train_account(**members: Any) -> TrainAccount:
    """What a training recorded."""
    return checked(TrainAccount, members)


def cost_account(**members: Any) -> CostAccount:
    """What a run cost."""
    return checked(CostAccount, members)


def incident_detail(**members: Any) -> IncidentDetail:
    """What is kept of an incident beside its summary."""
    return checked(IncidentDetail, members)


def release_account(**members: Any) -> ReleaseAccount:
    """What is recorded of a release."""
    return checked(ReleaseAccount, members)


def _unknown(value: Any, at: str = "") -> list[str]:
    """The paths of all members that their type does not declare."""
    if isinstance(value, Part):
        members = [f"{at}{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            members += _unknown(getattr(value, name), f"{at}{name}.")
        return members
    if isinstance(value, dict):
        parts = list(value.values())
    else:
        parts = list(value) if isinstance(value, tuple) else []
    return list(chain.from_iterable(_unknown(part, at) for part in parts))
