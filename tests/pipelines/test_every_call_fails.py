"""What is written outside of databases: whichever of its file operations fails, it is old or new; a
retry completes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.fraud import BASELINE
from pipelines.base.errors import TollgateError
from pipelines.landing.landing import Landing
from pipelines.nightly.score.alert_file import alert_file, write_alert_file
from pipelines.object_store.storage import LocalStorage
from pipelines.releases.bundle import load_bundle, releases_folder, write_bundle
from pipelines.releases.signing import sign, signer_of
from pipelines.training.golden_store import load_golden, write_golden
from tests.accounts import release_account
from tests.failing_calls import Calls, failing_call
from tests.guarantees.plugin import Tried
from tests.pipelines.releases.boosters import matrix, train_booster

DAY = date(2026, 11, 7)
RELEASE = "fraud-20261107-0123abcd"
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Effect:
    """Something that is written below a home: how it is made OLD or NEW, and how a reader sees
    which it is.

    `none` says that a reader may find nothing for a while, as a landing day is taken back before it
    is written anew.
    """

    make: Callable[[Path, str], object]
    look: Callable[[Path], str | None]
    replaces: bool
    none: bool = False


def landing_day(home: Path, which: str) -> object:
    table = pa.table({"id": [1, 2] if which == OLD else [3]})
    return Landing(LocalStorage(home)).write_day("transactions", DAY, [table, table])


def landed(home: Path) -> str | None:
    landing = Landing(LocalStorage(home))
    if not landing.arrival("transactions", DAY).arrived:
        return None
    sizes = {len(pq.read_table(path)) for path in landing.fetch("transactions", DAY, home)}
    return {2: OLD, 1: NEW}[sizes.pop()] if len(sizes) == 1 else "a mix"


MODEL = bytes(train_booster(BASELINE).save_raw("ubj"))
REFERENCE = pd.DataFrame(matrix(BASELINE, 5), columns=list(BASELINE.names)).assign(score=0.5)


def bundle(home: Path, which: str) -> object:
    return write_bundle(
        releases_folder(home),
        RELEASE,
        model=MODEL,
        record=release_account(use_case=which),
        reference=REFERENCE,
    )


def bundled(home: Path) -> str | None:
    place = releases_folder(home)
    return load_bundle(place, RELEASE).record.use_case if (place / RELEASE).exists() else None


def golden(home: Path, which: str) -> object:
    if (home / "golden" / "golden-1").exists():
        return None
    return write_golden(home, "golden-1", pd.DataFrame({"id": [1]}), {"which": which})


def frozen(home: Path) -> str | None:
    return (
        load_golden(home, "golden-1").manifest["which"]
        if (home / "golden" / "golden-1").exists()
        else None
    )


def alerts(home: Path, which: str) -> object:
    rows = {
        "rank": [1],
        "event_time": [datetime(2026, 11, 7, tzinfo=UTC)],
        "who": [which],
        "reasons": [[]],
    }
    reasons = pa.list_(pa.struct([("feature", pa.string())]))
    schema = pa.schema(
        [
            ("rank", pa.int64()),
            ("event_time", pa.timestamp("us", "UTC")),
            ("who", pa.string()),
            ("reasons", reasons),
        ]
    )
    return write_alert_file(home, DAY, pa.table(rows, schema=schema))


def listed(home: Path) -> str | None:
    path = alert_file(home, DAY)
    return path.read_text().splitlines()[1].split(",")[2] if path.exists() else None


def key(home: Path, which: str) -> object:
    signature, _ = sign(home, which.encode())
    (home.parent / f"{home.name}.signature").write_bytes(signature)
    return None


def signed(home: Path) -> str | None:
    path = home.parent / f"{home.name}.signature"
    if not path.exists():
        return None
    return NEW if signer_of(home, path.read_bytes(), NEW.encode()) else "a signature by no key"


EFFECTS: dict[str, Effect] = {
    "a landing day": Effect(landing_day, landed, replaces=True, none=True),
    "a release's bundle": Effect(bundle, bundled, replaces=False),
    "a golden set": Effect(golden, frozen, replaces=False),
    "an alert list": Effect(alerts, listed, replaces=True),
    "a signing key": Effect(key, signed, replaces=False),
}


@pytest.mark.guarantee(
    "the k-th operation fails", fault="a full disk at the k-th file operation, once or from then on"
)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("name", EFFECTS)
def test_old_or_new_and_a_retry_completes(
    name: str, lasting: bool, tmp_path: Path, tried: Tried
) -> None:
    effect, steps = EFFECTS[name], 0
    while True:
        home = tmp_path / str(steps)
        home.mkdir()
        if effect.replaces:
            effect.make(home, OLD)
        before = effect.look(home)
        with failing_call(home, steps + 1, lasting=lasting) as calls:
            error = _failure(lambda home=home: effect.make(home, NEW))
        if not calls.failed:
            break
        steps += 1
        allowed: set[Any] = {before, NEW} | ({None} if effect.none else set())
        assert effect.look(home) in allowed, calls.seen
        assert error is None or effect.look(home) != NEW or name == "a signing key", (
            "what failed is not there"
        )
        effect.make(home, NEW)
        assert effect.look(home) == NEW, calls.seen
    assert error is None
    assert steps >= 3
    tried(
        steps,
        f"{name}, {'from then on' if lasting else 'once'}: {steps} operations, old or new after"
        " each",
    )


def _failure(work: Callable[[], object]) -> TollgateError | None:
    """What went wrong, in our words; an error of another kind is a failed test."""
    try:
        work()
    except TollgateError as error:
        return error
    return None


def test_calls_are_counted_and_the_named_one_fails(tmp_path: Path) -> None:
    def work(calls: Calls) -> None:
        (tmp_path / "a").write_text("1")
        (tmp_path / "a").replace(tmp_path / "b")

    with failing_call(tmp_path, 9) as calls:
        work(calls)
    assert calls.seen == ["open a", "os.rename a"]
    (tmp_path / "b").unlink()
    with failing_call(tmp_path, 2) as calls, pytest.raises(OSError, match="No space left"):
        work(calls)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
