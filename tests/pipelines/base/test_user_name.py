"""A user id without a name: said by those that need one, before anything below us fails in its own
way.
"""

from __future__ import annotations

import pwd

import pytest

from pipelines.base.errors import ConfigurationError
from pipelines.base.settings import Settings
from pipelines.doctor.machine import diagnose
from pipelines.services.local import up
from pipelines.spark import session as spark


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(number: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_what_needs_a_name_says_so(nameless: None, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="Spark cannot run as a user without a name"):
        spark.spark_session(settings)
    with pytest.raises(ConfigurationError, match="without a name") as refused:
        up(settings, report=lambda *_: None)
    assert "/etc/passwd" in refused.value.next_step


def test_the_doctor_says_so(nameless: None, settings: Settings) -> None:
    (finding,) = [check for check in diagnose(settings) if check.name == "user"]
    assert not finding.ok
    assert "has no name" in finding.found
    assert "/etc/passwd" in finding.advice
