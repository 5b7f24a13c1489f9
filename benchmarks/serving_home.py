"""A home for the benchmarks of the scorer: cards and terminals with five weeks of events, a release
as usual.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from features.feast_objects import BUILT_AT, view_name
from features.kernel import NEVER, Events
from features.state import AMOUNTS, IDS, REPORTED, TIMES, entities_with_state, state_columns
from features.states_table import StatesTable
from features.stream import StreamFeatures
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.accounts.release import FeatureSetAccount, ReleaseAccount
from pipelines.base.days import midnight
from pipelines.releases.bundle import releases_folder, sha256, write_bundle
from pipelines.run import Run
from pipelines.training.fitting import fit_booster

LAST = date(2026, 11, 19)
"""The last day that the states hold; requests are of the next."""
DAYS = 37
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
MICROSECONDS = 1_000_000


def start() -> int:
    """The first instant of the day that is served, in µs."""
    return round(midnight(LAST + timedelta(days=1)).timestamp()) * MICROSECONDS


def events(cards: int, terminals: int, *, per_card: int, seed: int = 1) -> Events:
    """`cards x per_card` events of the days up to `LAST`, in order of time; one in two hundred was
    reported.
    """
    rng = np.random.default_rng(seed)
    rows = cards * per_card
    time = np.sort(rng.integers(start() - DAYS * 86_400 * MICROSECONDS, start(), rows))
    reported = np.where(
        rng.random(rows) < 0.005, np.minimum(time + 7 * 86_400 * MICROSECONDS, start() - 1), NEVER
    )
    return Events(
        id=np.arange(rows),
        time=time,
        cents=rng.integers(100, 30_000, rows),
        reported=np.maximum(reported, time),
        keys={
            "customer": rng.integers(0, cards, rows),
            "terminal": rng.integers(0, terminals, rows),
        },
    )


def requests(cards: int, terminals: int, rows: int, *, first_id: int, seed: int) -> Events:
    """Events of the day that is served, in order of time, with ids from `first_id` on."""
    rng = np.random.default_rng(seed)
    return Events(
        id=np.arange(first_id, first_id + rows),
        time=start() + np.sort(rng.integers(0, 86_400 * MICROSECONDS, rows)),
        cents=rng.integers(100, 30_000, rows),
        reported=np.full(rows, NEVER),
        keys={
            "customer": rng.integers(0, cards, rows),
            "terminal": rng.integers(0, terminals, rows),
        },
    )


def states(history: Events, entity: str) -> StatesTable:
    """The states of all entities of one kind."""
    order = np.lexsort((history.id, history.time, history.keys[entity]))
    keys, counts = np.unique(history.keys[entity], return_counts=True)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    reported = np.where(history.reported < start(), history.reported, NEVER)
    return StatesTable(
        keys, offsets, history.id[order], history.time[order], history.cents[order], reported[order]
    )


def make_home(run: Run, history: Events) -> None:
    """State tables, the ledger's word for them, and a champion as the use case trains it."""
    stored = run.use_case.stored_features
    for entity in entities_with_state(stored):
        table = states(history, entity)
        columns = {
            IDS: table.ids,
            TIMES: table.times,
            AMOUNTS: table.cents,
            REPORTED: table.reported,
        }
        lists = {
            name: pa.ListArray.from_arrays(
                pa.array(table.offsets, pa.int32()), pa.array(columns[name])
            )
            for name in state_columns(stored, entity)
        }
        keys = {stored.schema.entity(entity).key: pa.array(table.keys)}
        stamps = {BUILT_AT: pa.array([AT] * len(table), pa.timestamp("us", "UTC"))}
        path = f"{run.settings.lake}/{run.use_case.name}/{view_name(entity)}"
        write_deltalake(path, pa.table(keys | lists | stamps), mode="overwrite")
    account = MaterializeAccount(watermark=LAST, built_at=AT)
    run.ledger.record_stage(LAST, account, "done", run_id="benchmark", at=AT)
    release(run, history)


def release(run: Run, history: Events) -> None:
    """Train what the use case releases (its parameters, its features) on the last rows of the
    history.
    """
    features = run.use_case.feature_sets[run.use_case.model.feature_set]
    stream = StreamFeatures(run.use_case.stored_features)
    count = min(60_000, len(history.id))
    cut = {name: getattr(history, name)[-count:] for name in ("id", "time", "cents")}
    rows = Events(
        **cut, reported=np.full(count, NEVER), keys={k: v[-count:] for k, v in history.keys.items()}
    )
    values, _ = stream.serve(rows, features.features)
    matrix = np.column_stack([values[name].astype(float) for name in features.names])
    label = (np.random.default_rng(2).random(count) < np.clip(matrix[:, 0] / 2000, 0, 0.5)).astype(
        float
    )
    parameters = {**run.use_case.model.fixed, "gamma": 0, "min_child_weight": 1}
    booster = fit_booster(matrix, label, list(features.names), parameters, seed=1)
    model = bytes(booster.save_raw("ubj"))
    release_id = f"{run.use_case.name}-{LAST:%Y%m%d}-{sha256(model)[:8]}"
    declared = FeatureSetAccount(
        name=features.name, names=tuple(features.names), digest=features.digest
    )
    record = ReleaseAccount(
        feature_set=declared, threshold=0.5, rounds=int(parameters["num_boost_round"])
    )
    reference = pd.DataFrame(matrix[:100], columns=list(features.names)).assign(score=0.0)
    bundle = write_bundle(
        releases_folder(run.settings.home),
        release_id,
        model=model,
        record=record,
        reference=reference,
    )
    account = record.replaced(
        manifest_digest=bundle.manifest_digest, signed_by=bundle.signed_by, model_version="1"
    )
    run.ledger.add_release(release_id, account, at=AT)
    run.ledger.move_champion(
        release_id, expected=run.ledger.champion(), reason="benchmark", actor="benchmark", at=AT
    )
