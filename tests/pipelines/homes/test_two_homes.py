"""Whatever is done to two homes, in whatever order: no action of one is visible in the other."""

from __future__ import annotations

import gc
import shutil
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.base.errors import ConfigurationError
from pipelines.base.home import Home, placement, require_own_home
from pipelines.base.settings import Settings
from pipelines.homes.adoption import adopt, adopt_moved
from pipelines.homes.backup import back_up_home
from pipelines.homes.restore import restore_home
from tests.pipelines.homes.example_home import AT, days_of, files_of, make_home, run_day
from tests.state_machines import play

SIDES = st.sampled_from(["one", "two"])


class TwoHomes(RuleBasedStateMachine):
    """Two places; a home is in the first, and comes into the second by a copy or a backup."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = TemporaryDirectory()
        self.root = Path(self.scratch.name)
        self.number = 0
        self.day = date(2026, 11, 1)
        self.places = {
            "one": make_home(self.root / "one"),
            "two": Settings.build(home=self.root / "two"),
        }
        self.days: dict[str, set[date]] = {"one": {self.day}}
        self.backup: tuple[Path, set[date], Home] | None = None

    def _is_untrue(self, side: str, home: Home) -> bool:
        """Whether "it was moved", or "it is gone for good", is untrue, and nobody but the person
        can know of it.

        So it is where the other side acts under that identity, and not at the place where the home
        was registered.
        """
        other = self.places["two" if side == "one" else "one"]
        acting = placement(other)
        if acting.state != "here" or acting.home is None:
            return False
        return acting.home.home_id == home.home_id and other.home != home.path

    def _others_untouched(self, side: str) -> Any:
        other = "two" if side == "one" else "one"
        folder = self.places[other].home
        return lambda before=files_of(folder): self._same(before, folder)

    @staticmethod
    def _same(before: dict[str, str], folder: Path) -> None:
        assert files_of(folder) == before

    @rule(side=SIDES)
    def run_a_day(self, side: str) -> None:
        if side not in self.days:
            return
        check, settings = self._others_untouched(side), self.places[side]
        self.day += timedelta(days=1)
        may_act, before = placement(settings).acts, files_of(settings.home)
        try:
            run_day(settings, self.day)
            self.days[side].add(self.day)
            assert may_act
        except ConfigurationError:
            assert not may_act
            assert files_of(settings.home) == before
        check()

    @precondition(lambda self: "two" not in self.days)
    @rule()
    def copy(self) -> None:
        # what nobody holds any more is closed when Python gets to it: a copy is of a home at rest
        gc.collect()
        check = self._others_untouched("two")
        shutil.copytree(self.places["one"].home, self.places["two"].home)
        self.days["two"] = set(self.days["one"])
        check()

    @rule(side=SIDES, moved=st.booleans())
    def adopt(self, side: str, moved: bool) -> None:
        if side not in self.days:
            return
        check, settings = self._others_untouched(side), self.places[side]
        place = placement(settings)
        if moved and place.home is not None and self._is_untrue(side, place.home):
            return
        try:
            (adopt_moved if moved else adopt)(settings, actor="test", at=AT)
            assert placement(settings).state == "here"
        except ConfigurationError:
            assert moved
            assert place.original_exists
        check()

    @rule(side=SIDES)
    def move(self, side: str) -> None:
        if side not in self.days:
            return
        check = self._others_untouched(side)
        self.number += 1
        self.places[side] = Settings.build(
            home=self.places[side].home.rename(self.root / f"{side}-{self.number}")
        )
        check()

    @rule(side=SIDES)
    def back_up(self, side: str) -> None:
        if side not in self.days:
            return
        check, before = self._others_untouched(side), files_of(self.places[side].home)
        path = self.root / "backup.tar"
        back_up_home(self.places[side], path, at=AT)
        home = placement(self.places[side]).home
        assert home is not None
        self.backup = (path, set(self.days[side]), home)
        assert files_of(self.places[side].home) == before
        check()

    @precondition(lambda self: self.backup is not None)
    @rule(same=st.booleans())
    def restore_into_the_second(self, same: bool) -> None:
        assert self.backup is not None
        self.number += 1
        old = self.places["two"]
        shutil.rmtree(old.home, ignore_errors=True)
        self.places["two"] = settings = Settings.build(home=self.root / f"two-{self.number}")
        self.days.pop("two", None)
        if same and self._is_untrue("two", self.backup[2]):
            return
        check = self._others_untouched("two")
        try:
            restore_home(settings, self.backup[0], actor="test", at=AT, same_home=same)
            self.days["two"] = set(self.backup[1])
        except ConfigurationError:
            assert same  # the original is there still
            assert not settings.home.exists()
        check()

    @invariant()
    def each_ledger_has_its_own_days(self) -> None:
        for side, days in self.days.items():
            assert set(days_of(self.places[side])) == days

    @invariant()
    def no_two_homes_act_under_one_identity(self) -> None:
        acting = [
            self.places[side] for side in self.days if placement(self.places[side]).state == "here"
        ]
        identities = [require_own_home(settings).home_id for settings in acting]
        assert len(set(identities)) == len(identities)

    def teardown(self) -> None:
        self.scratch.cleanup()


def test_no_action_of_one_home_is_visible_in_the_other() -> None:
    play(TwoHomes, games=8, steps=12)
