"""The watermark under every order of nights, corrections, failures and clocks: it says what the
store really holds.

Materialisation's two neighbours, the states in the lake and the online store, are small models here
(they have tests of their own, on Spark, Feast and Redis); ledger, watermark and the order of steps
are the real ones. Whichever step of a night fails, and whichever key of the store refuses, the next
night completes.

The clock goes forward, stands still or is set back: a store that drops rows which are not newer
must still take those of a retry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from pipelines.base.days import DayRange
from pipelines.base.errors import StoreError
from pipelines.base.settings import Settings
from pipelines.nightly.materialize import stage
from pipelines.nightly.materialize.stage import materialize
from pipelines.run import Run
from pipelines.stores.watermark import Watermark, watermark
from pipelines.usecases.registry import load
from tests.accounts import ingest_account
from tests.conftest import NOW
from tests.guarantees.plugin import Tried
from tests.pipelines.releases.bundles import failing_write
from tests.state_machines import play

FIRST = date(2026, 11, 1)
KEYS = 3
NIGHTS = st.integers(0, 6)
REFUSED = st.sampled_from([None] * 4 + [*range(KEYS + 2)])


@dataclass(frozen=True)
class Row:
    """What a key has online: the day it was built as of, when, and from which correction of the
    lake.
    """

    day: date
    built_at: datetime
    correction: int


@dataclass
class Store:
    """A store as Redis behaves behind Feast: a row that is not newer than the one that is there is
    dropped.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    written: dict[int, Row] = field(default_factory=dict)
    refuses: int | None = None

    def write_states(
        self, run: Run, stored: Any, last: date, *, lake: Any, built_at: datetime
    ) -> dict[str, int]:
        """The states of all keys in the lake, of its newest correction."""
        self._may_fail(0)
        self.written = {key: Row(last, built_at, self.correction) for key in range(KEYS)}
        return {}

    def publish(self, store: Any, lake: Any, built_at: datetime) -> dict[str, int]:
        """The keys one after another; one that is refused ends it."""
        for key, row in self.written.items():
            self._may_fail(key + 1)
            if key not in self.rows or self.rows[key].built_at < row.built_at:
                self.rows[key] = row
        self._may_fail(KEYS + 1)
        return {"customer": KEYS}

    correction: int = 0

    def _may_fail(self, step: int) -> None:
        if self.refuses == step:
            raise StoreError("the store refuses", where=f"step {step}")


class Nights(RuleBasedStateMachine):
    """Nights in any order; each may fail at a step (of the store) or at a write (of the ledger)."""

    failures = 0

    @initialize()
    def start(self) -> None:
        self.now, self.store, self.last_mark = NOW, Store(), None
        self.run = Run(
            Settings.build(home="/nowhere", ledger="sqlite://"),
            load("fraud"),
            clock=lambda: self.now,
        )
        for n in range(7):
            self.run.ledger.record_stage(
                FIRST + timedelta(days=n), ingest_account(), "done", run_id="r", at=NOW
            )

    @rule(minutes=st.sampled_from([1, 60, -1, -600]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def a_correction_comes(self) -> None:
        self.store.correction += 1

    @rule(
        night=NIGHTS,
        refuses=st.sampled_from([None] * 4 + list(range(KEYS + 2))),
        write=st.sampled_from([None, None, None, 0, 1]),
    )
    def a_night(self, night: int, refuses: int | None, write: int | None) -> None:
        self.store.refuses = refuses
        try:
            if write is None:
                self._materialize(night)
            else:
                with failing_write(write):
                    self._materialize(night)
        except StoreError:
            type(self).failures += 1
            assert refuses is not None or write is not None
            assert watermark(self.run.ledger) == self.last_mark, "a night that failed moves nothing"
            return
        assert refuses is None
        assert write is None
        mark = watermark(self.run.ledger)
        assert mark is not None
        assert self.last_mark is None or (
            mark.day >= self.last_mark.day and mark.built_at > self.last_mark.built_at
        )
        assert mark.day >= FIRST + timedelta(days=night)
        assert set(self.store.rows.values()) == {
            Row(mark.day, mark.built_at, self.store.correction)
        }
        self.last_mark = mark

    @invariant()
    def every_key_is_at_least_as_new_as_the_watermark_says(self) -> None:
        mark: Watermark | None = watermark(self.run.ledger)
        assert mark == self.last_mark
        if mark is not None:
            assert len(self.store.rows) == KEYS
            assert all(
                row.day >= mark.day and row.built_at >= mark.built_at
                for row in self.store.rows.values()
            )

    def _materialize(self, night: int) -> None:
        neighbours = {"write_states": self.store.write_states, "publish": self.store.publish}
        store = SimpleNamespace(address=None, project="")
        models = {
            **neighbours,
            "online_store": lambda run: store,
            "mark_build": lambda *build: None,
        }
        with patch.multiple(stage, **models), patch.object(Run, "lake", None):
            materialize(self.run, DayRange.single(FIRST + timedelta(days=night)))


@pytest.mark.guarantee(
    "the k-th operation fails",
    fault="each step of a materialisation, in any order of nights and clocks (state machine)",
)
def test_watermark(tried: Tried, thorough: bool) -> None:
    Nights.failures = 0
    play(Nights, games=300 if thorough else 25, steps=15)
    tried(
        Nights.failures,
        "the watermark stays; the next night that succeeds leaves every key as the watermark says",
    )
