"""The score stage on a real lake: predictions, alerts, accounts, refusals, the fallback."""

from __future__ import annotations

import csv
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from expectations.definition import Check
from pipelines.base.days import DayRange
from pipelines.base.errors import GateError, PermanentError, TransientError
from pipelines.base.settings import Settings
from pipelines.nightly.score import stage
from pipelines.nightly.score.stage import score
from pipelines.releases.bundle import releases_folder
from pipelines.releases.canary import in_canary
from pipelines.releases.fallback import begin, end
from pipelines.releases.promotion import promote
from pipelines.releases.scorer import load_release
from pipelines.releases.undo import rollback
from pipelines.run import Run
from pipelines.usecases.policies.rollout import RolloutPolicy
from pipelines.usecases.registry import load
from tests.accounts import features_account
from tests.oracles.alert_list import Scored, alert_list, known_on
from tests.pipelines.watched_lake import AT, FIRST, RELEASE, World, make_world, release_model, store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

DAYS = 10


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(DAYS)


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """A home that holds the world; made once, copied for each test."""
    settings = Settings.build(home=tmp_path_factory.mktemp("world"), spark_cores=1)
    store(Run(settings, load("fraud"), clock=lambda: AT), world)
    return settings.home


@pytest.fixture
def run(make_run: Callable[..., Run], home: Path) -> Run:
    run = make_run()
    shutil.copytree(home, run.settings.home)
    return replace(
        run, use_case=replace(run.use_case, review=replace(run.use_case.review, capacity=20))
    )


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def test_by_policy_the_rule_decides_and_what_the_champion_says_is_stored(
    run: Run, world: World
) -> None:
    release_model(run, world)
    begin(run.ledger, day(8), reason="a holiday", actor="test", at=AT)
    end(run.ledger, day(9), reason="over", actor="test", at=AT)
    accounts = score(run, DayRange(day(7), day(9))).accounts

    rows = run.lake.read("predictions").toPandas().set_index("transaction_id").sort_index()
    of_day = {number: rows[rows["day"] == day(number)] for number in (7, 8, 9)}
    assert {number: set(row["release"]) for number, row in of_day.items()} == {
        7: {RELEASE},
        8: {"rule"},
        9: {RELEASE},
    }
    assert {number: row["fallback"].all() for number, row in of_day.items()} == {
        7: False,
        8: True,
        9: False,
    }
    decided, features = of_day[8], world.of(day(8)).set_index("transaction_id").loc[of_day[8].index]
    assert np.allclose(decided["score"], np.minimum(features["amount"] / 440, 1.0))
    assert (decided["decision"] == (features["amount"] >= 220)).all()
    champion = load_release(run, RELEASE)
    assert np.allclose(
        rows["champion_score"].loc[decided.index],
        champion.score(features[list(champion.feature_names)].to_numpy(float)),
    )
    assert (rows["champion_decision"] == (rows["champion_score"] >= champion.threshold)).all()
    assert set(rows["champion"]) == {RELEASE}
    alerts = run.lake.read("alerts", days=DayRange.single(day(8))).toPandas()
    assert set(alerts["release"]) == {"rule"}
    assert alerts["reasons"].map(lambda entry: entry[0]["feature"]).eq("amount").all()
    assert accounts[day(8)].fallback_reason == f"by policy since {day(8)}: a holiday"
    assert [accounts[day(number)].fallback for number in (7, 8, 9)] == [False, True, False]


def test_every_row_gets_a_score_a_decision_and_the_stamp_of_one_release(
    run: Run, world: World
) -> None:
    release_model(run, world)
    days = DayRange(day(7), day(8))
    result = score(run, days)

    rows = run.lake.read("predictions").toPandas()
    assert sorted(rows["transaction_id"]) == sorted(
        world.features[world.features["day"].isin(list(days))]["transaction_id"]
    )
    assert set(rows["release"]) == {RELEASE}
    assert set(rows["model_version"]) == {"7"}
    assert not rows["fallback"].any()
    assert (rows["decision"] == (rows["score"] >= 0.5)).all()
    assert rows["score"].between(0, 1).all()
    account = result.accounts[day(7)]
    assert (account.rows, account.alerts, account.release, account.fallback) == (
        600,
        20,
        RELEASE,
        False,
    )
    assert account.score_mean == pytest.approx(rows[rows["day"] == day(7)]["score"].mean())
    assert run.ledger.latest("score")[day(8)].account.gate.passed is True


