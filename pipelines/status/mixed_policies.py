"""A day whose stages ran under different policies: which policy changed between which stages, and
what to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pipelines.accounts.account import Account

READERS: Mapping[str, tuple[str, ...]] = {
    "label": ("features", "score", "monitor"),
    "review": ("score", "monitor"),
    "rule": ("score", "monitor"),
    "ingest": ("ingest", "score"),
    "rollout": ("score", "monitor"),
}
"""Policies that several stages of one day read, and these stages in the order of the chain.

A policy that a single stage reads cannot be mixed: the stage's account says which one it was.
"""


def mixed_policies(day: date, accounts: Mapping[str, Account]) -> list[str]:
    """A sentence for each policy of which the day's stages read different versions; `accounts` by
    stage.

    Accounts from before policies were recorded say nothing.
    """
    sentences = []
    for policy, stages in READERS.items():
        digests = {
            stage: accounts[stage].policies[policy]
            for stage in stages
            if stage in accounts and policy in accounts[stage].policies
        }
        if len(set(digests.values())) > 1:
            first = next(iter(digests))
            others = [stage for stage, digest in digests.items() if digest != digests[first]]
            sentences.append(
                f"the {policy} policy changed within the day: {', '.join(others)} ran with another"
                f" one than {first}; one policy for the whole day: tollgate backfill --from {day}"
                f" --to {day} --rerun"
            )
    return sentences
