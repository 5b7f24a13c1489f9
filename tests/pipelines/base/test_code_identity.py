"""Which code this is: named also for a user who does not own the checkout, and where it cannot be,
the reason is.
"""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest

from pipelines import run
from pipelines.base.code_identity import identify
from tests.cli.calling import called


def _git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    done = subprocess.run(
        ["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / "code.py").write_text("1")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "first")
    return folder


def _identified(folder: Path) -> str:
    return identify(folder, folder / ".code-version").version


def test_commit_and_changes_are_named(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "--short=12", "HEAD")
    assert _identified(checkout) == commit
    (checkout / "code.py").write_text("2")
    assert _identified(checkout) == f"{commit}+dirty"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout away")
def test_a_checkout_of_another_owner_is_named_too(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "--short=12", "HEAD")
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 65534, 65534)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _git(checkout, "rev-parse", "HEAD")
    assert "dubious ownership" in refused.value.stderr
    assert _identified(checkout) == commit


@pytest.mark.parametrize("packed", [False, True])
def test_without_git_the_commit_is_read_from_its_files(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    commit = _git(checkout, "rev-parse", "--short=12", "HEAD")
    if packed:
        _git(checkout, "pack-refs", "--all")
    worktree = checkout.with_name("worktree")
    _git(checkout, "worktree", "add", "-q", str(worktree))
    monkeypatch.setenv("PATH", "")
    assert _identified(checkout) == f"{commit}+unchecked"
    assert _identified(worktree) == f"{commit}+unchecked"


@pytest.mark.parametrize("built", [None, "unknown"])
def test_what_cannot_be_named_is_told_with_the_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    built: str | None,
) -> None:
    if built:
        (tmp_path / ".code-version").write_text(built)
    identity = identify(tmp_path, tmp_path / ".code-version")
    assert (identity.is_known, identity.version) == (False, "unknown")
    assert "CODE_VERSION" in identity.remedy
    monkeypatch.setattr(run, "CHECKOUT", tmp_path)
    monkeypatch.setattr(run, "BUILT_FROM", tmp_path / ".code-version")
    with caplog.at_level(logging.WARNING):
        assert run.code_version.__wrapped__() == "unknown"
    assert "the code cannot be named" in caplog.text


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--version")
    assert code == 0
    assert out.startswith("tollgate 0.")
    assert "commit" in out
