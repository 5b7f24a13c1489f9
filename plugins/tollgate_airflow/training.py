"""A training inside a task: as of the day after the partition's, for the reason that the triggering
asset gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from plugins.tollgate_airflow.partition import partition_day, require_ended, run_of


def train_for(use_case: str, context: Mapping[str, Any], release: Asset) -> dict[str, Any]:
    """Train with what was known when the partition's day was over; returns the training's account.

    Skipped where the home is too young to train: nothing has failed then, and nobody is called.

    `approval` in it is what a person has to be asked (`pipelines.releases.approval.request`), or
    None.
    """
    from pipelines.base.errors import TooEarlyError
    from pipelines.nightly.metering import metered
    from pipelines.releases.approval import request
    from pipelines.training.stage import train

    run = run_of(context, use_case)
    require_ended(context, run.clock().date())
    as_of = partition_day(context) + timedelta(days=1)
    try:
        result = metered(run, "train", as_of, lambda: train(run, as_of, reason=_reason(context)))
    except TooEarlyError as error:
        raise AirflowSkipException(f"{error.what}: {error.found}") from error
    account = result.account()
    context["outlet_events"][release].extra = {"as_of": str(as_of)}
    return {**account.to_json(), "approval": request(run.use_case, account)}


def _reason(context: Mapping[str, Any]) -> str:
    """Why this training runs: what the asset events say that started it, else the parameter."""
    events = chain.from_iterable(context["triggering_asset_events"].values())
    extras = [event.extra or {} for event in events]
    reasons = [str(extra["reason"]) for extra in extras if "reason" in extra]
    return "; ".join(dict.fromkeys(reasons)) or str(context["params"]["reason"])
