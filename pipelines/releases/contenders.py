"""Who scores: the champion, and the challenger beside it while one is tried out.

Loaded once for a whole call.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.base.errors import TollgateError
from pipelines.ledger.ledger import Pointer
from pipelines.releases.scorer import (
    BoosterScorer,
    Matrix,
    RuleScorer,
    Scorer,
    champion_scorer,
    load_release,
)
from pipelines.run import Run

LOGGER = logging.getLogger(__name__)
Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Contenders:
    """`state` is the challenger's (`shadow`, `canary`); `problem` says why there is none although
    the ledger has one.

    `named` is the challenger that the ledger names, loadable or not. `rule` decides in place of
    both where policy says so; what both say is kept all the same.
    """

    champion: Scorer
    challenger: BoosterScorer | None = None
    named: str | None = None
    state: str | None = None
    problem: str = ""
    rule: RuleScorer | None = None

    @property
    def decides(self) -> Scorer:
        """Whose scores make the list (but for a canary's share)."""
        return self.rule or self.champion

    def with_rule(self, rule: RuleScorer) -> Contenders:
        """The same, decided by the rule; a champion that cannot be loaded has made way for it
        already.
        """
        return self if self.champion.fallback else replace(self, rule=rule)

    def scorer(self, release_id: str) -> Scorer:
        """The contender of that id."""
        if self.rule is not None and self.rule.release_id == release_id:
            return self.rule
        if self.challenger is not None and self.challenger.release_id == release_id:
            return self.challenger
        return self.champion

    def without_challenger(self, problem: str) -> Contenders:
        """The same, scored by the champion alone, and why."""
        return Contenders(
            champion=self.champion, named=self.named, state=self.state, problem=problem
        )


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One contender's scores of some rows, and how long they took."""

    scores: Scores
    seconds: float


def load_contenders(run: Run) -> Contenders:
    """Champion and challenger as the ledger's pointer names them in one look; a challenger never
    stops scoring.
    """
    pointer = run.ledger.champion()
    return with_challenger(run, champion_scorer(run, pointer), pointer)


def with_challenger(run: Run, champion: Scorer, pointer: Pointer | None) -> Contenders:
    """The champion, and the challenger that the pointer names; left out, and why, where it cannot
    be loaded.
    """
    if pointer is None or pointer.challenger is None:
        return Contenders(champion=champion)
    named = Contenders(champion=champion, named=pointer.challenger, state=pointer.challenger_state)
    try:
        challenger = load_release(run, pointer.challenger)
    except TollgateError as error:
        LOGGER.warning("challenger %s cannot be loaded: %s", pointer.challenger, error)
        return named.without_challenger(f"it cannot be loaded: {error}")
    return Contenders(
        champion=champion, challenger=challenger, named=named.named, state=named.state
    )


def timed(scorer: Scorer, matrix: Matrix) -> Scored:
    """The scores of the rows, and the seconds that they took."""
    began = time.perf_counter()
    scores = scorer.score(matrix)
    return Scored(scores=scores, seconds=time.perf_counter() - began)
