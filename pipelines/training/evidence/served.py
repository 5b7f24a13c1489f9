"""Served parity as evidence: does what callers were really answered agree with the batch that
models learn from?
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.accounts.served import ServedAccount
from pipelines.releases.verdict import Check, not_applicable
from pipelines.usecases.policies.serving import ServingPolicy

NAME = "served_parity"


def served_holds(served: ServedAccount | None, policy: ServingPolicy) -> Check:
    """`served` is the newest account of `pipelines.parity.served`, None where there is none so
    new.
    """
    question = (
        f"Were the answers of the last {policy.parity_days} days those of the batch, but for what"
        " is tolerated?"
    )
    if served is None:
        return not_applicable(
            NAME, question, f"nothing was served in the last {policy.parity_days} days"
        )
    beyond = served.reason
    unexplained, share = served.unexplained_share, served.mismatch_share
    failed = unexplained > policy.unexplained_share or share > policy.mismatch_share
    causes = ", ".join(f"{cause} {count:,}" for cause, count in served.causes.items())
    summary = f"{served.mismatching:,} differ" + (f" ({causes})" if causes else "")
    return Check(
        name=NAME,
        question=question,
        outcome="failed" if failed else "passed",
        found=(
            f"{served.day}: of {served.compared:,} answers"
            f" {beyond if failed and beyond else summary}"
        ),
        figures={
            "compared": float(served.compared),
            "mismatch_share": share,
            "mismatch_limit": policy.mismatch_share,
            "unexplained_share": unexplained,
            "unexplained_limit": policy.unexplained_share,
            "fallback_share": served.fallback_share,
        },
        table=[
            {"feature": name, "differ": sum(by_cause.values()), **_named(served.causes, by_cause)}
            for name, by_cause in sorted(served.by_feature.items())
        ],
        subjects=tuple(
            name
            for name, by_cause in sorted(served.by_feature.items())
            if by_cause.get("unexplained")
        ),
    )


def _named(causes: Mapping[str, int], counts: Mapping[str, int]) -> dict[str, int]:
    """A feature's counts by every cause that occurs, so that all rows have the same keys."""
    every = dict.fromkeys([*causes, "unexplained"])
    return {cause: counts.get(cause, 0) for cause in every}
