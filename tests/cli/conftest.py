"""What tests of commands share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def new_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is not there yet, as the environment names it."""
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
