"""Who decides, as the ledger says at the moment: followed without a restart, and swapped whole
between two batches.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.base.errors import TollgateError
from pipelines.ledger.ledger import Pointer
from pipelines.releases.bundle import BundleError
from pipelines.releases.contenders import Contenders, with_challenger
from pipelines.releases.fallback import Fallback, fallbacks
from pipelines.releases.scorer import BoosterScorer, load_release, rule_scorer
from pipelines.run import Run

LOGGER = logging.getLogger(__name__)

LOOK_EVERY = 0.5
"""Seconds between two looks at the ledger: a rollback takes hold that soon."""


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """What a batch is decided by, one object for the whole batch.

    `pointer` is what the ledger said, `spans` the days on which the rule decides by policy,
    `problem` why the release that the ledger names does not decide (empty where it does).
    """

    contenders: Contenders
    pointer: Pointer | None
    spans: Sequence[Fallback] = ()
    problem: str = ""


def load_deciding(run: Run, before: Deciding | None) -> Deciding:
    """What the ledger says now, loaded and verified; what is loaded already is taken over.

    A champion that cannot be loaded leaves the one before in place; where there is none, the
    declared rule decides in its place, beside a challenger as at night. A challenger that cannot be
    loaded is left out. Raises `StoreError` where the ledger does not answer.
    """
    pointer, spans = run.ledger.champion(), fallbacks(run.ledger)
    if before is not None and before.pointer == pointer and not before.problem:
        return before if list(before.spans) == spans else replace(before, spans=spans)
    if pointer is None:
        reason = "no release has been promoted yet"
        return Deciding(contenders=_rule(run, reason), pointer=None, spans=spans, problem=reason)
    try:
        champion = load_release(run, pointer.release_id)
    except BundleError as error:
        problem = f"champion {pointer.release_id} cannot be loaded: {error}"
        return _without_champion(run, before, pointer, spans, problem)
    contenders = _single_threaded(with_challenger(run, champion, pointer))
    return Deciding(contenders=contenders, pointer=pointer, spans=spans)


def _without_champion(
    run: Run, before: Deciding | None, pointer: Pointer, spans: Sequence[Fallback], problem: str
) -> Deciding:
    """The last model that was loaded goes on; where there is none, the rule stands in for the
    champion, as at night.
    """
    if before is not None and before.pointer == pointer:
        same = before.problem == problem and list(before.spans) == list(spans)
        return before if same else replace(before, spans=spans, problem=problem)
    if before is not None and not before.contenders.champion.fallback:
        kept = before.contenders.without_challenger(problem)
    else:
        rule = rule_scorer(run.use_case, reason=problem)
        kept = _single_threaded(with_challenger(run, rule, pointer))
    return Deciding(contenders=kept, pointer=pointer, spans=spans, problem=problem)


def _single_threaded(contenders: Contenders) -> Contenders:
    """The same, whose models score on one core each: workers are processes."""
    for scorer in (contenders.champion, contenders.challenger):
        if isinstance(scorer, BoosterScorer):
            scorer.booster.set_param({"nthread": 1})
    return contenders


class Follower:
    """Looks at the ledger in a thread of its own; `now` is whatever was loaded last, whole."""

    def __init__(self, run: Run, *, every: float = LOOK_EVERY) -> None:
        self._run = run
        self._every = every
        self._ended = threading.Event()
        self.problem = ""
        self.swaps = 0
        self.now = load_deciding(run, None)
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """One look; a ledger that does not answer changes nothing but `problem`."""
        try:
            following = load_deciding(self._run, self.now)
            self.problem = ""
        except TollgateError as error:
            self.problem = str(error)
            return
        if following is not self.now:
            LOGGER.info("decided by %s", following.contenders.champion.release_id)
            self.now = following
            self.swaps += 1

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self.look()
            except (
                Exception
            ) as error:  # a follower that dies would leave an old release deciding, unseen
                self.problem = f"{type(error).__name__}: {error}"
                LOGGER.exception("the follower of the ledger failed")


def _rule(run: Run, reason: str) -> Contenders:
    return Contenders(champion=rule_scorer(run.use_case, reason=reason))
