"""A backup of a home at work is one that a night can go on from, or there is none and the command
says why.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from pipelines.base.errors import TransientError
from pipelines.base.settings import Settings
from pipelines.homes import backup as backup_module
from pipelines.homes.archive import ArchiveWriter
from pipelines.homes.backup import back_up_home
from pipelines.homes.restore import restore_home
from tests.pipelines.homes.example_home import AT, make_home
from tests.pipelines.homes.working_home import WorkingHome, require_consistent


@pytest.fixture
def working(tmp_path: Path) -> Iterator[WorkingHome]:
    home = WorkingHome(make_home(tmp_path / "one"))
    for _ in range(4):
        home.step()
    yield home
    home.close()


@contextmanager
def writing_between_files(
    home: WorkingHome, monkeypatch: pytest.MonkeyPatch, every: int
) -> Iterator[None]:
    """Before each file that goes into the archive (or each so many-th), everybody writes."""

    class Interrupted(ArchiveWriter):
        number = 0

        def _add(self, name: str, file: IO[bytes], **what: int) -> None:
            self.number += 1
            if self.number % every == 0:
                home.step()
            super()._add(name, file, **what)

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "ArchiveWriter", Interrupted)
        yield


@pytest.mark.parametrize("every", [1, 5, 11])
def test_whatever_is_written_between_two_files_the_backup_is_one_to_go_on_from(
    working: WorkingHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, every: int
) -> None:
    with writing_between_files(working, monkeypatch, every):
        back_up_home(working.settings, tmp_path / "home.tar", at=AT)
    assert working.steps > 4
    two = Settings.build(home=tmp_path / "two")
    restore_home(two, tmp_path / "home.tar", actor="test", at=AT)
    assert require_consistent(two) >= 4


def test_a_backup_beside_writers_that_never_rest(working: WorkingHome, tmp_path: Path) -> None:
    enough, errors = threading.Event(), []

    def write() -> None:
        try:
            while not enough.is_set():
                working.step()
        except Exception as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            path = tmp_path / f"home-{number}.tar"
            back_up_home(working.settings, path, at=AT)
    finally:
        enough.set()
        writer.join()
    assert errors == []
    for number in range(3):
        two = Settings.build(home=tmp_path / f"restored-{number}")
        restore_home(two, tmp_path / f"home-{number}.tar", actor="test", at=AT)
        assert require_consistent(two) >= 4


@pytest.mark.parametrize("every", [1, 3, 7, 20])
def test_files_that_are_deleted_meanwhile_make_no_backup_that_lacks_them(
    working: WorkingHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, every: int
) -> None:
    working.deletes = True
    path = tmp_path / "home.tar"
    try:
        with writing_between_files(working, monkeypatch, every):
            back_up_home(working.settings, path, at=AT)
    except TransientError:
        assert not path.exists()
        return
    two = Settings.build(home=tmp_path / "two")
    restore_home(two, path, actor="test", at=AT)
    require_consistent(two)
