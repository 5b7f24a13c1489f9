"""What was really answered, beside the batch: in order nothing differs, and every difference gets
its own cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features import stream
from features.context import Context
from features.feature import Feature
from features.stacked import Stack
from pipelines.accounts.served import ServedAccount
from pipelines.base.days import midnight
from pipelines.base.settings import Settings
from pipelines.parity.replay import DayStream
from pipelines.parity.served import served_day, served_parity
from pipelines.parity.served.figures import beyond_policy
from pipelines.parity.served.predictions import BOUNDED, UNKNOWN_ENTITY
from pipelines.prediction_log.writer import SALT
from pipelines.releases.canary import in_canary
from pipelines.releases.fallback import begin
from pipelines.releases.promotion import put
from pipelines.run import Run
from pipelines.serve.engine.engine import LiveEngine
from pipelines.serve.predictions import Flag
from pipelines.training.evidence.served import served_holds
from pipelines.usecases.registry import load
from tests.conftest import NOW
from tests.pipelines.ledger_copy import on_ledger_copy
from tests.pipelines.online_lake import DAY, EVENTS_A_DAY
from tests.pipelines.releases.bundles import stored_release
from tests.pipelines.served_home import (
    TODAY,
    Clock,
    ask,
    changed,
    chosen,
    forget_answers,
    make_home,
    predict,
    serving,
    stream_of,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow
MEAN = "customer_amount_mean_30d"


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, DayStream]:
    """A home with a release and the states of the night before; each test lets it answer anew."""
    run = Run(
        Settings.build(home=tmp_path_factory.mktemp("served"), spark_cores=1),
        load("fraud"),
        clock=lambda: NOW,
    )
    make_home(run)
    return run, stream_of(run)


@pytest.fixture
def world(home: tuple[Run, DayStream], tmp_path: Path) -> tuple[Run, DayStream, Clock]:
    """Nothing was answered yet, and the ledger knows of no journal: else one that is gone would be
    told as lost.
    """
    base, day = home
    (tmp_path / "ledger").mkdir()
    run = on_ledger_copy(base, tmp_path / "ledger")
    forget_answers(run.settings)
    return run, day, Clock(midnight(DAY))


def measured(run: Run) -> ServedAccount:
    parity = served_day(run, DAY)
    assert isinstance(parity, ServedAccount), parity
    return parity


def test_answers_in_order_are_the_batch_bit_by_bit(world: tuple[Run, DayStream, Clock]) -> None:
    run, day, clock = world
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, reports=day.reports)
        ask(engine, clock, day.events, [3, 4])
    parity = measured(run)
    assert (parity.answers, parity.compared, parity.scored) == (
        EVENTS_A_DAY,
        EVENTS_A_DAY,
        EVENTS_A_DAY,
    )
    assert (parity.repeated, parity.not_in_lake, parity.not_answered, parity.fallback_share) == (
        2,
        0,
        0,
        0,
    )
    assert parity.mismatching == 0, parity.to_json()
    assert set(parity.mismatches) == {*_names(run), "score", "decision"}
    record = run.ledger.latest(ServedAccount)[DAY]
    assert record.status == "done"
    assert record.account.replaced(policies={}) == parity.replaced(policies={})


def test_where_nothing_was_served_the_day_is_passed_over(
    world: tuple[Run, DayStream, Clock],
) -> None:
    run, _, _ = world
    before = run.ledger.latest("served")
    assert served_parity(run, TODAY).accounts[DAY].passed_over == "nothing was served on this day"
    other = TODAY.widened(after=1)
    assert served_parity(run, other).accounts[other.last].passed_over == "no features of this day"
    assert run.ledger.latest("served") == before


def test_answers_after_midnight_count_and_a_sample_of_the_units_is_measured_by_itself(
    world: tuple[Run, DayStream, Clock],
) -> None:
    run, day, clock = world
    late = midnight(DAY) + timedelta(hours=25)
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, range(EVENTS_A_DAY - 1), reports=day.reports)
        clock.now = late
        ask(engine, clock, day.events, [EVENTS_A_DAY - 1])
    assert measured(run).compared == EVENTS_A_DAY
    share = replace(run.use_case.serving, logged_share=0.5, late_hours=1)
    sampled = measured(replace(run, use_case=replace(run.use_case, serving=share)))
    assert (sampled.compared, sampled.mismatching) == (EVENTS_A_DAY - 1, 0)
    drawn = in_canary(day.events.keys["customer"], SALT, 0.5)
    assert sampled.not_answered == int(drawn[-1])


def test_events_that_overtook_each_other_are_explained(world: tuple[Run, DayStream, Clock]) -> None:
    run, day, clock = world
    order = _overtaking(day)
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, order, reports=day.reports)
    parity = measured(run)
    assert parity.mismatching > 0
    assert parity.causes == {"later event first": parity.mismatching}
    assert "tolerated" in beyond_policy(parity, run.use_case.serving), (
        "explained, and far more than the policy takes"
    )
    assert parity.unexplained == 0


def test_an_event_that_was_never_asked_about_and_one_that_never_arrived(
    world: tuple[Run, DayStream, Clock],
) -> None:
    run, day, clock = world
    customers = day.events.keys["customer"]
    first, other = _firsts(customers)
    stranger = changed(chosen(day.events, [other]), id=np.array([999_999_999]))
    with serving(run.settings, clock) as engine:
        for i in range(len(day.events)):
            if i == other:
                ask(engine, clock, stranger)
            if i != first:
                ask(engine, clock, day.events, [i])
    parity = measured(run)
    assert (parity.not_answered, parity.not_in_lake, parity.unexplained) == (1, 1, 0), (
        parity.to_json()
    )
    by = parity.by_feature["customer_tx_count_1d"]
    assert set(by) == {"never asked", "never arrived"}, by
    assert by["never asked"] == int((customers[first + 1 :] == customers[first]).sum())


def test_a_corrected_amount_is_other_content_for_the_event_and_those_after_it(
    world: tuple[Run, DayStream, Clock],
) -> None:
    run, day, clock = world
    customers = day.events.keys["customer"]
    first, _ = _firsts(customers)
    cents = day.events.cents.copy()
    cents[first] += 100
    with serving(run.settings, clock) as engine:
        ask(engine, clock, changed(day.events, cents=cents), reports=day.reports)
    parity = measured(run)
    assert parity.causes == {"other content": int((customers[first:] == customers[first]).sum())}
    assert parity.mismatches["amount"] == 1
    assert parity.examples["amount"][0].event_id == day.events.id[first]
    assert parity.examples["amount"][0].online == cents[first] / 100


def test_two_workers_that_answer_in_one_moment(world: tuple[Run, DayStream, Clock]) -> None:
    """The second worker's journal is not read: as if both had answered before either had
    written.
    """
    run, day, clock = world
    customers = day.events.keys["customer"]
    first, _ = _firsts(customers)
    second = first + 1 + int(np.flatnonzero(customers[first + 1 :] == customers[first])[0])
    twins = chosen(day.events, [first, second])
    with serving(run.settings, clock) as engine, serving(run.settings, clock, worker=1) as two:
        two._states.journal.news = lambda: np.empty((0, 7), dtype=np.int64)  # type: ignore[method-assign]
        clock.now = midnight(DAY) + timedelta(hours=23, minutes=50)
        ask(engine, clock, twins, [0])
        ask(two, clock, twins, [1])
    parity = measured(run)
    assert parity.by_feature["customer_tx_count_1d"] == {"concurrent": 1}, parity.to_json()


def test_a_fallback_is_told_apart_from_a_fallback_by_policy(
    world: tuple[Run, DayStream, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, day, clock = world
    with serving(run.settings, clock) as engine:
        states = engine._states
        monkeypatch.setattr(
            states, "_fetch", lambda requests: np.ones(len(requests), dtype=np.bool_)
        )
        for arena in states.stream.arenas.values():
            arena._arrays.length[:] = 0
        ask(engine, clock, day.events, reports=day.reports)
    parity = measured(run)
    assert parity.fallback_share == 1
    assert parity.causes == {"fallback": parity.mismatching}
    assert parity.mismatching > EVENTS_A_DAY / 2
    assert parity.scored == 0


def test_a_store_that_lacked_an_entity(world: tuple[Run, DayStream, Clock]) -> None:
    run, day, clock = world
    with serving(run.settings, clock) as engine:
        arena = engine._states.stream.arenas["customer"]
        arena._arrays.length[:] = 0
        ask(engine, clock, day.events, reports=day.reports)
    parity = measured(run)
    assert parity.causes["unknown then known"] == len(np.unique(day.events.keys["customer"]))
    assert set(parity.causes) <= {"unknown then known", "unexplained"}


def test_a_report_that_was_not_pushed(world: tuple[Run, DayStream, Clock]) -> None:
    run, day, clock = world
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events)
    parity = measured(run)
    assert parity.mismatching > 0
    assert parity.causes == {"report": parity.mismatching}
    assert all("fraud" in name for name in parity.by_feature if name not in ("score", "decision"))


def test_another_definition_online_is_unexplained_and_refuses_the_next_release(
    world: tuple[Run, DayStream, Clock],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, day, clock = world
    monkeypatch.setattr(stream, "values", _with_a_slip(stream.values))
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, reports=day.reports)
    account = served_parity(run, TODAY).accounts[DAY]
    assert account.by_feature[MEAN] == {"unexplained": account.mismatches[MEAN]}
    assert set(account.by_feature) <= {MEAN, "score", "decision"}
    record = run.ledger.latest(ServedAccount)[DAY]
    assert record.status == "refused"
    assert f"differ for no known cause: {MEAN} (" in record.account.reason
    incident = next(
        incident
        for incident in run.ledger.incidents(open_only=True)
        if incident.kind == "served parity"
    )
    assert (incident.severity, incident.detail.runbook) == (
        "critical",
        "docs/runbooks/served-parity.md",
    )
    assert any(MEAN in line for line in incident.detail.evidence)
    check = served_holds(record.account, run.use_case.serving)
    assert (check.outcome, check.consequence) == ("failed", "refuse")
    assert MEAN in check.found
    _command_says(run, monkeypatch, capsys)
    monkeypatch.undo()
    _in_order_again(run, day)
    assert not [
        incident
        for incident in run.ledger.incidents(open_only=True)
        if incident.kind == "served parity"
    ]


@pytest.fixture
def half(world: tuple[Run, DayStream, Clock], tmp_path: Path) -> Iterator[Run]:
    """The run with a canary of half of the units, and with predictions that rest on it as long as
    the test lasts.
    """
    run = on_ledger_copy(world[0], tmp_path)
    half = replace(
        run, use_case=replace(run.use_case, rollout=replace(run.use_case.rollout, canary_share=0.5))
    )
    champion = half.ledger.champion()
    assert champion is not None
    other = stored_release(half, 8, "approved").release_id
    put(half, champion, other, "canary", reason="for the test")
    predict(half)
    yield half
    predict(world[0])


def test_scores_that_a_canary_decided_are_compared_too(
    world: tuple[Run, DayStream, Clock], half: Run
) -> None:
    _, day, clock = world
    pointer = half.ledger.champion()
    assert pointer is not None
    engine = LiveEngine(replace(half, clock=clock))
    ask(engine, clock, day.events, reports=day.reports)
    engine.close()
    parity = measured(half)
    deciders = {
        row["release"]
        for row in half.lake.read("predictions").select("release").distinct().collect()
    }
    assert deciders == {pointer.release_id, pointer.challenger}
    assert (parity.compared, parity.scored, parity.mismatching) == (EVENTS_A_DAY, EVENTS_A_DAY, 0)


def test_by_policy_the_rule_decides_and_explains_nothing(
    world: tuple[Run, DayStream, Clock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, (_, day, clock) = on_ledger_copy(world[0], tmp_path), world
    begin(run.ledger, first=DAY, reason="test", actor="test", at=midnight(DAY))
    monkeypatch.setattr(stream, "values", _with_a_slip(stream.values))
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, reports=day.reports)
    parity = measured(run)
    assert parity.fallback_share == 1
    assert parity.by_feature[MEAN] == {"unexplained": parity.mismatches[MEAN]}


def test_flags_are_those_of_the_scorer() -> None:
    assert (UNKNOWN_ENTITY, BOUNDED) == (Flag.UNKNOWN_ENTITY, Flag.BOUNDED)


def _names(run: Run) -> tuple[str, ...]:
    return run.use_case.feature_sets["baseline"].names


def _firsts(customers: np.ndarray) -> list[int]:
    """The first events of two customers who have several that day."""
    counts = {key: int((customers == key).sum()) for key in np.unique(customers).tolist()}
    several = [key for key, count in counts.items() if count >= 2]
    return sorted(int(np.flatnonzero(customers == key)[0]) for key in several)[:2]


def _overtaking(day: DayStream) -> list[int]:
    """An order in which some events come right after a later one of their customer."""
    customers, times = day.events.keys["customer"], day.events.time
    order = list(range(len(customers)))
    for first in _firsts(customers):
        later = [i for i in range(first + 1, len(customers)) if customers[i] == customers[first]]
        if later and times[later[0]] > times[first]:
            order.remove(first)
            order.insert(order.index(later[0]) + 1, first)
    return order


def _with_a_slip(
    honest: Callable[[Feature | Stack, Context], Any],
) -> Callable[[Feature | Stack, Context], Any]:
    """A mean of 30 days with a slip: a cent too much."""

    def wrong(feature: Feature | Stack, context: Context) -> Any:
        values = honest(feature, context)
        names = feature.names if isinstance(feature, Stack) else (feature.name,)
        slip = 0.01 * (np.array(names) == MEAN)
        return (
            values + (slip.reshape(-1, 1) if isinstance(feature, Stack) else slip[0])
            if slip.any()
            else values
        )

    return wrong


def _command_says(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipelines.cli.main import main

    for name, value in run.settings.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ending:
        main(["parity", "--served", "--day", str(DAY)])
    assert ending.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith(f"{MEAN} differs for 24 answers (unexplained 24)") for line in lines
    ), lines
    assert lines[-1].startswith(
        f"served parity does not hold: {DAY}, 24 answers compared, 24 differ"
    )


def _in_order_again(run: Run, day: DayStream) -> None:
    clock = Clock(midnight(DAY))
    forget_answers(run.settings)
    with serving(run.settings, clock) as engine:
        ask(engine, clock, day.events, reports=day.reports)
    assert measured(run).mismatching == 0
