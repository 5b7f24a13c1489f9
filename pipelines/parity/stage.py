"""Parity: a day is replayed through the path that the online scorer takes, and must give the
batch's features.

Exercised are the states as of midnight (Spark), their way through Feast into a scratch online store
of their own, the reads from it, and the live states (`features.stream`), moved by every event and
report of the day. Not exercised is the production store's content: it is never touched. What a
running scorer answered is compared by `stages.served`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.definition import FeatureSet
from features.instants import instant_of
from features.kernel import Events
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.parity import ParityAccount, ParityExample
from pipelines.base.days import DayRange
from pipelines.base.errors import GateError, PermanentError, require_one_or_more
from pipelines.lake.lake import Lake
from pipelines.nightly.materialize.states import publish, write_states
from pipelines.nightly.result import StageResult
from pipelines.online.address import OnlineAddress
from pipelines.online.states import FeastStates
from pipelines.online.store import OnlineStore
from pipelines.parity.replay import DayStream, narrowed, read_stream, replay
from pipelines.run import Run

STAGE = ParityAccount.STAGE
_EXAMPLES = 3


def parity(
    run: Run, day: date, *, sample: int | None = None, feature_set: str | None = None
) -> ParityAccount:
    """Replay `day` and compare with the lake's `features`, for `sample` of its events (seeded) or
    all.

    `feature_set` names one of the use case's sets; None takes all stored features. The result is
    recorded in the ledger. Raises `UsageError` for an unknown set or an impossible sample,
    `PermanentError` where the day has no rows.
    """
    started = time.monotonic()
    features = (
        run.use_case.feature_set(feature_set) if feature_set else run.use_case.stored_features
    )
    if sample is not None:
        require_one_or_more(
            sample, "sample", where="--sample", next_step="leave --sample out to take all events"
        )
    batch = _batch_rows(run, day, features)
    stream = read_stream(run, day, features)
    sampled = _sampled(len(stream.events), sample)
    online = _replayed(run, day, features, stream, sampled)
    mismatches, examples, only_online = _compare(batch, features, stream.events, sampled, online)
    only_batch = int(np.setdiff1d(batch[features.schema.id], stream.events.id).size)
    result = ParityAccount(
        day=day,
        feature_set=features.name,
        events=len(stream.events),
        compared=len(sampled),
        only_batch=only_batch,
        only_online=only_online,
        mismatches=mismatches,
        examples=examples,
        seconds=round(time.monotonic() - started, 2),
        holds=not (only_batch or only_online or any(mismatches.values())),
    )
    status = "done" if result.holds else "refused"
    run.ledger.record_stage(day, result, status, run_id=run.run_id, at=run.clock())
    return result


def sampled_parity(run: Run, days: DayRange) -> StageResult[ParityAccount]:
    """Parity of a few events of the last of `days`, as many as the use case's watch says; raises
    `GateError` if off.

    A day whose features are not there yet is passed over: its lateness is told elsewhere.
    """
    built = run.ledger.latest(FeaturesAccount, first=days.last, last=days.last, status="done")
    if not built or not built[days.last].account.rows:
        return StageResult(
            stage=STAGE,
            days=days,
            accounts={days.last: ParityAccount(passed_over="no features of this day")},
        )
    result = parity(run, days.last, sample=run.use_case.watch.parity_sample)
    if not result.holds:
        differing = [f"{name} {count}" for name, count in result.mismatches.items() if count]
        raise GateError(
            "the online path gives other features than the batch",
            where=run.lake.path("features"),
            day=str(days.last),
            expected=f"the same values, bit for bit, for {result.compared} events",
            found=", ".join(differing)
            or f"{result.only_batch} events only in the batch, {result.only_online} online",
            held_back=(),
            next_step=f"tollgate parity --day {days.last}",
            runbook="docs/runbooks/online-store.md",
        )
    return StageResult(stage=STAGE, days=DayRange.single(days.last), accounts={days.last: result})


def _batch_rows(run: Run, day: date, features: FeatureSet) -> dict[str, NDArray[Any]]:
    """The day's rows of the `features` table as columns, by event id."""
    frame = run.lake.read("features", days=DayRange.single(day)).select(
        features.schema.id, *features.names
    )
    table: Any = frame.toArrow()
    if not table.num_rows:
        raise PermanentError(
            "the day has no features to compare with",
            where=run.lake.path("features"),
            day=str(day),
            expected="the rows of the day's events",
            found="none",
            next_step=f"tollgate run features --from {day} --to {day}",
        )
    table = table.sort_by(features.schema.id)
    return {name: table[name].to_numpy() for name in table.column_names}


