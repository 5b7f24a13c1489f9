"""A home that serves: a small lake with a day's features, the states of the night before, a
release, and its engine.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from features.kernel import Events
from pipelines.base.days import DayRange, midnight
from pipelines.base.settings import Settings
from pipelines.nightly.materialize.states import write_states
from pipelines.nightly.score.scored_rows import score_rows
from pipelines.parity.replay import DayStream, read_stream
from pipelines.releases.contenders import load_contenders
from pipelines.run import Run
from pipelines.serve.engine.engine import LiveEngine, open_engine
from tests.accounts import features_account, materialize_account
from tests.pipelines.online_lake import DAY, EVENTS_A_DAY, store_events, store_features
from tests.pipelines.releases.bundles import stored_release

TODAY = DayRange.single(DAY)
LAG = timedelta(milliseconds=40)


@dataclass
class Clock:
    """A clock that somebody sets."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


def make_home(run: Run) -> str:
    """Fill the run's lake and ledger as the night and the next morning leave them; returns the
    champion's id.
    """
    store_events(run)
    stored = run.use_case.stored_features
    store_features(run, TODAY, stored)
    run.ledger.record_stage(
        DAY, features_account(rows=EVENTS_A_DAY), "done", run_id="setup", at=run.clock()
    )
    hold_states(run)
    bundle = stored_release(run, 7, "approved")
    run.ledger.move_champion(
        bundle.release_id, expected=None, reason="test", actor="test", at=run.clock()
    )
    predict(run)
    return bundle.release_id


def hold_states(run: Run) -> None:
    """The states as of the end of the day before, complete ten minutes before midnight, so that all
    of DAY has them.
    """
    before, at = DAY - timedelta(days=1), midnight(DAY) - timedelta(minutes=10)
    write_states(run, run.use_case.stored_features, before, lake=run.lake, built_at=at)
    account = materialize_account(watermark=before, built_at=at)
    run.ledger.record_stage(before, account, "done", run_id="setup", at=at)


def predict(run: Run) -> None:
    """The day's `predictions` by the champion, as the score stage writes them."""
    version = run.lake.version("features")
    assert version is not None
    rows = score_rows(run, load_contenders(run), TODAY, version).predictions
    run.lake.replace_days(
        run.spark.createDataFrame(rows), "predictions", TODAY, provenance=run.provenance("setup")
    )


def stream_of(run: Run) -> DayStream:
    """The day as it came in."""
    return read_stream(run, DAY, run.use_case.stored_features)


def chosen(events: Events, which: Sequence[int]) -> Events:
    """Some of the events, in that order."""
    at = np.asarray(which, dtype=np.intp)
    keys = {name: np.ascontiguousarray(values[at]) for name, values in events.keys.items()}
    return Events(
        id=events.id[at],
        time=events.time[at],
        cents=events.cents[at],
        reported=events.reported[at],
        keys=keys,
    )


@contextmanager
def serving(settings: Settings, clock: Clock, *, worker: int = 0) -> Iterator[LiveEngine]:
    """An engine as a worker has it; closed afterwards, so that its log is complete."""
    engine = open_engine(settings, worker=worker, clock=clock)
    try:
        yield engine
    finally:
        engine.close()


def forget_answers(settings: Settings) -> None:
    """A scorer that never answered: no log, no journal."""
    shutil.rmtree(settings.home / "serving", ignore_errors=True)


def ask(
    engine: LiveEngine,
    clock: Clock,
    events: Events,
    order: Iterable[int] | None = None,
    *,
    reports: Any = (),
) -> None:
    """Ask about events one by one, each a moment after its own instant (or, in another order, after
    the latest so far).

    `reports` (time in µs, event id) are pushed before the first event of that instant or later.
    """
    waiting = sorted(reports)
    latest = 0
    for i in range(len(events)) if order is None else order:
        single = chosen(events, [i])
        latest = max(latest, int(single.time[0]))
        while waiting and waiting[0][0] <= single.time[0]:
            at, event = waiting.pop(0)
            engine.report(np.array([event]), np.array([at]))
        clock.now = max(
            clock.now + timedelta(milliseconds=1), datetime.fromtimestamp(latest / 1e6, UTC) + LAG
        )
        engine.score(single, np.zeros(1, dtype=np.bool_))


def changed(events: Events, **columns: Any) -> Events:
    """The events with other columns."""
    return replace(events, **columns)
