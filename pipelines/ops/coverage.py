"""Coverage: how much of what is declared is validated, watched and reproducible, by what the ledger
shows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from pipelines.accounts.account import Account
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.release import ReleaseAccount
from pipelines.ledger.ledger import StageRecord
from pipelines.ops.facts import Facts, counted_results
from pipelines.ops.measure import Measure, plural, share_of

GROUP = "Coverage"
FULL = 1.0


def can_be_made_again(account: ReleaseAccount) -> bool:
    """Whether a release record holds all that `tollgate reproduce` needs to train the model again.

    The seed is not looked at: 0 is one.
    """
    recorded = account.to_json()
    return bool(
        account.model_digest
        and account.data_versions
        and account.code_version
        and account.environment
        and account.parameters
        and recorded.get("training")
        and recorded.get("feature_set")
        and account.policy_digest
        and account.manifest_digest
    )


def coverage_measures(facts: Facts, history: Sequence[StageRecord[Account]]) -> list[Measure]:
    """Validation by suite, monitoring by feature, reproducibility by release."""
    return [_validation(facts, history), _monitoring(facts, history), _reproducible(facts)]


def _validation(facts: Facts, history: Sequence[StageRecord[Account]]) -> Measure:
    """Of the tables that are written each day (feeds, features, predictions): those that a suite
    has judged.
    """
    judged = {result.suite for result in chain.from_iterable(map(counted_results, history))}
    tables = [*(feed.name for feed in facts.use_case.feeds), "features", "predictions"]
    seen = [table for table in tables if table in judged]
    left = ", ".join(table for table in tables if table not in judged)
    return Measure(
        group=GROUP,
        name="Tables behind a gate",
        unit="share",
        value=share_of(len(seen), len(tables)) if history else None,
        target=FULL,
        basis=(
            f"{len(seen)} of {plural(len(tables), 'table')}"
            + (f"; not judged: {left}" if left else "")
            if history
            else "no stage has run yet"
        ),
    )


def _monitoring(facts: Facts, history: Sequence[StageRecord[Account]]) -> Measure:
    """Of the champion's features: those whose drift was measured on the newest day that was
    judged.
    """
    accounts = [record.account for record in history]
    drifts = [account.drift for account in accounts if isinstance(account, MonitorAccount)]
    watched = [drift for drift in drifts if drift and drift.judged]
    names = _champion_features(facts)
    if not watched or not names:
        why = "no day was compared with a champion's training window yet"
        return Measure(
            group=GROUP,
            name="Features watched for drift",
            unit="share",
            value=None,
            target=FULL,
            basis=why,
        )
    columns, skipped = watched[-1].columns, watched[-1].skipped
    seen = sum(name in columns for name in names)
    because = (
        f"; {len(skipped)} cannot be compared, each with its reason on the day's page"
        if skipped
        else ""
    )
    return Measure(
        group=GROUP,
        name="Features watched for drift",
        unit="share",
        value=share_of(seen, len(names)),
        target=FULL,
        basis=(
            f"{seen} of {plural(len(names), 'feature')} of the champion on the newest day"
            f" judged{because}"
        ),
    )


def _champion_features(facts: Facts) -> list[str]:
    if facts.pointer is None:
        return []
    account = next(
        release.account
        for release in facts.releases
        if release.release_id == facts.pointer.release_id
    )
    return list(account.feature_set.names)


def _reproducible(facts: Facts) -> Measure:
    """Releases whose record names all that a second training needs, made by code that was
    committed.
    """
    whole = [release.account for release in facts.releases if can_be_made_again(release.account)]
    clean = [
        account for account in whole if not account.code_version.endswith(("+dirty", "unknown"))
    ]
    total = len(facts.releases)
    dirty = len(whole) - len(clean)
    because = f"; {dirty} trained by code that was not committed" if dirty else ""
    return Measure(
        group=GROUP,
        name="Releases that can be made again",
        unit="share",
        value=share_of(len(clean), total),
        target=FULL,
        basis=(
            f"{len(clean)} of {plural(total, 'release')} name data, code, seed and"
            f" environment{because}"
            if total
            else "there is no release yet"
        ),
    )
