"""Homes with a night behind them, made without Spark: state tables, the ledger's word for them, a
champion.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from features.feast_objects import BUILT_AT, view_name
from features.kernel import NEVER, Events
from features.state import (
    AMOUNTS,
    IDS,
    REPORTED,
    TIMES,
    build_states,
    entities_with_state,
    state_columns,
    state_reach_days,
)
from pipelines.base.days import midnight
from pipelines.base.settings import Settings
from pipelines.lake.lake import Lake
from pipelines.online.address import OnlineAddress
from pipelines.online.states import FeastStates
from pipelines.online.store import OnlineStore
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import materialize_account
from tests.pipelines.releases.boosters import make_bundle, make_champion

DAY = date(2026, 11, 19)
"""The day that a scorer of these tests serves; the night before it is the newest."""
NOW = datetime(2026, 11, 19, 12, tzinfo=UTC)
CUSTOMERS, TERMINALS = 40, 25
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)


START = micros(midnight(DAY))


def make_run(home: Path, clock: Callable[[], datetime] = lambda: NOW) -> Run:
    return Run(Settings.build(home=home), load("fraud"), run_id="test", actor="test", clock=clock)


def history(
    days: int = 40, *, a_day: int = 60, seed: int = 1, until: date = DAY + timedelta(days=1)
) -> Events:
    """Events of the days before `until`, by (time, id), a tenth of them reported a week or more
    later.
    """
    rng = np.random.default_rng(seed)
    rows = days * a_day
    end = micros(midnight(until))
    time = np.sort(rng.integers(end - days * 86_400_000_000, end, rows) // 1_000_000 * 1_000_000)
    late = time + rng.integers(6 * 86_400, 12 * 86_400, rows) * 1_000_000
    return Events(
        id=np.arange(rows) + 1,
        time=time,
        cents=rng.integers(100, 50_000, rows),
        reported=np.where(rng.random(rows) < 0.1, late, NEVER),
        keys={
            "customer": rng.integers(0, CUSTOMERS, rows),
            "terminal": rng.integers(0, TERMINALS, rows),
        },
    )


def taken(events: Events, which: object) -> Events:
    """Some of the events."""
    columns = {name: getattr(events, name)[which] for name in ("id", "time", "cents", "reported")}
    return Events(**columns, keys={name: values[which] for name, values in events.keys.items()})


def asked(events: Events) -> Events:
    """The events as requests: nobody knows yet which are positive."""
    return Events(
        id=events.id,
        time=events.time,
        cents=events.cents,
        reported=np.full(len(events), NEVER),
        keys=events.keys,
    )


def rows_of(events: Events) -> list[dict[str, Any]]:
    """Events as a client sends them."""
    columns = (
        events.id,
        events.time,
        events.keys["customer"],
        events.keys["terminal"],
        events.cents,
    )
    return [
        {
            "transaction_id": identity,
            "event_time": EPOCH + timedelta(microseconds=time),
            "customer_id": customer,
            "terminal_id": terminal,
            "amount": Decimal(cents) / 100,
        }
        for identity, time, customer, terminal, cents in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def on_day(events: Events) -> Events:
    """The events of `DAY`."""
    return taken(
        events, np.flatnonzero((events.time >= START) & (events.time < START + 86_400_000_000))
    )


def write_night(run: Run, events: Events, last: date, built_at: datetime) -> None:
    """What the materialize stage leaves in the lake and in the ledger, for the end of `last`."""
    stored = run.use_case.stored_features
    as_of = micros(midnight(last + timedelta(days=1)))
    columns = {IDS: events.id, TIMES: events.time, AMOUNTS: events.cents, REPORTED: events.reported}
    for entity in entities_with_state(stored):
        reach = state_reach_days(stored, entity)
        states = build_states(events.keys[entity], columns, as_of=as_of, reach_days=reach)
        table = {stored.schema.entity(entity).key: pa.array(list(states), pa.int64())}
        for name in state_columns(stored, entity):
            lists = [state.columns([name])[name].tolist() for state in states.values()]
            table[name] = pa.array(lists, pa.list_(pa.int64()))
        table[BUILT_AT] = pa.array([built_at] * len(states), pa.timestamp("us", "UTC"))
        path = f"{run.settings.lake}/{run.use_case.name}/{view_name(entity)}"
        write_deltalake(path, pa.table(table), mode="overwrite")
    account = materialize_account(watermark=last, built_at=built_at)
    run.ledger.record_stage(last, account, "done", run_id="test", at=built_at)


def fill_store(run: Run, events: Events, address: str) -> None:
    """Put the states of the night before `DAY` into the online store at that address, as Feast
    keeps them.
    """
    stored = run.use_case.stored_features
    built_at = datetime(2026, 11, 19, 2, tzinfo=UTC)
    lake = Lake(None, run.settings.lake)  # type: ignore[arg-type]
    where = OnlineAddress.of(run.settings.model_copy(update={"online_store": address}))
    store = OnlineStore(
        where,
        lake,
        project=run.use_case.name,
        owner=run.use_case.owner,
        stored=stored,
        feature_sets=run.use_case.feature_sets.values(),
    )
    store.apply()
    states = FeastStates(store, stored, not_before=built_at)
    columns = {IDS: events.id, TIMES: events.time, AMOUNTS: events.cents, REPORTED: events.reported}
    for entity in entities_with_state(stored):
        reach = state_reach_days(stored, entity)
        states.write(
            entity, build_states(events.keys[entity], columns, as_of=START, reach_days=reach)
        )


def make_home(home: Path, events: Events) -> Run:
    """A home whose newest night is the one before `DAY`, with a champion."""
    run = make_run(home)
    write_night(run, events, DAY - timedelta(days=1), datetime(2026, 11, 19, 2, tzinfo=UTC))
    make_champion(run, make_bundle(home, run.use_case.feature_sets["extended"]))
    return run
