"""`tollgate retain` as a person types it: a call that is not clear deletes nothing and says what is
missing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.base.settings import Settings
from tests.cli.calling import called


@pytest.fixture(autouse=True)
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return settings.home


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either keys or --older-than-policy"),
        (("--delete-unit", "7", "--older-than-policy"), "found:      both"),
        (("--delete-unit", "7"), "a deletion needs a reason"),
        (("--delete-unit", "7 OR 1=1", "--reason", "x"), "a whole number"),
        (("--delete-unit", "7", "--unit", "amount", "--reason", "x"), "customer_id, terminal_id"),
        (("--keys-from", "/no/such/file", "--reason", "x"), "a file with one id a line"),
    ],
)
def test_a_call_that_is_not_clear_changes_nothing(
    arguments: tuple[str, ...], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, printed = called(capsys, "retain", *arguments)
    assert code == 2
    assert said in printed
    assert "7 OR" not in printed, "a key is not shown"
    assert not (home / "ledger.sqlite").exists()
