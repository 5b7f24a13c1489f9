"""A room of the product is one that a reader can take in: at most 25 modules in a folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pipelines.base.settings import CHECKOUT
from tests.python_files import python_files

MODULES_OF_A_ROOM = 25
"""house.md, section 1; `__init__.py` is not counted."""


def test_no_room_has_more_modules_than_a_reader_takes_in() -> None:
    rooms: Counter[Path] = Counter(
        path.parent.relative_to(CHECKOUT)
        for path in python_files("dags", "expectations", "features", "pipelines", "plugins")
        if path.name != "__init__.py"
    )
    assert Path("pipelines/base") in rooms
    assert {room: count for room, count in rooms.items() if count > MODULES_OF_A_ROOM} == {}
