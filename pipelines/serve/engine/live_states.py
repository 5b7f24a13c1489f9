"""The states behind the answers: what the night built, moved on by the journal; built anew for each
new night.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature
from features.instants import microseconds_of
from features.kernel import Events
from features.online import loops
from features.states_table import StatesTable
from features.stream import StreamFeatures, Values, known_nothing
from features.timeline import Ints
from pipelines.base.errors import TollgateError
from pipelines.journal.journal import (
    ARRIVED,
    ID,
    KEYS,
    KIND,
    REPORT,
    TIME,
    Journal,
    event_records,
    events_of,
    report_records,
)
from pipelines.run import Run
from pipelines.serve.engine.journal_memory import (
    KnownRecords,
    is_whole,
    newest_stream,
    record_stream,
)
from pipelines.serve.engine.nightly_states import Nightly, all_states
from pipelines.serve.engine.state_reader import StateReader
from pipelines.serve.predictions import Flag

LOGGER = logging.getLogger(__name__)

SETTLE = 5.0
"""Seconds after a loss of the journal in which answers are flagged: every process looks at it
within one, when idle.
"""

LOOK_EVERY = 1.0
"""Seconds between two looks at the journal by a process that nobody asks."""


@dataclass(frozen=True)
class Served:
    """`values` by feature; `flags` uint8; `unsure` marks rows whose states could not be had: no
    values count there.
    """

    values: Values
    flags: NDArray[np.uint8]
    unsure: NDArray[np.bool_]


@dataclass
class LiveStates:
    """All states as of now, for one thread.

    `nightly` is what they stand on (None before the first night). `whole` names the entities of
    which every state that the night built is in memory; of the others `reader` fetches what is
    missing. `problem` says why some are not.
    """

    run: Run
    journal: Journal
    nightly: Nightly | None
    stream: StreamFeatures
    reader: StateReader | None = None
    whole: frozenset[str] = frozenset()
    problem: str = ""
    unwritten: list[NDArray[np.int64]] = field(default_factory=list)
    journal_problem: str = ""
    loss: str = ""
    """What was lost of the journal since the night, in words; stays until the next night, which
    holds everything.
    """
    complete: bool = True
    """Whether all that was taken in since the night is known here: not for a newcomer to a journal
    that was lost.
    """

    def __post_init__(self) -> None:
        self.taken_in = KnownRecords(KEYS + len(self.entities))
        self.settled_at = 0.0
        self.looked_at = 0.0
        self.unrecorded = False
        self._blind = False

    @property
    def entities(self) -> tuple[str, ...]:
        """The entities with states."""
        return tuple(self.stream.arenas)

    def serve(self, requests: Events, features: Iterable[Feature]) -> Served:
        """The features of the requests in their order; each moves the states, here and for the
        other workers.
        """
        self.catch_up()
        unsure = self._fetch(requests)
        values, marks = self.stream.serve(requests, features)
        self._write(
            event_records(requests, self.entities, self._now())[marks & loops.REPEATED == 0]
        )
        flags = _flags(marks)
        if self.nightly is not None:
            flags[requests.time < self.nightly.as_of] |= np.uint8(Flag.BOUNDED)
        if self.unsettled:
            flags |= np.uint8(Flag.BOUNDED)
        return Served(values, flags, unsure)

    def report(self, ids: Ints, reported_at: Ints) -> int:
        """File reports; those ahead of their event wait for it.

        Returns how many of the events are there.
        """
        self.catch_up()
        self._write(report_records(ids, reported_at, self.entities, self._now()))
        return int(self.stream.report(ids, reported_at).sum())

    def catch_up(self) -> None:
        """Take in what other workers wrote, and what the online store has answered meanwhile."""
        if self.reader is not None:
            for entity, table in self.reader.arrived():
                self.stream.load(entity, table)
        self.looked_at = time.monotonic()
        losses = self.journal.losses
        try:
            records = self.journal.news()
        except TollgateError as error:
            self.journal_problem = str(error)
            self._blind = True
            return
        self._blind = False
        if self.journal.losses != losses:
            self._write_again(records)
        elif len(records):
            self._take_in(records)
            self.taken_in.add(records)

    @property
    def unsettled(self) -> bool:
        """Whether what others took in may be missing here: answers say so (`Flag.BOUNDED`)."""
        return self._blind or not self.complete or time.monotonic() < self.settled_at

    def take_over(self, before: LiveStates) -> None:
        """Take in what the states before these have moved by and the journal has not taken yet."""
        for records in before.unwritten:
            self._take_in(records)
            self.taken_in.add(records)
        self.unwritten = [*before.unwritten]
        self.journal_problem = before.journal_problem
        if before.journal.losses or before.journal.stream != self.journal.stream:
            lacking = before.taken_in.lacking(self.taken_in.rows())
            self._take_in(lacking)
            self.taken_in.add(lacking)
            self.unwritten.append(lacking)
            self.complete = self.complete or before.complete
        before.close()

    def figures(self) -> dict[str, float]:
        """How much is held."""
        return {
            **self.stream.figures(),
            "unwritten_batches": len(self.unwritten),
            "journal_losses_total": float(self.journal.losses),
            "journal_unsettled": float(self.unsettled),
        }

    def close(self) -> None:
        """Let go of the journal and the reader."""
        self.journal.close()
        if self.reader is not None:
            self.reader.close()

    def _write_again(self, records: NDArray[np.int64]) -> None:
        """The journal was lost and holds `records` now: take these in, and write what is known here
        and not there.

        Every process does so within `SETTLE` seconds, in which answers say that something may be
        missing.
        """
        lacking = self.taken_in.lacking(records)
        self._take_in(records)
        self.taken_in.add(records)
        self.settled_at = time.monotonic() + SETTLE
        self.unrecorded = True
        at = self.run.clock()
        self.loss = f"{self.journal.why} (noticed at {at:%H:%M} UTC)"
        LOGGER.warning(
            "the journal was lost: %s; %d records are written again", self.journal.why, len(lacking)
        )
        self._put(lacking)

    def record_stream(self) -> None:
        """Let the ledger know of a stream that began after a loss, and look whether what was
        missing is there now.

        Not for the thread that scores: the ledger may be slow. Raises `StoreError`.
        """
        if self.unrecorded:
            record_stream(self.run, self.journal, whole=self.complete)
            self.unrecorded = False
        elif not self.complete:
            recorded = newest_stream(self.run)
            self.complete = (
                recorded is not None and recorded.stream == self.journal.stream and recorded.whole
            )

    def _take_in(self, records: NDArray[np.int64]) -> None:
        if self.nightly is not None:
            built = microseconds_of(self.nightly.built_at)
            records = records[
                (records[:, TIME] >= self.nightly.as_of) | (records[:, ARRIVED] >= built)
            ]
        self.stream.move(events_of(records, self.entities))
        reports = records[records[:, KIND] == REPORT]
        if len(reports):
            self.stream.report(reports[:, ID].copy(), reports[:, TIME].copy())

    def _fetch(self, requests: Events) -> NDArray[np.bool_]:
        """Fetch the states that are missing, one read for each kind of entity; which rows lack one
        all the same.
        """
        unsure = np.zeros(len(requests), dtype=np.bool_)
        missing: dict[str, list[int]] = {}
        for name, arena in self.stream.arenas.items():
            if name in self.whole or self.reader is None:
                continue
            keys = requests.keys[name]
            lacking = ~arena.holds(keys) | self.reader.pending(name, keys)
            if lacking.any():
                missing[name] = np.unique(keys[lacking]).tolist()
        if not missing or self.reader is None:
            return unsure
        for entity, table in self.reader.fetch(missing):
            self.stream.load(entity, table)
        for name in missing:
            unsure |= self.reader.pending(name, requests.keys[name])
        return unsure

    def _write(self, records: NDArray[np.int64]) -> None:
        """Into the journal; what it does not take now goes with the next batch, in order."""
        self.taken_in.add(records)
        self._put(records)

    def _put(self, records: NDArray[np.int64]) -> None:
        self.unwritten.append(records)
        try:
            together = np.concatenate(self.unwritten)
            if len(together):
                self.journal.append(together)
            self.unwritten.clear()
            self.journal_problem = ""
        except TollgateError as error:
            self.journal_problem = str(error)

    def _now(self) -> int:
        return microseconds_of(self.run.clock())


def build(
    run: Run, journal: Journal, nightly: Nightly | None, reader: StateReader | None
) -> LiveStates:
    """The states of that night, moved on by all of the journal.

    Takes seconds: 350,000 events in about one.

    Where the lake cannot be read the states come from the online store, as they are asked for.
    """
    stream = StreamFeatures(run.use_case.stored_features)
    states = LiveStates(run, journal, nightly, stream, reader)
    if nightly is None:
        states.whole = frozenset(stream.arenas)
    else:
        tables: dict[str, list[StatesTable]] = {}
        try:
            for name in stream.arenas:
                tables[name] = list(all_states(run, nightly, name))
        except TollgateError as error:
            states.problem = str(error)
            LOGGER.warning("states are read from the online store one by one: %s", error)
        for name, parts in tables.items() if not states.problem else ():
            for part in parts:
                stream.load(name, part)
        if not states.problem:
            states.whole = frozenset(stream.arenas)
    states.catch_up()
    _judge_newcomer(states)
    stream.make_room()
    return states


def _judge_newcomer(states: LiveStates) -> None:
    """Whether the journal that was read is whole; where the ledger does not say, it is taken for
    whole.
    """
    journal, nightly = states.journal, states.nightly
    try:
        states.complete = is_whole(states.run, journal, nightly.built_at if nightly else None)
    except TollgateError as error:
        LOGGER.warning("whether the journal is whole is not known: %s", error)
    if not states.complete and journal.stream:
        why = journal.why or "the stream is not the one that the ledger knows"
        states.loss = f"{why}; what was answered since the night is not known here"
        LOGGER.warning("the journal was lost before this process came: %s", why)


def _flags(marks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    flags = np.zeros(len(marks), dtype=np.uint8)
    pairs: Mapping[int, Flag] = {
        loops.REPEATED: Flag.REPEATED,
        loops.LATE: Flag.LATE,
        loops.BOUNDED: Flag.BOUNDED,
    }
    flags[known_nothing(marks)] |= np.uint8(Flag.UNKNOWN_ENTITY)
    for mark, flag in pairs.items():
        flags[marks & mark != 0] |= np.uint8(flag)
    return flags
