"""Banks for the watch's benchmark: months of usual days with a champion, and the same days with
something wrong.

Everything is in memory, by the simulator and the one kernel; a day is then profiled as the monitor
profiles it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.gate_worlds import CUSTOMERS, TERMINALS, bench_use_case
from pipelines.base.days import DayRange
from pipelines.drills.simulated_frame import Happened, simulated_frame
from pipelines.nightly.monitor.drift.coherence import coherence
from pipelines.nightly.monitor.performance.review_outcome import Worth, logit, worth
from pipelines.nightly.monitor.profile import DayProfile
from pipelines.nightly.monitor.profiles import entity_features
from pipelines.nightly.monitor.sketch import sketch
from pipelines.simulate.day import DayPlan
from pipelines.simulate.world import World, WorldSize, build_world
from pipelines.training.candidate import Candidate, make_candidate, training_days
from pipelines.training.fitting import matrix_of
from pipelines.usecases.definition import UseCase

STARTS = date(2026, 3, 2)
HISTORY_DAYS, QUIET_DAYS = 35, 120
SAMPLE = 5_000
BLOCKS = 20
AT_ONCE = 80
LEAD_DAYS = 9
"""Days before the first one whose reports come in later."""


@dataclass(frozen=True)
class Watched:
    """A day as the monitor meets it, and (`fraud`) what really happened on it: money caught and
    missed by the list.
    """

    day: date
    profile: DayProfile
    worth: Worth
    truth: Worth
    sample: pd.DataFrame


@dataclass(frozen=True)
class WatchedBank:
    """A bank with a champion as of `STARTS`, watched from then on."""

    seed: int
    use_case: UseCase = field(default_factory=bench_use_case)
    customers: int = CUSTOMERS
    terminals: int = TERMINALS

    @cached_property
    def world(self) -> World:
        """Customers and terminals."""
        return build_world(WorldSize(self.customers, self.terminals, self.seed))

    @cached_property
    def champion(self) -> Candidate:
        """A model that learnt from usual days."""
        frame, _ = self.frame(training_days(self.use_case, STARTS))
        return make_candidate(frame, self.use_case, STARTS)

    @cached_property
    def usual(self) -> dict[date, Watched]:
        """Every watched day, usual."""
        days = DayRange.of_length(STARTS, HISTORY_DAYS + QUIET_DAYS)
        firsts = range(0, len(days), AT_ONCE)
        parts = [
            DayRange.of_length(days.first + timedelta(days=n), min(AT_ONCE, len(days) - n))
            for n in firsts
        ]
        days = {}
        for part in parts:
            events, reports = self.frame(part.widened(before=LEAD_DAYS))
            for watched in self.watched(events, reports, since=part.first):
                days[watched.day] = watched
        return days

    def frame(
        self,
        days: DayRange,
        plans: Mapping[date, DayPlan] | None = None,
        change: Callable[[Happened], Happened] | None = None,
    ) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
        """The training frame of these days, and what really happened in its rows."""
        made = simulated_frame(
            self.world,
            days,
            self.use_case,
            self.use_case.stored_features,
            plans or {},
            change=change,
        )
        return made.frame, made.fraud

    def watched(
        self,
        frame: pd.DataFrame,
        fraud: NDArray[np.bool_],
        *,
        since: date,
        features: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> Iterator[Watched]:
        """Each day of a frame from `since` on; `features`, where given, is the job's fault in them.

        Label rows are counted by the day they come in, so the frame has to begin as many days
        earlier as they take.
        """
        scorer, case = self.champion.scorer, self.use_case
        seen = frame if features is None else features(frame)
        every = scorer.score(matrix_of(seen, scorer.feature_names))
        day_of = frame["day"].to_numpy()
        known_by = frame[case.label.reported_at].dt.tz_localize(None).to_numpy()
        arrived = known_by.astype("datetime64[D]")
        for day in map(pd.Timestamp, pd.unique(frame["day"][frame["day"] >= pd.Timestamp(since)])):
            rows = np.flatnonzero(day_of == day.to_datetime64())
            today = frame.iloc[rows]
            reported = known_by[rows] <= np.datetime64(day.date(), "us") + np.timedelta64(
                case.label.delay_days + 1, "D"
            )
            reports = int((arrived == np.datetime64(day.date(), "D")).sum())
            judged = self.judged(frame, day.date())[rows]
            yield self._watched_day(
                day, today, seen.iloc[rows], every[rows], reported, fraud[rows], reports, judged
            )

    def judged(self, frame: pd.DataFrame, _day: date) -> NDArray[np.bool_]:
        """The rows of `frame` that a day's worth is measured by: all of them."""
        return np.ones(len(frame), dtype=np.bool_)

    def _watched_day(
        self,
        day: pd.Timestamp,
        today: pd.DataFrame,
        seen: pd.DataFrame,
        score: NDArray[np.float64],
        reported: NDArray[np.bool_],
        fraud: NDArray[np.bool_],
        reports: int,
        judged: NDArray[np.bool_],
    ) -> Watched:
        """One day: its events, their features as the model saw them, scores, what was reported in
        time, the truth.

        The day is worth what the rows of `judged` (parallel to `today`) are.
        """
        scorer, case = self.champion.scorer, self.use_case
        names = list(self.champion.feature_set.names)
        chosen = np.random.default_rng([self.seed, day.toordinal()]).permutation(len(today))[
            :SAMPLE
        ]
        sample = seen.iloc[chosen][names].reset_index(drop=True)
        judge = {
            "unit": today[case.review.unit].to_numpy()[judged],
            "score": score[judged],
            "amount": today["amount"].to_numpy()[judged],
            "capacity": case.review.capacity,
        }
        return Watched(
            day=day.date(),
            profile=DayProfile(
                **self._counts(today),
                inputs={"amount": sketch(today["amount"].to_numpy()[chosen])},
                features={name: sketch(sample[name].to_numpy()) for name in names},
                coherence=self._coherence(today.iloc[chosen], sample),
                score=sketch(logit(score[chosen])),
                tail=float(np.mean(score >= scorer.threshold)),
                reports=reports,
                rejected=0.0,
                release=scorer.release_id,
            ),
            worth=worth(label=reported[judged].astype(int), **judge),
            truth=worth(label=fraud[judged].astype(int), **judge),
            sample=sample.assign(score=score[chosen]),
        )

    def _coherence(self, chosen: pd.DataFrame, sample: pd.DataFrame) -> dict[str, float]:
        schema = self.use_case.stored_features.schema
        correlations: dict[str, float] = {}
        for entity in schema.entities:
            names = [
                n
                for n in entity_features(self.use_case.stored_features, entity.name)
                if n in sample
            ]
            values = {name: sample[name].to_numpy() for name in names}
            correlations |= coherence(
                chosen[entity.key].to_numpy(), chosen[schema.time].to_numpy(), values
            )
        return correlations

    def _counts(self, today: pd.DataFrame) -> dict[str, object]:
        case = self.use_case
        entities = {
            entity.name: today[entity.key].to_numpy()
            for entity in case.stored_features.schema.entities
        }
        sizes = {"customer": self.customers, "terminal": self.terminals}
        edges = {
            name: tuple(range(sizes[name] // BLOCKS, sizes[name], sizes[name] // BLOCKS))
            for name in entities
        }
        return {
            "rows": len(today),
            "hours": tuple(np.bincount(today[case.events.time].dt.hour, minlength=24).tolist()),
            "edges": edges,
            "blocks": {
                name: tuple(
                    np.bincount(
                        np.searchsorted(edges[name], keys, side="right"), minlength=BLOCKS
                    ).tolist()
                )
                for name, keys in entities.items()
            },
            "units": {name: len(np.unique(keys)) for name, keys in entities.items()},
        }