def _sampled(events: int, sample: int | None) -> NDArray[np.intp]:
    if sample is None or sample >= events:
        return np.arange(events)
    return np.sort(np.random.default_rng(0).choice(events, size=sample, replace=False))


def _replayed(
    run: Run, day: date, features: FeatureSet, stream: DayStream, sampled: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    """The online values of the events asked about, from a scratch lake and a scratch store that are
    gone afterwards.

    Of a sample only what can reach its events is built and replayed, so that a few events of a
    large day cost little.
    """
    from features.stream import StreamFeatures

    only: Mapping[str, list[Any]] | None = None
    if len(sampled) < len(stream.events):
        stream, sampled, only = narrowed(stream, sampled)
    run.settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="parity-", dir=run.settings.home) as scratch:
        lake = Lake(run.spark, f"{scratch}/lake")
        built_at = run.clock().replace(microsecond=0)
        write_states(
            run, features, day - timedelta(days=1), lake=lake, built_at=built_at, only=only
        )
        use_case = run.use_case
        store = OnlineStore(
            OnlineAddress.in_folder(f"{scratch}/online"),
            lake,
            project=use_case.name,
            owner=use_case.owner,
            stored=features,
            feature_sets=(),
        )
        publish(store, lake, built_at)
        states = FeastStates(store, features, not_before=built_at)
        live = StreamFeatures(features)
        for entity, table in states.tables(
            {name: stream.events.keys[name] for name in live.arenas}
        ):
            live.load(entity, table)
        return replay(stream, live, sampled)


def _compare(
    batch: Mapping[str, NDArray[Any]],
    features: FeatureSet,
    events: Events,
    sampled: NDArray[np.intp],
    online: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, int], dict[str, tuple[ParityExample, ...]], int]:
    """Mismatches and examples by feature, and how many of the events asked about the batch does not
    have.
    """
    ids = batch[features.schema.id]
    places = np.minimum(np.searchsorted(ids, events.id[sampled]), len(ids) - 1)
    there = ids[places] == events.id[sampled]
    mismatches: dict[str, int] = {}
    examples: dict[str, tuple[ParityExample, ...]] = {}
    for name in features.names:
        online_values, batch_values = online[name][there], batch[name][places[there]]
        differing = (
            np.flatnonzero(_bits(online_values) != _bits(batch_values))
            if online_values.dtype == batch_values.dtype
            else np.arange(len(online_values))
        )
        mismatches[name] = len(differing)
        indices = sampled[there]
        examples[name] = tuple(
            _example(events, indices[i], batch_values[i], online_values[i])
            for i in differing[:_EXAMPLES]
        )
    return (
        mismatches,
        {name: some for name, some in examples.items() if some},
        int(np.count_nonzero(~there)),
    )


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(np.int64) if values.dtype == np.float64 else values


def _example(events: Events, index: int, batch: Any, online: Any) -> ParityExample:
    return ParityExample(
        event_id=events.id[index].item(),
        keys={name: values[index].item() for name, values in events.keys.items()},
        instant=instant_of(events.time[index]).isoformat(),
        batch=None if batch != batch else batch.item(),
        online=online.item(),
    )
