"""The engine of the scorer: states, deciders and the log of answers, put together for one
worker.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.kernel import Events
from features.state import EntityState, entities_with_state
from features.stream import warm_up
from pipelines.base.errors import TollgateError
from pipelines.base.settings import Settings
from pipelines.journal.choice import open_journal
from pipelines.prediction_log.files import answers_folder
from pipelines.prediction_log.writer import PredictionLog
from pipelines.run import Run
from pipelines.serve.engine.deciding import Follower
from pipelines.serve.engine.live_states import LOOK_EVERY, LiveStates, build
from pipelines.serve.engine.nightly_states import Nightly, newest, online_states
from pipelines.serve.engine.scoring import Judge
from pipelines.serve.engine.state_reader import StateReader
from pipelines.serve.log.prediction_table import Logged
from pipelines.serve.log.prediction_writer import PredictionWriter
from pipelines.serve.predictions import Flag, Predictions, Readiness
from pipelines.usecases.registry import load

LOGGER = logging.getLogger(__name__)

LOOK_FOR_NIGHT_EVERY = 5.0
"""Seconds between two looks for a newer night."""

TELL_EVERY = 10.0
"""Seconds between two defects in the log."""


class LiveEngine:
    """The `Engine` behind a worker.

    `score` and `report` are for one thread; the rest may be called from any.

    Two threads of its own keep it current: one follows the ledger's pointer, one builds the states
    of a new night beside the old ones. Both are taken over between two batches.
    """

    def __init__(self, run: Run, *, worker: int = 0) -> None:
        self._run = run
        schema = run.use_case.stored_features.schema
        self._follower = Follower(run)
        self._judge = Judge(self._follower.now, run.use_case)
        self._states = _build(run)
        self._next: LiveStates | None = None
        self._night_problem = ""
        log = PredictionLog(
            answers_folder(run.settings.home, run.use_case.name), f"worker-{worker}"
        )
        share = run.use_case.serving.logged_share
        self._writer = PredictionWriter(log, schema, run.use_case.review.unit, share=share)
        self._counts = dict.fromkeys(
            ("scored", "fallback", "repeated", "unknown", "late", "bounded", "errors"), 0
        )
        self._told_defect = -TELL_EVERY
        self._warm_up()
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_nights, name="nights", daemon=True)
        self._watch.start()

    def score(self, requests: Events, explained: NDArray[np.bool_]) -> Predictions:
        """Score requests in their order; see `Engine`."""
        self._take_over()
        judge = self._judge
        try:
            served = self._states.serve(requests, judge.features)
            predictions, challenger = judge.predictions(
                requests, served.values, served.flags, served.unsure, explained
            )
        except Exception as error:
            # a defect must not hang or refuse: the declared rule answers, and it is counted
            self._counts["errors"] += 1
            self._tell_defect()
            return self.fall_back(requests, f"{type(error).__name__} while scoring")
        self._log(judge, requests, predictions, challenger)
        return predictions

    def fall_back(self, requests: Events, reason: str) -> Predictions:
        """The declared rule's answers, at once and without any store; nothing moves."""
        judge = self._judge
        predictions = judge.by_rule(requests, reason)
        untold = len(judge.names) - len(judge.contenders.champion.feature_names)
        nothing = np.full((len(predictions), len(judge.names)), np.nan)
        unseen = replace(predictions, names=judge.names, features=nothing, untold=untold)
        self._log(judge, requests, unseen, None)
        return predictions

    def report(self, ids: NDArray[np.int64], reported_at: NDArray[np.int64]) -> int:
        """Positive labels; how many name an event that is known here."""
        self._take_over()
        return self._states.report(ids, reported_at)

    def tend(self) -> None:
        """Look at the journal where nobody has asked for a while: what is known here alone may have
        to be written.
        """
        if time.monotonic() - self._states.looked_at > LOOK_EVERY:
            self._states.catch_up()

    def readiness(self) -> Readiness:
        """How the scorer stands: what the next batch is answered from."""
        states, champion = self._next or self._states, self._follower.now.contenders.champion
        nightly = states.nightly
        reader = states.reader.problem if states.reader else ""
        problems = {
            "release": self._follower.now.problem,
            "ledger": self._follower.problem,
            "states": states.problem,
            "online store": reader,
            "journal": states.journal_problem,
            "journal was lost": states.loss,
            "log of answers": self._writer.problem,
            "night": (
                self._night_problem or ("" if nightly else "no night has been materialised yet")
            ),
        }
        return Readiness(
            ready=True,
            release=champion.release_id,
            problems=tuple(f"{name}: {problem}" for name, problem in problems.items() if problem),
            facts={
                "model_version": champion.model_version,
                "states_of": str(nightly.day) if nightly else None,
                "states_built_at": nightly.built_at.isoformat() if nightly else None,
                "states_in_memory": sorted(states.whole),
            },
        )

    def figures(self) -> Mapping[str, float]:
        """Gauges and counters."""
        return {
            **{f"rows_{name}_total": float(count) for name, count in self._counts.items()},
            **self._states.figures(),
            "release_swaps_total": float(self._follower.swaps),
            "answers_unlogged_total": float(self._writer.unlogged),
        }

    def state(self, entity: str, key: int) -> EntityState:
        """The state of one entity as it stands; for the thread that scores."""
        return self._states.stream.state(entity, key)

    def close(self) -> None:
        """Write what is held back and let go of everything."""
        self._ended.set()
        self._follower.close()
        self._watch.join(timeout=30)
        self._writer.close()
        self._states.close()

    def look_for_night(self) -> None:
        """Build the states of a newer night, if there is one; the next batch changes to them."""
        nightly = newest(self._run)
        if nightly is not None and nightly != (self._next or self._states).nightly:
            began = time.monotonic()
            self._next = _build(self._run)
            LOGGER.info(
                "the states of %s are in after %.1f s", nightly.day, time.monotonic() - began
            )

    def look_at_ledger(self) -> None:
        """Follow the ledger's pointer now; the next batch changes to what it names."""
        self._follower.look()

    def _take_over(self) -> None:
        """Change to what was loaded since the last batch: between batches only, so that none sees
        two of anything.
        """
        if self._judge.deciding is not self._follower.now:
            self._judge = Judge(self._follower.now, self._run.use_case)
        if self._next is not None:
            following, self._next = self._next, None
            following.take_over(self._states)
            self._states = following
            if following.nightly is not None:
                self._forget(following.nightly)

    def _warm_up(self) -> None:
        """Have compiled and loaded what the first request would wait for; no state moves, nothing
        is logged.
        """
        judge = self._judge
        request, values = warm_up(self._run.use_case.stored_features, judge.features)
        flags = np.zeros(len(request), dtype=np.uint8)
        judge.predictions(request, values, flags, flags > 0, flags == 0)

    def _forget(self, nightly: Nightly) -> None:
        try:
            self._states.journal.forget(nightly.as_of)
        except TollgateError as error:
            LOGGER.warning("%s", error)

    def _watch_nights(self) -> None:
        while not self._ended.wait(LOOK_FOR_NIGHT_EVERY):
            try:
                self._states.record_stream()
                self.look_for_night()
                self._night_problem = ""
            except Exception as error:  # the states of the night before go on answering, and say so
                self._night_problem = f"{type(error).__name__}: {error}"
                LOGGER.exception("the states of a new night could not be built")

    def _log(
        self,
        judge: Judge,
        requests: Events,
        predictions: Predictions,
        challenger: NDArray[np.float64] | None,
    ) -> None:
        """Hand an answered batch to the log, and count it; features that were not had are no
        numbers there.
        """
        contenders = judge.contenders
        rival = contenders.challenger.release_id if contenders.challenger else ""
        champion = contenders.champion.release_id
        self._writer.put(
            Logged(requests, predictions, champion, rival, challenger, self._run.clock())
        )
        self._count(predictions)

    def _tell_defect(self) -> None:
        """Log the exception at hand; at most one in ten seconds."""
        if time.monotonic() > self._told_defect + TELL_EVERY:
            self._told_defect = time.monotonic()
            LOGGER.exception(
                "a batch could not be scored, the rule answers (%d so far)", self._counts["errors"]
            )

    def _count(self, predictions: Predictions) -> None:
        flags, counts = predictions.flags, self._counts
        counts["scored"] += len(flags)
        if not flags.any():
            return
        for name, flag in (
            ("fallback", Flag.FALLBACK),
            ("repeated", Flag.REPEATED),
            ("unknown", Flag.UNKNOWN_ENTITY),
            ("late", Flag.LATE),
            ("bounded", Flag.BOUNDED),
        ):
            counts[name] += int(np.count_nonzero(flags & flag))


def open_engine(settings: Settings, *, worker: int = 0, **surroundings: Any) -> LiveEngine:
    """The engine of the settings' use case; `surroundings` go to its `Run` (a clock, say).

    Raises `ConfigurationError` or `StoreError` where the ledger or the journal cannot be opened.
    """
    run = Run(
        settings,
        load(settings.use_case),
        run_id=f"serve-{os.getpid()}",
        actor="scorer",
        **surroundings,
    )
    return LiveEngine(run, worker=worker)


def _build(run: Run) -> LiveStates:
    nightly = newest(run)
    reader = None
    if nightly is not None:
        states = None

        def read(keys: Mapping[str, Any]) -> Any:
            nonlocal states
            states = states or online_states(run, nightly)
            return list(states.tables(keys))

        reader = StateReader(read)
    entities = entities_with_state(run.use_case.stored_features)
    built = build(run, open_journal(run.settings, run.use_case.name, entities), nightly, reader)
    if reader is not None and built.whole:
        reader.close()
        built.reader = None
    return built
