"""What the scorer answers: for each request a score, a decision, who decided, and what is to be
known about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from features.kernel import Events


class Flag(IntFlag):
    """What a caller should know of an answer; `NONE` for an ordinary one.

    `UNKNOWN_ENTITY`: nothing was known of one of its entities, whose features have their defaults.
    `REPEATED`: the id was answered before; it counts once. `LATE`: its entity has an event of a
    later instant. `BOUNDED`: an entity's history is not whole (more events than are kept, a request
    of before the newest night, or a journal that was lost and is not whole again). `FALLBACK`: the
    declared rule decided in place of a model.
    """

    NONE = 0
    UNKNOWN_ENTITY = 1
    REPEATED = 2
    LATE = 4
    BOUNDED = 8
    FALLBACK = 16


@dataclass(frozen=True, kw_only=True)
class Decider:
    """What decided a row: a release, or the declared rule (`release_id` "rule") and why.

    `by_policy`: the rule decided because the policy said so, not for want of a model or of states.
    """

    release_id: str
    model_version: str
    feature_digest: str
    threshold: float
    fallback: bool = False
    reason: str = ""
    by_policy: bool = False


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions for a batch of n requests, in the order of its rows.

    `scores` float64 in [0, 1], `decisions` bool (score >= the decider's threshold), `decided_by`
    int8 (the place in `deciders` of each row's decider), `flags` uint8 (`Flag`). `names` and
    `features` (float64, n x names) are what all who may decide saw, the champion's first: callers
    are told these, the last `untold` are for the log alone. No names where no features could be
    had. `reasons` holds the names and contributions (log-odds) of what weighed most, by row, for
    the rows that asked for it.
    """

    scores: NDArray[np.float64]
    decisions: NDArray[np.bool_]
    decided_by: NDArray[np.int8]
    deciders: tuple[Decider, ...]
    flags: NDArray[np.uint8]
    names: tuple[str, ...] = ()
    features: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    untold: int = 0
    reasons: Mapping[int, Sequence[tuple[str, float]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The names of the features that callers are told."""
        return self.names[: len(self.names) - self.untold]

    def part(self, first: int, past: int) -> Predictions:
        """The predictions of the rows from `first` up to `past`."""
        rows = slice(first, past)
        return Predictions(
            scores=self.scores[rows],
            decisions=self.decisions[rows],
            decided_by=self.decided_by[rows],
            deciders=self.deciders,
            flags=self.flags[rows],
            names=self.names,
            features=self.features[rows] if self.names else self.features,
            untold=self.untold,
            reasons={
                row - first: weights for row, weights in self.reasons.items() if first <= row < past
            },
        )


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Whether the scorer answers as it should: `ready`, and the facts behind it as plain data.

    `release` decides; `problems` are what a person should look at (empty where all is well), also
    while it is ready.
    """

    ready: bool
    release: str
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """What stands behind the service.

    `score` and `report` are for one thread at a time, the others for any.
    """

    def score(self, requests: Events, explained: NDArray[np.bool_]) -> Predictions:
        """Score requests in their order; each moves the state that the next one sees.

        `explained`: who gets reasons.

        Never raises for a store or a model that fails: those rows are answered by the rule,
        flagged.
        """
        ...

    def fall_back(self, requests: Events, reason: str) -> Predictions:
        """The declared rule's answers, at once and without any store; nothing moves."""
        ...

    def report(self, ids: NDArray[np.int64], reported_at: NDArray[np.int64]) -> int:
        """Positive labels (times in µs); how many of them name an event that is known here.

        The others wait for it.
        """
        ...

    def tend(self) -> None:
        """Look after what is shared with others; called now and then, by the thread that scores.

        Never raises.
        """
        ...

    def readiness(self) -> Readiness:
        """How the scorer stands; quick."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Gauges and counters of the engine for `/metrics`, by name without prefix."""
        ...

    def close(self) -> None:
        """Write what is held back and let go of everything."""
        ...
