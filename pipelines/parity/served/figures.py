"""What a day's answers were, in figures: how many, how many differ from the batch, in what, and for
which cause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np

from features.instants import instant_of
from pipelines.accounts.served import ServedAccount, ServedExample
from pipelines.parity.served.causes import by_row
from pipelines.parity.served.codes import CAUSES, UNEXPLAINED, Codes
from pipelines.parity.served.differences import Differences, Places
from pipelines.usecases.policies.serving import ServingPolicy

EXAMPLES = 3


def beyond_policy(figures: ServedAccount, policy: ServingPolicy) -> str:
    """What is beyond the policy, in words; nothing where all is within."""
    texts = []
    if figures.unexplained_share > policy.unexplained_share:
        named = ", ".join(
            f"{name} ({count:,})" for name, count in unexplained_by_feature(figures).items()
        )
        texts.append(
            f"{figures.unexplained:,} of {figures.compared:,} answers differ for no known cause:"
            f" {named}"
        )
    if figures.mismatch_share > policy.mismatch_share:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in figures.causes.items())
        share = f"{figures.mismatch_share:.2%} of the answers differ from the batch"
        texts.append(f"{share} (tolerated: {policy.mismatch_share:.2%}; {causes})")
    return "; ".join(texts)


def unexplained_by_feature(figures: ServedAccount) -> dict[str, int]:
    """How many events differ in a feature for no known cause, most first."""
    counts = {
        name: by_cause.get(CAUSES[UNEXPLAINED], 0) for name, by_cause in figures.by_feature.items()
    }
    return dict(
        sorted(((n, c) for n, c in counts.items() if c), key=lambda item: (-item[1], item[0]))
    )


def figures_of(
    day: date,
    differing: Differences,
    coded: Mapping[str, Codes],
    *,
    not_answered: int,
    seconds: float,
) -> ServedAccount:
    """The figures of differences and their causes."""
    answered, rows, compared = differing.answered, differing.rows(), len(differing.row)
    codes = by_row(rows, differing.differing, coded)
    unexplained = int((codes == UNEXPLAINED).sum())
    fallback = answered.details["fallback"].to_numpy(zero_copy_only=False).astype(bool)
    releases = Counter(answered.details["release"].to_pylist())
    return ServedAccount(
        day=day,
        answers=len(answered.today),
        repeated=answered.repeated,
        compared=compared,
        scored=differing.scored,
        not_in_lake=len(answered.today) - compared,
        not_answered=not_answered,
        fallback_share=float(fallback.mean()),
        releases=dict(releases),
        mismatching=len(rows),
        mismatch_share=len(rows) / max(1, compared),
        unexplained=unexplained,
        unexplained_share=unexplained / max(1, compared),
        mismatches={name: len(numbers) for name, numbers in differing.differing.items()},
        causes=_counted(codes),
        by_feature={name: _counted(some) for name, some in coded.items()},
        examples={
            name: _examples(differing, name, differing.differing[name], some)
            for name, some in coded.items()
        },
        seconds=round(seconds, 2),
    )


def _counted(codes: Codes) -> dict[str, int]:
    """How many there are of each cause that occurs."""
    counts = np.bincount(codes, minlength=len(CAUSES)).tolist()
    return {cause: count for cause, count in zip(CAUSES, counts, strict=True) if count}


def _examples(
    differing: Differences, name: str, numbers: Places, codes: Codes
) -> tuple[ServedExample, ...]:
    """The first events that differ in a feature, unexplained ones before others."""
    answered = differing.answered
    shown = []
    for i in np.argsort(codes != UNEXPLAINED, kind="stable")[:EXAMPLES].tolist():
        number, rank = int(numbers[i]), int(differing.rank[numbers[i]])
        batch, online = differing.values(name, number)
        shown.append(
            ServedExample(
                event_id=answered.id[rank].item(),
                keys={entity: _plain(values[rank]) for entity, values in answered.keys.items()},
                instant=instant_of(answered.time[rank]).isoformat(),
                answered_at=instant_of(answered.stamp[rank]).isoformat(),
                batch=batch,
                online=online,
                cause=CAUSES[int(codes[i])],
            )
        )
    return tuple(shown)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