def test_the_alert_list_is_the_oracles(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange(day(7), day(9)))

    predictions = run.lake.read("predictions").toPandas()
    units = dict(zip(world.features["transaction_id"], world.features["customer_id"], strict=True))
    reports = [(units[event], at) for event, at in world.reports.itertuples(index=False)]
    for number in (7, 8, 9):
        today = predictions[predictions["day"] == day(number)]
        rows = [
            Scored(*row)
            for row in today[["transaction_id", "customer_id", "score"]].itertuples(index=False)
        ]
        known_units = known_on(day(number), reports, run.use_case.review.detected_days)
        expected = alert_list(rows, known_units, 20)
        listed = (
            run.lake.read("alerts", days=DayRange.single(day(number))).orderBy("rank").collect()
        )
        assert [row["rank"] for row in listed] == list(range(1, 21))
        assert [(row.transaction_id, row.customer_id, row.score) for row in listed] == expected
        assert bool(known_units) == (number > 7), (
            "the test must see days with and without known cards"
        )


def test_reasons_are_the_heaviest_contributions_and_their_values(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange.single(day(7)))

    from pipelines.releases.scorer import load_champion

    scorer = load_champion(run)
    row = run.lake.read("alerts").where("rank = 1").collect()[0]
    features = world.features.set_index("transaction_id").loc[row.transaction_id]
    matrix = features[list(scorer.feature_names)].to_numpy(dtype=float).reshape(1, -1)
    weights = dict(zip(scorer.feature_names, scorer.contributions(matrix)[0], strict=True))
    heaviest = sorted(weights, key=lambda name: -abs(weights[name]))[:3]
    assert [reason.feature for reason in row.reasons] == heaviest
    assert row.reasons[0].feature == "amount"
    assert [reason.contribution for reason in row.reasons] == pytest.approx(
        [weights[name] for name in heaviest]
    )
    assert [reason.value for reason in row.reasons] == pytest.approx(
        [features[name] for name in heaviest]
    )


@pytest.mark.guarantee(
    "a re-run has one effect", fault="a day scored twice", seen="the same predictions and alerts"
)
def test_running_again_leaves_the_same_rows_and_other_days_alone(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange(day(7), day(8)))
    before = [
        sorted(map(str, run.lake.read(table).collect())) for table in ("predictions", "alerts")
    ]
    score(run, DayRange.single(day(8)))
    after = [
        sorted(map(str, run.lake.read(table).collect())) for table in ("predictions", "alerts")
    ]
    assert after == before
    assert run.lake.history("predictions", limit=1)[0].metadata["release"] == RELEASE


