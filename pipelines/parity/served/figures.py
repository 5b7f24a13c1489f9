"""What a day's answers were, in figures: how many, how many differ from the batch, in what, and for which cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from features.instants import instant_of
from pipelines.parity.served.causes import by_row
from pipelines.parity.served.codes import CAUSES, UNEXPLAINED, Codes
from pipelines.parity.served.differences import Differences, Places
from pipelines.usecases.policies.serving import ServingPolicy

EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class ServedParity:
    """The answers to a day's events beside the batch. Shares are of `compared`, between 0 and 1.

    `answers` counts first answers to events of the day, `repeated` further ones, `compared` those that are in the lake,
    `not_in_lake` those that are not, `not_answered` the lake's events that were never asked about (of the share that is
    logged), `fallback_share` the answers that the declared rule gave. `mismatching` events differ in any value;
    `mismatches` counts them by feature (all that were compared are named, and `score` and `decision` of `scored`
    events), `causes` by cause, `by_feature` by feature and cause. `examples` shows the first of a feature, those that
    nothing explains before others.
    """

    day: date
    answers: int
    repeated: int
    compared: int
    scored: int
    not_in_lake: int
    not_answered: int
    fallback_share: float
    releases: Mapping[str, int]
    mismatching: int
    mismatch_share: float
    unexplained: int
    unexplained_share: float
    mismatches: Mapping[str, int]
    causes: Mapping[str, int]
    by_feature: Mapping[str, Mapping[str, int]]
    examples: Mapping[str, Sequence[Mapping[str, Any]]]
    seconds: float

    def exceeds(self, policy: ServingPolicy) -> str:
        """What is beyond the policy, in words; nothing where all is within."""
        return beyond(self.to_json(), policy)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json` and the ledger."""
        return {**asdict(self), "day": str(self.day)}


def beyond(figures: Mapping[str, Any], policy: ServingPolicy) -> str:
    """The same of figures as plain data."""
    reasons = []
    if figures["unexplained_share"] > policy.unexplained_share:
        named = ", ".join(f"{name} ({count:,})" for name, count in unexplained_by_feature(figures).items())
        reasons.append(
            f"{figures['unexplained']:,} of {figures['compared']:,} answers differ for no known cause: {named}"
        )
    if figures["mismatch_share"] > policy.mismatch_share:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in figures["causes"].items())
        share = f"{figures['mismatch_share']:.2%} of the answers differ from the batch"
        reasons.append(f"{share} (tolerated: {policy.mismatch_share:.2%}; {causes})")
    return "; ".join(reasons)


def unexplained_by_feature(figures: Mapping[str, Any]) -> dict[str, int]:
    """How many events differ in a feature for no known cause, most first."""
    counts = {name: by_cause.get(CAUSES[UNEXPLAINED], 0) for name, by_cause in figures["by_feature"].items()}
    return dict(
        sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))
    )


def figures_of(
    day: date, compared: Differences, coded: Mapping[str, Codes], *, not_answered: int, seconds: float
) -> ServedParity:
    """The figures of differences and their causes."""
    answered, rows, count = compared.answered, compared.rows(), len(compared.row)
    codes = by_row(rows, compared.differing, coded)
    unexplained = int((codes == UNEXPLAINED).sum())
    fallback = answered.details["fallback"].to_numpy(zero_copy_only=False).astype(bool)
    releases = Counter(answered.details["release"].to_pylist())
    return ServedParity(
        day=day,
        answers=len(answered.today),
        repeated=answered.repeated,
        compared=count,
        scored=compared.scored,
        not_in_lake=len(answered.today) - count,
        not_answered=not_answered,
        fallback_share=float(fallback.mean()),
        releases=dict(releases),
        mismatching=len(rows),
        mismatch_share=len(rows) / max(1, count),
        unexplained=unexplained,
        unexplained_share=unexplained / max(1, count),
        mismatches={name: len(numbers) for name, numbers in compared.differing.items()},
        causes=_counted(codes),
        by_feature={name: _counted(some) for name, some in coded.items()},
        examples={name: _examples(compared, name, compared.differing[name], some) for name, some in coded.items()},
        seconds=round(seconds, 2),
    )


def _counted(codes: Codes) -> dict[str, int]:
    """How many there are of each cause that occurs."""
    counts = np.bincount(codes, minlength=len(CAUSES)).tolist()
    return {cause: count for cause, count in zip(CAUSES, counts, strict=True) if count}


def _examples(compared: Differences, name: str, numbers: Places, codes: Codes) -> list[dict[str, Any]]:
    """The first events that differ in a feature, unexplained ones before others."""
    answered = compared.answered
    shown = []
    for place in np.argsort(codes != UNEXPLAINED, kind="stable")[:EXAMPLES].tolist():
        number, rank = int(numbers[place]), int(compared.rank[numbers[place]])
        batch, online = compared.values(name, number)
        shown.append(
            {
                "event_id": answered.id[rank].item(),
                "keys": {entity: _plain(values[rank]) for entity, values in answered.keys.items()},
                "instant": instant_of(answered.time[rank]).isoformat(),
                "answered_at": instant_of(answered.stamp[rank]).isoformat(),
                "batch": batch,
                "online": online,
                "cause": CAUSES[int(codes[place])],
            }
        )
    return shown


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
