"""What the ledger keeps of train: the release that was made, how it was judged, and what became of
it.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from pipelines.accounts.account import Account
from pipelines.accounts.evaluation import VerdictAccount
from pipelines.accounts.release import TrainingAccount


class TrainAccount(Account):
    """A training with what was known `as_of` a day, 00:00 UTC; `reason` says why it was asked for.

    `state` is the release's state, `state_reason` why; `promoted`: this training made it champion;
    `same_as_before`: the ledger had this very release already. `metrics` are by contender, None
    where a figure is not defined.
    """

    STAGE: ClassVar[str] = "train"

    as_of: date | None = None
    release: str = ""
    state: str = ""
    state_reason: str = ""
    promoted: bool = False
    same_as_before: bool = False
    model_version: str = ""
    model_digest: str = ""
    mlflow_run_id: str = ""
    training: TrainingAccount | None = None
    data_versions: dict[str, int] = {}
    threshold: float | None = None
    n_test: int = 0
    n_test_positive: int = 0
    metrics: dict[str, dict[str, float | None]] = {}
    inputs: dict[str, Any] = {}
    verdict: VerdictAccount | None = None
    warnings: tuple[str, ...] = ()