def test_a_range_in_parts_gives_what_the_range_in_one_gives(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_model(run, world)
    days = DayRange(day(7), day(9))
    whole = score(run, days)
    rows = sorted(map(str, run.lake.read("predictions").collect()))
    versions = run.lake.version("predictions")
    monkeypatch.setattr(stage, "ROWS_AT_ONCE", 700)
    parts = score(run, days)
    assert sorted(map(str, run.lake.read("predictions").collect())) == rows
    assert run.lake.version("predictions") == (versions or 0) + 3, (
        "three days, each too large to share a part"
    )
    assert {d: a.alerts for d, a in parts.accounts.items()} == {
        d: a.alerts for d, a in whole.accounts.items()
    }


def test_without_a_model_the_declared_rule_scores_and_says_so(run: Run, world: World) -> None:
    result = score(run, DayRange.single(day(7)))
    account = result.accounts[day(7)]
    assert account.fallback is True
    assert account.release == "rule"
    assert "no release" in account.fallback_reason
    rows = run.lake.read("predictions").toPandas()
    assert rows["fallback"].all()
    assert rows["score"].to_numpy() == pytest.approx(
        (rows["amount"] / 440).clip(upper=1).to_numpy()
    )
    reasons = run.lake.read("alerts").collect()[0].reasons
    assert [reason.feature for reason in reasons] == ["amount"]


@pytest.mark.guarantee(
    "tampered model",
    fault="a bit of the champion's model is flipped before a day is scored",
    seen="refused; the declared rule scores, and says why",
)
def test_a_tampered_champion_does_not_score(run: Run, world: World) -> None:
    release_model(run, world)
    model = releases_folder(run.settings.home) / RELEASE / "model.ubj"
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(bytes(content))
    account = score(run, DayRange.single(day(7))).accounts[day(7)]
    assert account.fallback is True
    assert RELEASE in account.fallback_reason


def test_a_day_whose_features_are_not_built_can_be_tried_again_later(run: Run) -> None:
    with pytest.raises(TransientError) as caught:
        score(run, DayRange(day(9), day(12)))
    assert f"{day(10)}..{day(12)}" in str(caught.value)
    assert f"tollgate run features --from {day(10)} --to {day(12)}" in caught.value.next_step
    assert not run.lake.exists("predictions")


def test_a_day_whose_features_were_refused_is_not_scored(run: Run) -> None:
    run.ledger.record_stage(
        day(9), features_account(reason="amount is null"), "refused", run_id="r", at=AT
    )
    with pytest.raises(GateError, match="amount is null"):
        score(run, DayRange.single(day(9)))


@pytest.mark.guarantee(
    "empty day",
    fault="a day without rows is scored",
    seen="no rows, no alerts, a list with its header alone",
)
def test_an_empty_day_is_scored_to_nothing(run: Run, world: World) -> None:
    release_model(run, world)
    run.ledger.record_stage(day(10), features_account(rows=0), "done", run_id="r", at=AT)
    result = score(run, DayRange(day(9), day(10)))
    assert (result.accounts[day(10)].rows, result.accounts[day(10)].alerts) == (0, 0)
    assert result.accounts[day(9)].rows == 600
    lines = (run.folder / "alerts" / f"{day(10)}.csv").read_text().splitlines()
    assert len(lines) == 1


def test_features_that_the_lake_lost_are_not_taken_for_an_empty_day(run: Run) -> None:
    run.ledger.record_stage(day(10), features_account(rows=5), "done", run_id="r", at=AT)
    with pytest.raises(PermanentError, match="ledger counts features"):
        score(run, DayRange.single(day(10)))


def test_refused_predictions_leave_the_tables_at_their_versions(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange.single(day(7)))
    versions = run.lake.versions(["predictions", "alerts"])
    check = Check(
        type="ExpectColumnMeanToBeBetween",
        arguments={"column": "score", "max_value": 0.0},
        meaning="the model finds fraud everywhere",
    )
    strict = replace(run.use_case, checks={**run.use_case.checks, "predictions": (check,)})
    with pytest.raises(GateError, match="the model finds fraud everywhere") as caught:
        score(replace(run, use_case=strict), DayRange(day(7), day(8)))
    assert caught.value.runbook == "docs/runbooks/predictions-refused.md"
    assert run.lake.versions(["predictions", "alerts"]) == versions
    record = run.ledger.latest("score")[day(8)]
    assert record.status == "refused"
    assert record.account.gate.passed is False


def test_the_analysts_file_holds_the_ranked_list(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange.single(day(8)))
    with (run.folder / "alerts" / f"{day(8)}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = run.lake.read("alerts").orderBy("rank").collect()
    assert [int(row["rank"]) for row in rows] == list(range(1, 21))
    assert [int(row["customer_id"]) for row in rows] == [row.customer_id for row in listed]
    assert [row["reason_1"] for row in rows] == [row.reasons[0].feature for row in listed]
    assert rows[0]["event_time"].endswith("Z")


def test_a_canary_decides_for_its_units_and_both_scores_are_kept(run: Run, world: World) -> None:
    """The challenger is another model; rows of its units bear its stamp, all others the
    champion's.
    """
    release_model(run, world)
    rival = "fraud-20260906-4567cdef"
    share = 0.3
    run = replace(
        run,
        use_case=replace(
            run.use_case, rollout=RolloutPolicy(shadow_days=1, canary_days=2, canary_share=share)
        ),
    )
    release_model(run, world, release_id=rival, rounds=5)
    rollback(run, reason="the champion of this test")
    promote(run, rival, to="shadow", reason="tried again", override=True)
    shadow = score(run, DayRange.single(day(7))).accounts[day(7)]
    rows = run.lake.read("predictions").toPandas()
    assert (set(rows["release"]), set(rows["challenger"])) == ({RELEASE}, {rival})
    assert (rows["score"] == rows["champion_score"]).all()
    assert (rows["challenger_score"] != rows["champion_score"]).any()
    assert (shadow.comparison.state, shadow.comparison.decided_share) == ("shadow", 0.0)

    promote(run, rival, reason="on")
    account = score(run, DayRange(day(7), day(8))).accounts[day(8)]
    rows = run.lake.read("predictions").toPandas()
    canary_units = in_canary(rows["customer_id"].to_numpy(), rival, share)
    assert 0.15 < canary_units.mean() < 0.45
    assert (rows["release"] == np.where(canary_units, rival, RELEASE)).all()
    assert (
        rows["score"] == np.where(canary_units, rows["challenger_score"], rows["champion_score"])
    ).all()
    assert (rows["decision"] == (rows["score"] >= 0.5)).all()
    assert account.comparison.decided_share == pytest.approx(
        canary_units[rows["day"] == day(8)].mean()
    )
    alerts = run.lake.read("alerts").toPandas()
    assert set(alerts["release"]) == {RELEASE, rival}
    assert all(len(reasons) == 3 for reasons in alerts["reasons"])


@pytest.mark.guarantee(
    "rollback while scoring",
    fault="a rollback between the first and the second part of a run",
    seen="all rows of the run from the release it began with, of the next run from the other",
)
def test_a_rollback_in_the_middle_of_a_run_mixes_no_rows(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who scores is read once: a run that began with one release ends with it, the next one has the
    other.
    """
    release_model(run, world)
    newer = "fraud-20260906-4567cdef"
    release_model(run, world, release_id=newer, rounds=5)
    write, moved = stage.write_alert_file, []

    def write_and_move(*arguments: Any) -> object:
        if not moved:
            moved.append(rollback(run, reason="while it scores").after)
        return write(*arguments)

    monkeypatch.setattr(stage, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(stage, "write_alert_file", write_and_move)
    accounts = score(run, DayRange(day(7), day(8))).accounts
    rows = run.lake.read("predictions").toPandas()
    assert moved == [RELEASE]
    assert set(rows["release"]) == set(rows["champion"]) == {newer}
    assert {account.release for account in accounts.values()} == {newer}
    assert score(run, DayRange.single(day(8))).accounts[day(8)].release == RELEASE
    rows = run.lake.read("predictions").toPandas()
    assert rows.groupby("day")["release"].unique().map(list).to_list() == [[newer], [RELEASE]]


def test_predictions_from_before_challengers_go_on(run: Run, world: World) -> None:
    release_model(run, world)
    score(run, DayRange.single(day(7)))
    older = run.lake.read("predictions").drop(
        "champion", "champion_score", "challenger", "challenger_score"
    )
    rows = run.spark.createDataFrame(older.toArrow())
    shutil.rmtree(Path(run.lake.path("predictions")))
    run.lake.replace_days(
        rows, "predictions", DayRange.single(day(7)), provenance=run.provenance("score")
    )
    score(run, DayRange.single(day(8)))
    counts = (
        run.lake.read("predictions")
        .groupBy("day")
        .agg({"champion": "count", "score": "count"})
        .collect()
    )
    assert {row["day"]: row["count(champion)"] for row in counts} == {day(7): 0, day(8): 600}
    assert {row["day"]: row["count(score)"] for row in counts} == {day(7): 600, day(8): 600}


def test_a_day_that_two_score_at_once_is_by_the_release_of_the_later_call(
    run: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person puts the old release back and scores again while the night writes: nothing of the
    day is mixed.
    """
    release_model(run, world)
    newer = "fraud-20260906-4567cdef"
    release_model(run, world, release_id=newer, rounds=5)
    write = stage.write_alert_file
    by_hand: list[threading.Thread] = []
    single = DayRange.single(day(7))

    def rolled_back_meanwhile(*arguments: Any) -> object:
        if not by_hand:
            other = replace(run, run_id="by-hand")
            rollback(other, reason="while it scores")
            by_hand.append(threading.Thread(target=score, args=(other, single)))
            by_hand[0].start()
            by_hand[0].join(3)
            assert by_hand[0].is_alive(), "the second call has to wait for the first"
        return write(*arguments)

    monkeypatch.setattr(stage, "write_alert_file", rolled_back_meanwhile)
    assert score(run, single).accounts[day(7)].release == newer
    by_hand[0].join()

    assert set(run.lake.read("predictions").toPandas()["release"]) == {RELEASE}
    assert set(run.lake.read("alerts").toPandas()["release"]) == {RELEASE}
    with (run.folder / "alerts" / f"{day(7)}.csv").open(newline="") as file:
        assert {row["release"] for row in csv.DictReader(file)} == {RELEASE}
    account = run.ledger.latest("score")[day(7)]
    assert (account.run_id, account.account.release) == ("by-hand", RELEASE)
