"""A home that was copied or moved acts for none until it is adopted; a copy then shares no key and
no store.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.home import place_warning, placement, read_home, require_own_home
from pipelines.base.settings import Settings
from pipelines.homes import adoption
from pipelines.homes.adoption import adopt, adopt_moved
from pipelines.ledger.homes import HomeLedger
from pipelines.ledger.ledger import Ledger, NewIncident
from pipelines.releases.signing import sign, signer_of
from pipelines.services import local as services
from pipelines.services import processes
from tests.cli.calling import called
from tests.pipelines.homes.example_home import AT, act, files_of, make_home, run_day


@pytest.fixture
def original(tmp_path: Path) -> Settings:
    return make_home(tmp_path / "one")


@pytest.fixture
def copy(original: Settings, tmp_path: Path) -> Settings:
    """A copy of it that nobody has adopted."""
    shutil.copytree(original.home, tmp_path / "two")
    return Settings.build(home=tmp_path / "two")


def test_a_home_keeps_its_identity_and_the_ledger_knows_it(original: Settings) -> None:
    home = require_own_home(original)
    act(original)
    assert require_own_home(original) == home
    assert HomeLedger(original.ledger, "fraud").owner() == home.home_id
    assert place_warning(original) is None


def test_a_copy_acts_for_none_and_names_the_home(original: Settings, copy: Settings) -> None:
    before = files_of(original.home)
    with pytest.raises(ConfigurationError, match="copy of another home") as refused:
        act(copy)
    assert str(original.home) in refused.value.expected
    assert "home adopt" in refused.value.next_step
    for act_on_services in (
        services.down,
        lambda settings: services.up(settings, report=lambda *_: None),
    ):
        with pytest.raises(ConfigurationError, match="copy of another home"):
            act_on_services(copy)
    assert files_of(original.home) == before


def test_commands_that_act_are_refused_in_a_copy_and_those_that_read_warn(
    copy: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(copy.home))
    for command in (
        ("down",),
        ("backfill", "--from", "2026-11-01", "--to", "2026-11-01"),
        ("oncall", "--send"),
    ):
        code, _, printed = called(capsys, *command)
        assert code == 1
        assert "tollgate home adopt" in printed
    code, _, printed = called(capsys, "status")
    assert code == 0
    assert "copy of another home" in printed
    assert called(capsys, "home", "show")[0] == 1
    assert called(capsys, "home", "adopt")[0] == 0
    assert called(capsys, "home", "show")[0] == 0


def test_an_adopted_copy_has_a_new_identity_new_keys_and_the_history(
    original: Settings, copy: Settings
) -> None:
    signature, fingerprint = sign(copy.home, b"a release")
    before = files_of(original.home)
    done = adopt(copy, actor="test", at=AT)
    assert done.event == "adopted"
    assert done.home.home_id != require_own_home(original).home_id
    assert done.home.copied_from == require_own_home(original).home_id
    assert set(done.removed) == {
        "airflow/jwt.key",
        "airflow/mlflow.key",
        "serving/keys.json",
        "keys/signing.pem",
    }
    assert signer_of(copy.home, signature, b"a release") == fingerprint
    assert sign(copy.home, b"another")[1] != fingerprint
    run_day(copy, date(2026, 11, 2))
    assert files_of(original.home) == before
    assert adopt(copy, actor="test", at=AT).event == "nothing"


@pytest.mark.parametrize(
    "step", ["_end_processes", "_remove_keys", "_forget_paths", "_record", "write_home"]
)
def test_an_adoption_that_was_killed_goes_on_with_the_same_identity(
    copy: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real, calls = getattr(adoption, step), []

    def killed(*arguments: object, **options: object) -> object:
        calls.append(step)
        if step == "write_home" and len(calls) == 1:
            return real(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(adoption, step, killed)
    with pytest.raises(KeyboardInterrupt):
        adopt(copy, actor="test", at=AT)
    monkeypatch.setattr(adoption, step, real)
    begun = read_home(copy.home)
    assert begun is not None
    with pytest.raises(ConfigurationError, match="not finished"):
        act(copy)
    assert adopt(copy, actor="test", at=AT).home.home_id == begun.adopting
    act(copy)
    adopted = [
        entry
        for entry in HomeLedger(copy.ledger, "fraud").homes()
        if entry.detail.event == "adopted"
    ]
    assert len(adopted) == 1


def test_notices_that_wait_are_withdrawn_in_the_copy_only(
    original: Settings, tmp_path: Path
) -> None:
    new = NewIncident(kind="late", subject="x", severity="warning", summary="late")
    Ledger(original.ledger, "fraud").report_incident(
        new, at=AT, actor="test", channels=("webhook",)
    )
    shutil.copytree(original.home, tmp_path / "two")
    copy = Settings.build(home=tmp_path / "two")
    assert adopt(copy, actor="test", at=AT).withdrawn == 1
    assert Ledger(copy.ledger, "fraud").waiting_messages() == []
    assert len(Ledger(original.ledger, "fraud").waiting_messages()) == 1


def test_a_copy_that_would_use_the_originals_stores_is_not_adopted(
    original: Settings, copy: Settings
) -> None:
    inside = copy.model_copy(
        update={"lake": str(original.home / "lake"), "landing": str(original.home / "landing")}
    )
    with pytest.raises(ConfigurationError, match="stores of the home") as refused:
        adopt(inside, actor="test", at=AT, share=("landing",), separate=("lake",))
    assert refused.value.where == "TOLLGATE_LAKE"
    landing_only = copy.model_copy(update={"landing": str(original.home / "landing")})
    assert adopt(landing_only, actor="test", at=AT, share=("landing",)).event == "adopted"


def test_a_store_on_a_server_is_known_again_whatever_its_password(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = Settings.build(home=tmp_path / "one", online_store="redis://:first@host:6379/0")
    require_own_home(first)
    shutil.copytree(first.home, tmp_path / "two")
    same = Settings.build(home=tmp_path / "two", online_store="redis://:second@host:6379/0")
    with pytest.raises(ConfigurationError, match="stores of the home"):
        adopt(same, actor="test", at=AT)
    other = Settings.build(home=tmp_path / "two", online_store="redis://:second@host:6379/1")
    assert adopt(other, actor="test", at=AT).event == "adopted"


def test_a_moved_home_keeps_identity_and_keys(original: Settings, tmp_path: Path) -> None:
    home, before = require_own_home(original), files_of(original.home)
    moved = Settings.build(home=original.home.rename(tmp_path / "moved"))
    with pytest.raises(ConfigurationError, match="copied or moved"):
        act(moved)
    done = adopt_moved(moved, actor="test", at=AT)
    assert done.home.home_id == home.home_id
    act(moved)
    changed = {name for name, digest in files_of(moved.home).items() if before.get(name) != digest}
    assert changed == {"home.json", "ledger.sqlite"}
    assert not original.home.exists()


def test_a_copy_beside_the_home_was_not_moved(copy: Settings) -> None:
    with pytest.raises(ConfigurationError, match="was not moved"):
        adopt_moved(copy, actor="test", at=AT)


def test_a_task_of_a_home_that_is_gone_makes_none_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="home is not there"):
        require_own_home(Settings.build(home=tmp_path / "gone"), may_make=False)
    assert not (tmp_path / "gone").exists()


def test_a_second_home_on_one_ledger_is_refused(original: Settings, tmp_path: Path) -> None:
    shared = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    act(original.model_copy(update={"ledger": shared}))
    HomeLedger(shared, "fraud").record_home(
        require_own_home(original), "registered", actor="test", at=AT
    )
    other = Settings.build(home=tmp_path / "other", ledger=shared)
    with pytest.raises(ConfigurationError, match="ledger belongs to another home"):
        act(other)


def test_a_copy_without_the_identitys_file_is_known_by_its_ledger(
    original: Settings, copy: Settings
) -> None:
    (copy.home / "home.json").unlink()
    with pytest.raises(ConfigurationError, match="copy of another home"):
        act(copy)


def test_the_same_path_on_another_machine_is_another_place(
    original: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.base import home as home_module

    home = require_own_home(original)
    home_module.write_home(
        original.home, replace(home, machine="a", disk_entry=home.disk_entry + 1)
    )
    monkeypatch.setattr(home_module, "machine_id", lambda: "b")
    assert placement(original).state == "elsewhere"
    home_module.write_home(original.home, replace(home, machine="a"))
    assert (
        placement(original).state == "here"
    )  # a shared volume: the same folder, seen from another machine


def test_a_record_that_came_along_in_a_copy_names_nobody_of_ours(tmp_path: Path) -> None:
    original, copy = tmp_path / "one", tmp_path / "two"
    command = [sys.executable, "-c", "print('ready', flush=True); import time; time.sleep(600)"]
    started = processes.start("service", command, environment=os.environ, folder=original, port=1)
    try:
        while "ready" not in processes.log_path(original, "service").read_text():
            assert started.leader() is not None
            time.sleep(0.01)
        shutil.copytree(original, copy)
        copied = processes.read(copy, "service")
        assert copied is not None
        assert copied.leader() is None
        assert copied.of_another_home()
        assert processes.stop(copy, [copied], patience=0.2) == []
        assert started.leader() is not None
        moved = original.rename(tmp_path / "moved")
        record = processes.read(moved, "service")
        assert record is not None
        assert record.leader() is not None
    finally:
        folder = tmp_path / "moved" if (tmp_path / "moved").exists() else original
        processes.stop(folder, [replace(started, folder=None)], patience=1)
