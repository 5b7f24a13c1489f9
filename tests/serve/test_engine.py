"""The engine on a real home: the night's states, the journal, the ledger's pointer, the log of
answers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.kernel import Events, compute
from pipelines.prediction_log.files import answers_folder, read_answers
from pipelines.releases.bundle import releases_folder
from pipelines.releases.contenders import load_contenders
from pipelines.releases.fallback import begin, end
from pipelines.releases.promotion import put
from pipelines.releases.scorer import load_champion
from pipelines.run import Run
from pipelines.serve.engine.engine import LiveEngine
from pipelines.serve.predictions import Flag, Predictions
from pipelines.serve.score_request import ScoreRequest, Share
from pipelines.serve.wire.json_wire import JsonWire
from pipelines.serve.wire.request_bounds import door
from tests.pipelines.releases.boosters import AT, make_bundle, make_champion
from tests.serve.nights import (
    DAY,
    NOW,
    START,
    asked,
    history,
    make_home,
    make_run,
    micros,
    on_day,
    taken,
    write_night,
)

EVENTS = history()
TODAY = on_day(EVENTS)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_home(tmp_path / "home", EVENTS)


@pytest.fixture
def engine(run: Run) -> Iterator[LiveEngine]:
    engine = LiveEngine(run)
    yield engine
    engine.close()


def score(engine: LiveEngine, events: Events, *, explained: bool = False) -> Predictions:
    return engine.score(asked(events), np.full(len(events), explained))


def serve_day(engines: list[LiveEngine], events: Events, size: int = 16) -> dict[str, np.ndarray]:
    """The day in order, batches and reports dealt to the engines in turn; the features by name, and
    the scores.
    """
    reported = taken(EVENTS, np.flatnonzero(EVENTS.reported < START + 86_400_000_000))
    due = sorted(
        (int(at), int(i))
        for i, at in zip(reported.id, reported.reported, strict=True)
        if at >= START
    )
    answers: list[Predictions] = []
    first, turn = 0, 0
    while first < len(events):
        while due and due[0][0] <= events.time[first]:
            at, event = due.pop(0)
            engines[turn % len(engines)].report(np.array([event]), np.array([at]))
        past = first + 1
        while past < min(first + size, len(events)) and not (
            due and due[0][0] <= events.time[past]
        ):
            past += 1
        turn += 1
        answers.append(score(engines[turn % len(engines)], taken(events, slice(first, past))))
        first = past
    matrix = np.concatenate([answer.features for answer in answers])
    features = {name: matrix[:, number] for number, name in enumerate(answers[0].names)}
    return features | {"score": np.concatenate([answer.scores for answer in answers])}


def batch_of(run: Run, events: Events) -> dict[str, np.ndarray]:
    """What the nightly stages compute for those events from the whole history."""
    scorer = load_champion(run)
    rows = np.flatnonzero(np.isin(EVENTS.id, events.id))
    stored = run.use_case.stored_features
    values = compute([stored[name] for name in scorer.feature_names], EVENTS, rows)
    matrix = np.column_stack([values[name].astype(float) for name in scorer.feature_names])
    return {name: matrix[:, number] for number, name in enumerate(scorer.feature_names)} | {
        "score": scorer.score(matrix)
    }


def differing(features: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    return [name for name in expected if features[name].tobytes() != expected[name].tobytes()]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_day_in_order_gets_the_features_and_scores_of_the_night(run: Run, workers: int) -> None:
    """Also where the day is dealt out to several processes: each sees what the others answered."""
    engines = [LiveEngine(run, worker=number) for number in range(workers)]
    try:
        assert differing(serve_day(engines, TODAY), batch_of(run, TODAY)) == []
    finally:
        for each in engines:
            each.close()


def test_a_restart_goes_on_where_it_stopped(run: Run) -> None:
    half = len(TODAY) // 2
    first = LiveEngine(run)
    before = serve_day([first], taken(TODAY, slice(0, half)))
    second = LiveEngine(run, worker=1)
    after = serve_day([second], taken(TODAY, slice(half, None)))
    both = {name: np.concatenate([before[name], after[name]]) for name in before}
    second.close()
    first.close()  # only now: as after kill -9 the second took over from one that closed nothing
    assert differing(both, batch_of(run, TODAY)) == []


def test_a_new_night_is_taken_over_and_sets_right_what_the_stream_had_wrong(
    run: Run, engine: LiveEngine
) -> None:
    """An event that never reached the lake is forgotten, one that came late into the lake is
    there.
    """
    missed, sent = taken(TODAY, slice(0, 3)), taken(TODAY, slice(3, None))
    score(engine, sent)
    phantom = Events(
        id=np.array([10**9]),
        time=sent.time[-1:],
        cents=np.array([77]),
        reported=asked(sent).reported[-1:],
        keys={name: keys[:1] for name, keys in missed.keys.items()},
    )
    score(engine, phantom)
    assert len(missed) == 3
    write_night(
        run, EVENTS, DAY, datetime.combine(DAY + timedelta(days=1), datetime.min.time(), NOW.tzinfo)
    )
    engine.look_for_night()
    assert engine.readiness().facts["states_of"] == str(DAY), "told before anybody asks for a score"
    tomorrow = Events(
        id=TODAY.id + 10**6,
        time=TODAY.time + 86_400_000_000,
        cents=TODAY.cents,
        reported=TODAY.reported,
        keys=TODAY.keys,
    )
    answers = score(engine, taken(tomorrow, slice(0, 1)))
    everything = Events(
        id=np.append(EVENTS.id, tomorrow.id[0]),
        time=np.append(EVENTS.time, tomorrow.time[0]),
        cents=np.append(EVENTS.cents, tomorrow.cents[0]),
        reported=np.append(
            np.where(EVENTS.reported < START + 86_400_000_000, EVENTS.reported, 2**63 - 1),
            2**63 - 1,
        ),
        keys={name: np.append(keys, tomorrow.keys[name][0]) for name, keys in EVENTS.keys.items()},
    )
    stored = run.use_case.stored_features
    expected = compute(
        [stored[name] for name in answers.names], everything, np.array([len(EVENTS)])
    )
    assert answers.features[0].tolist() == [float(expected[name][0]) for name in answers.names]


def test_the_pointer_is_followed_without_a_restart_and_back(run: Run, engine: LiveEngine) -> None:
    first = score(engine, taken(TODAY, slice(0, 4))).deciders[0].release_id
    other = make_bundle(
        run.settings.home, run.use_case.feature_sets["baseline"], as_of="2026-11-10"
    )
    make_champion(run, other)
    engine.look_at_ledger()
    answers = score(engine, taken(TODAY, slice(4, 8)))
    assert (
        {answers.deciders[i].release_id for i in answers.decided_by}
        == {other.release_id}
        != {first}
    )
    assert answers.names == run.use_case.feature_sets["baseline"].names
    run.ledger.move_champion(
        first, expected=run.ledger.champion(), reason="back", actor="test", at=AT
    )
    engine.look_at_ledger()
    assert score(engine, taken(TODAY, slice(8, 9))).deciders[0].release_id == first


def test_a_release_that_will_not_load_leaves_the_last_good_one_and_says_so(
    run: Run, engine: LiveEngine
) -> None:
    good = score(engine, taken(TODAY, slice(0, 1))).deciders[0].release_id
    other = make_bundle(
        run.settings.home, run.use_case.feature_sets["baseline"], as_of="2026-11-10"
    )
    make_champion(run, other)
    model = releases_folder(run.settings.home) / other.release_id / "model.ubj"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    engine.look_at_ledger()
    answers = score(engine, taken(TODAY, slice(1, 2)))
    assert answers.deciders[answers.decided_by[0]].release_id == good
    assert not answers.flags[0] & Flag.FALLBACK
    assert other.release_id in " ".join(engine.readiness().problems)


def test_a_scorer_that_starts_without_its_champion_decides_as_the_night_does(run: Run) -> None:
    """The rule stands in for the champion, and a canary keeps its share, look after look."""
    champion = run.ledger.champion()
    assert champion is not None
    other = make_bundle(
        run.settings.home, run.use_case.feature_sets["baseline"], as_of="2026-11-10"
    )
    account = other.record.replaced(
        manifest_digest=other.manifest_digest, signed_by=other.signed_by, model_version="5"
    )
    run.ledger.add_release(other.release_id, account, at=AT)
    put(run, champion, other.release_id, "canary", reason="for the test")
    model = releases_folder(run.settings.home) / champion.release_id / "model.ubj"
    model.write_bytes(model.read_bytes()[:-1] + b"!")

    nightly = load_contenders(run)
    engine = LiveEngine(run)
    engine.look_at_ledger()
    engine.look_at_ledger()
    answers = score(engine, TODAY)
    engine.close()
    deciders = {answers.deciders[i].release_id for i in answers.decided_by.tolist()}
    assert nightly.champion.fallback
    assert nightly.challenger is not None
    assert deciders == {nightly.champion.release_id, nightly.challenger.release_id}


def test_without_a_release_the_declared_rule_answers_flagged(tmp_path: Path) -> None:
    run = make_run(tmp_path / "home")
    write_night(run, EVENTS, DAY - timedelta(days=1), NOW - timedelta(hours=10))
    engine = LiveEngine(run)
    answers = score(engine, taken(TODAY, slice(0, 5)))
    engine.close()
    assert all(answers.flags & Flag.FALLBACK)
    assert (
        answers.scores.tolist()
        == np.clip(TODAY.cents[:5] / 100 / run.use_case.rule.scale, 0, 1).tolist()
    )
    assert "no release" in answers.deciders[0].reason


def test_on_days_of_a_fallback_by_policy_the_rule_decides(run: Run, engine: LiveEngine) -> None:
    begin(run.ledger, DAY, reason="a bug", actor="test", at=NOW)
    engine.look_at_ledger()
    answers = score(engine, taken(TODAY, slice(0, 5)))
    deciders = {answers.deciders[i] for i in answers.decided_by.tolist()}
    assert {(one_decider.release_id, one_decider.fallback) for one_decider in deciders} == {
        ("rule", True)
    }
    assert "a bug" in next(iter(deciders)).reason
    assert answers.names, "what the champion saw is kept all the same"


def test_each_row_tells_the_fallback_that_covers_its_own_day(run: Run, engine: LiveEngine) -> None:
    """As nightly scoring does: an event of an earlier fallback does not carry the reason of a later
    one.
    """
    begin(run.ledger, DAY, reason="the first bug", actor="test", at=NOW)
    end(run.ledger, DAY + timedelta(days=1), reason="mended", actor="test", at=NOW)
    begin(run.ledger, DAY + timedelta(days=30), reason="the second bug", actor="test", at=NOW)
    engine.look_at_ledger()
    answers = score(engine, taken(TODAY, slice(0, 5)))
    deciders = {answers.deciders[i].reason for i in answers.decided_by.tolist()}
    assert deciders == {f"by policy since {DAY}: the first bug"}


def test_a_canary_decides_for_its_share_and_a_shadow_for_nobody(
    run: Run, engine: LiveEngine
) -> None:
    champion = run.ledger.champion()
    assert champion is not None
    other = make_bundle(
        run.settings.home, run.use_case.feature_sets["baseline"], as_of="2026-11-10"
    )
    account = other.record.replaced(
        manifest_digest=other.manifest_digest, signed_by=other.signed_by, model_version="5"
    )
    run.ledger.add_release(other.release_id, account, at=AT)
    deciders = {}
    for state in ("shadow", "canary"):
        put(run, run.ledger.champion(), other.release_id, state, reason="for the test")
        engine.look_at_ledger()
        answers = score(engine, TODAY)
        deciders[state] = {answers.deciders[i].release_id for i in answers.decided_by.tolist()}
    assert deciders == {
        "shadow": {champion.release_id},
        "canary": {champion.release_id, other.release_id},
    }


def test_what_only_the_challenger_reads_is_logged_and_not_told(run: Run) -> None:
    larger, small = load_champion(run), run.use_case.feature_sets["baseline"]
    only = [name for name in larger.feature_names if name not in small.names]
    assert only
    champion = make_bundle(run.settings.home, small, as_of="2026-11-10")
    make_champion(run, champion)
    put(run, run.ledger.champion(), larger.release_id, "canary", reason="for the test")
    engine = LiveEngine(run)
    answers = score(engine, TODAY)
    engine.fall_back(asked(taken(TODAY, slice(0, 2))), "the deadline has passed")
    engine.close()
    assert answers.shown_names == small.names
    assert answers.part(1, 3).shown_names == small.names
    wire = JsonWire(run.use_case, door(run.use_case, now=lambda: 0), most_rows=len(TODAY))
    rows = np.column_stack([TODAY.id, TODAY.time, TODAY.cents, *TODAY.keys.values()])
    document = json.loads(
        wire.write(ScoreRequest(rows=rows, features=True), Share(answers, 0, len(TODAY)))
    )["answers"]
    assert {tuple(member["features"]) for member in document} == {small.names}
    logged = {
        table.num_rows: table
        for table in read_answers(answers_folder(run.settings.home, "fraud"), [NOW])
    }
    table = (
        pa.concat_tables(logged.values())
        .filter(pc.equal(pc.field("reason"), ""))
        .sort_by("transaction_id")
    )
    order = np.argsort(TODAY.id)
    assert set(table["release"].to_pylist()) == {champion.release_id, larger.release_id}
    matrix = np.column_stack([table[f"feature.{name}"].to_numpy() for name in larger.feature_names])
    assert larger.score(matrix).tolist() == table["challenger_score"].to_pylist()
    assert (
        matrix[:, 0].tolist()
        == answers.features[order, answers.names.index(larger.feature_names[0])].tolist()
    )


def test_unknown_entities_are_flagged_and_have_their_defaults(engine: LiveEngine) -> None:
    stranger = Events(
        id=np.array([10**9]),
        time=np.array([START + 5]),
        cents=np.array([5000]),
        reported=asked(TODAY).reported[:1],
        keys={"customer": np.array([999_999]), "terminal": np.array([888_888])},
    )
    answers = score(engine, stranger, explained=True)
    assert answers.flags[0] & Flag.UNKNOWN_ENTITY
    assert len(answers.reasons[0]) == 3
    again = score(engine, stranger)
    assert again.flags[0] & Flag.REPEATED
    assert again.scores.tolist() == answers.scores.tolist()


def test_every_answer_is_in_the_log_with_its_features(run: Run) -> None:
    engine = LiveEngine(run)
    answers = score(engine, TODAY)
    engine.close()
    tables = read_answers(answers_folder(run.settings.home, "fraud"), [NOW])
    table = tables[0].sort_by("transaction_id")
    order = np.argsort(TODAY.id)
    assert [t.num_rows for t in tables] == [len(TODAY)]
    assert table["transaction_id"].to_pylist() == TODAY.id[order].tolist()
    assert table["score"].to_pylist() == answers.scores[order].tolist()
    for number, name in enumerate(answers.names):
        assert table[f"feature.{name}"].to_pylist() == answers.features[order, number].tolist()
    assert set(table["release"].to_pylist()) == {answers.deciders[0].release_id}


def test_what_the_rule_answered_for_want_of_time_is_in_the_log_too(run: Run) -> None:
    engine = LiveEngine(run)
    some = asked(taken(TODAY, slice(0, 3)))
    engine.fall_back(some, "the deadline has passed")
    engine.score(some, np.zeros(3, dtype=bool))
    engine.close()
    [table] = read_answers(answers_folder(run.settings.home, "fraud"), [NOW])
    rows = table.to_pylist()
    assert [row["fallback"] for row in rows] == [True] * 3 + [False] * 3
    assert {row["reason"] for row in rows[:3]} == {"the deadline has passed"}
    assert all(np.isnan(row["feature.amount"]) for row in rows[:3])
    assert [row["feature.amount"] for row in rows[3:]] == (some.cents / 100).tolist()


def test_a_report_ahead_of_its_event_waits_for_it(run: Run, engine: LiveEngine) -> None:
    event = taken(TODAY, slice(0, 1))
    at = int(event.time[0]) + 5
    assert engine.report(event.id, np.array([at])) == 0
    score(engine, event)
    state = engine.state("terminal", int(event.keys["terminal"][0]))
    assert state.reported_at[state.event_ids == event.id[0]].tolist() == [at]
    assert engine.figures()["waiting_reports"] == 0


def test_a_disk_that_takes_nothing_is_told_and_answers_go_out(
    run: Run, engine: LiveEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = engine._states.journal
    monkeypatch.setattr(type(journal), "append", _refuse)
    answers = score(engine, taken(TODAY, slice(0, 10)))
    assert not answers.flags.any()
    assert any("journal" in problem for problem in engine.readiness().problems)
    monkeypatch.undo()
    score(engine, taken(TODAY, slice(10, 11)))
    assert not engine.readiness().problems
    other = LiveEngine(run, worker=1)
    assert other.figures()["customer_events"] == engine.figures()["customer_events"]
    other.close()


def test_what_the_journal_has_not_taken_survives_a_new_night(
    run: Run, engine: LiveEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = engine._states.journal
    monkeypatch.setattr(type(journal), "append", _refuse)
    score(engine, TODAY)
    write_night(run, EVENTS, DAY - timedelta(days=1), NOW - timedelta(hours=1))
    engine.look_for_night()
    monkeypatch.undo()
    again = score(engine, TODAY)
    assert all(again.flags & Flag.REPEATED)
    other = LiveEngine(run, worker=1)
    assert all(score(other, TODAY).flags & Flag.REPEATED)
    other.close()


def _refuse(*_: object) -> None:
    from pipelines.base.errors import StoreError

    raise StoreError("no space left")


def test_a_lake_that_cannot_be_read_leaves_the_online_store(run: Run) -> None:
    """Nothing is in memory then, and the online store, which was never filled here, cannot say: the
    rule, flagged.
    """
    shutil.rmtree(f"{run.settings.lake}/fraud/customer_state")
    engine = LiveEngine(run)
    answers = score(engine, taken(TODAY, slice(0, 3)))
    problems = " ".join(engine.readiness().problems)
    engine.close()
    assert "customer_state" in problems
    assert all(answers.flags & Flag.FALLBACK)
    assert np.isnan(answers.features).all(), "features that were not had are not told"
    assert (
        answers.scores.tolist()
        == np.clip(TODAY.cents[:3] / 100 / run.use_case.rule.scale, 0, 1).tolist()
    )


def test_a_late_event_of_before_the_night_is_marked_as_not_whole(engine: LiveEngine) -> None:
    late = taken(EVENTS, np.flatnonzero(EVENTS.time < START)[-1:])
    late = Events(
        id=late.id + 10**8,
        time=late.time,
        cents=late.cents,
        reported=asked(late).reported,
        keys=late.keys,
    )
    assert micros(NOW) > START
    assert score(engine, late).flags[0] & Flag.BOUNDED


def test_at_the_deadline_the_rule_scores_by_its_own_column(run: Run) -> None:
    rule = replace(run.use_case.rule, column="is_night", scale=1.0, threshold=0.5)
    engine = LiveEngine(replace(run, use_case=replace(run.use_case, rule=rule)))
    try:
        some = asked(taken(TODAY, slice(0, 200)))
        predictions = engine.fall_back(some, "the deadline has passed")
    finally:
        engine.close()
    hours = some.time // 3_600_000_000 % 24
    assert predictions.scores.tolist() == (hours <= 6).astype(float).tolist()
    assert 0 < predictions.scores.mean() < 1
