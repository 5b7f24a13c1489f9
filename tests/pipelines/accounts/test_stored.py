"""Accounts as earlier versions stored them are read whole; those of a newer version are refused in
our words.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from pipelines.accounts.account import Account
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.journal import JournalAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.accounts.release import ReleaseAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.accounts.stages import ACCOUNTS, account_type
from pipelines.accounts.stored import VERSION_KEY, NewerVersionError, Stored
from pipelines.base.errors import PermanentError
from pipelines.ledger.ledger import Ledger
from pipelines.ledger.tables import stage_records
from tests.accounts import checked

STORED = Path(__file__).with_name("stored")
"""What the version before typed accounts left in its ledgers: `<stage>-<what>.json`, and a
release.
"""

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAY = date(2026, 11, 7)
FILES = sorted(path.name for path in STORED.glob("*.json"))


def stored(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((STORED / name).read_text())
    return document


def kind_of(name: str) -> type[Stored]:
    stage = name.removesuffix(".json").partition("-")[0]
    return ReleaseAccount if stage == "release" else account_type(stage)


@pytest.mark.parametrize("name", FILES)
def test_what_an_earlier_version_stored_is_read_and_written_as_it_was(name: str) -> None:
    account = checked(kind_of(name), stored(name))
    assert json.loads(json.dumps(account.to_stored())) == stored(name)


def test_every_stage_has_a_stored_account() -> None:
    assert {name.removesuffix(".json").partition("-")[0] for name in FILES} == {
        *ACCOUNTS,
        "release",
    }


@pytest.mark.parametrize("stage", ACCOUNTS)
def test_an_account_that_lacks_everything_is_read_with_its_defaults(stage: str) -> None:
    account = ACCOUNTS[stage].from_stored({})
    assert account.to_stored() == {}
    assert (account.reason, account.gates(), account.rows_handled()) == ("", (), 0)


def test_a_member_that_this_code_does_not_know_is_kept() -> None:
    account = IngestAccount.from_stored({"rows_in": 7, "moon": {"phase": "full"}})
    assert account.rows_in == 7
    assert account.replaced(rows_in=8).to_stored() == {"rows_in": 8, "moon": {"phase": "full"}}


def test_a_member_that_does_not_exist_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="rows_on"):
        IngestAccount().replaced(rows_on=1)


def test_an_account_cannot_be_changed() -> None:
    account = IngestAccount(rows_in=7)
    with pytest.raises(ValueError, match="frozen"):
        account.rows_in = 8


def test_a_stage_of_another_version_is_read_for_what_all_accounts_have() -> None:
    account = account_type("a stage of tomorrow").from_stored({"reason": "clouds", "moon": 1})
    assert (type(account), account.reason, account.to_stored()) == (
        Account,
        "clouds",
        {"reason": "clouds", "moon": 1},
    )


class Later(IngestAccount):
    """The same stage's account, one version on."""

    VERSION: ClassVar[int] = 2


def test_from_the_second_version_on_an_account_says_its_version() -> None:
    assert Later(rows_in=1).to_stored() == {"rows_in": 1, VERSION_KEY: 2}
    assert (
        Later.from_stored({"rows_in": 1, VERSION_KEY: 2})
        == Later.from_stored({"rows_in": 1})
        == Later(rows_in=1)
    )
    with pytest.raises(NewerVersionError):
        IngestAccount.from_stored(Later(rows_in=1).to_stored())


def test_an_account_of_a_newer_version_is_an_error_that_says_what_to_do() -> None:
    ledger = Ledger("sqlite://", "fraud")
    ledger.record_stage(DAY, Later(rows_in=1), "done", run_id="r", at=AT)
    record = ledger.latest(IngestAccount)[DAY]
    assert record.status == "done", "what does not ask for the account does not mind"
    with pytest.raises(
        PermanentError, match=r"account of ingest of 2026-11-07 was stored by a newer version"
    ) as caught:
        _ = record.account
    assert "version 2" in caught.value.found
    assert caught.value.next_step


def test_an_account_with_a_wrong_value_is_an_error_that_names_it() -> None:
    ledger = Ledger("sqlite://", "fraud")
    ledger.record_stage(DAY, IngestAccount(rows_in=1), "done", run_id="r", at=AT)
    with ledger._engine.begin() as connection:
        connection.execute(
            sa.update(stage_records).values(
                payload={"feeds": {"transactions": {"rows_in": "many"}}}
            )
        )
    with pytest.raises(
        PermanentError, match=r"account of ingest of 2026-11-07 cannot be read"
    ) as caught:
        _ = ledger.latest(IngestAccount)[DAY].account
    assert "feeds.transactions.rows_in" in caught.value.expected
    assert "'many'" in caught.value.found


def test_the_ledger_gives_each_stage_its_own_type() -> None:
    ledger = Ledger("sqlite://", "fraud")
    ledger.record_stage(DAY, IngestAccount(rows_in=1), "done", run_id="r", at=AT)
    ledger.record_stage(DAY, MonitorAccount(rows=1), "done", run_id="r", at=AT)
    assert [type(record.account) for record in ledger.stage_records()] == [
        IngestAccount,
        MonitorAccount,
    ]
    assert (
        ledger.latest("monitor")[DAY].account
        == ledger.latest(MonitorAccount)[DAY].account
        == MonitorAccount(rows=1)
    )
    assert ledger.stage_records(JournalAccount) == []


def test_of_older_scores_it_is_known_for_which_champion_the_rule_stood_in() -> None:
    reason = "champion fraud-20261101-9bbf2c66 cannot be loaded: the release's bundle is refused"
    lost = ScoreAccount.from_stored(
        {"release": "rule", "fallback": True, "fallback_reason": reason}
    )
    policy = ScoreAccount.from_stored(
        {"fallback": True, "fallback_reason": "by policy since 2026-11-08: a holiday"}
    )
    assert (lost.stands_in_for, policy.stands_in_for) == ("fraud-20261101-9bbf2c66", "")
    assert lost.to_stored()["stands_in_for"] == "fraud-20261101-9bbf2c66"


def test_instants_and_numbers_are_stored_as_before() -> None:
    begun = stored("materialize_begun-begun.json")
    account = account_type("materialize_begun").from_stored(begun)
    assert account.to_stored()["built_at"].endswith("+00:00")
    assert (
        json.dumps(MonitorAccount(score_mean=float("inf")).to_stored())
        == '{"score_mean": Infinity}'
    )


def test_the_detail_of_an_earlier_incident_is_read_and_an_empty_day_is_none() -> None:
    stored = {
        "by": "stage",
        "first_day": "",
        "days": [],
        "sources": ["ingest"],
        "next_step": "mend it",
    }
    detail = IncidentDetail.from_stored(stored)
    assert (detail.first, detail.last, detail.next_step) == (None, None, "mend it")
    older = IncidentDetail.from_stored({"day": "2026-11-07", "rows": [{"a": 1}]})
    assert (older.first, older.to_stored()) == (DAY, {"day": "2026-11-07", "rows": [{"a": 1}]})
