"""Kill -9 at the k-th step: each step is found, what was done before it stays, what comes after
never happens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.drills.kill import Steps, in_child
from pipelines.ledger.ledger import Ledger
from tests.accounts import release_account
from tests.conftest import NOW


def _work(folder: Path, ledger: str) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "first").write_text("1")
    (folder / "other").mkdir()
    for number in range(5):
        (folder / "other" / str(number)).write_text("?")
    Ledger(ledger, "fraud").add_release("fraud-20261109-00000000", release_account(), at=NOW)
    (folder / "a").rename(folder / "b")


def _prepared(folder: Path) -> str:
    folder.mkdir()
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    in_child(lambda: Ledger(url, "fraud").releases())
    return url


def _watched(folder: Path, url: str, fatal: int | None = None) -> Callable[[], list[str]]:
    def work() -> list[str]:
        steps = Steps(folder, url, ("other",), fatal=fatal)
        steps.watch()
        _work(folder, url)
        return steps.seen

    return work


def test_every_step_is_counted_and_killed_before(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    ended = in_child(_watched(counted, _prepared(counted)))
    assert not ended.error
    steps = [step for step in ended.value if "commit" not in step or "ledger" in step]
    assert steps[:3] == ["mkdir a", "open a/first", "files of other"]
    assert steps[-3:] == ["ledger: INSERT INTO releases", "ledger: commit", "rename a"]
    for number, step in enumerate(ended.value, start=1):
        folder = tmp_path / str(number)
        url = _prepared(folder)
        assert in_child(_watched(folder, url, fatal=number)).killed
        released = in_child(lambda url=url: len(Ledger(url, "fraud").releases())).value
        assert released == (1 if step == "rename a" else 0)
        assert (folder / "a").exists() is (number > 1)
        assert not (folder / "b").exists()


def test_a_child_that_fails_says_why() -> None:
    ended = in_child(lambda: 1 // 0)
    assert not ended.killed
    assert "ZeroDivisionError" in ended.error
