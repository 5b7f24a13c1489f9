"""Properties of the landing zone: a reader never sees half a day, whichever operation of a writer
fails.
"""

from __future__ import annotations

import json
import tempfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.errors import ContractError, StoreError
from pipelines.landing.landing import Landing
from pipelines.landing.manifest import LandedFile, Manifest
from pipelines.object_store.storage import LocalStorage

DAY = date(2026, 11, 7)
FEED = "transactions"
DAYS_OF_PARTS = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=3)


class Killed(BaseException):
    """The writer's process is gone: nothing that it would have done after this happens."""


class FailingStorage(LocalStorage):
    """A folder whose k-th changing operation fails: by a full disk, or by the writer's death (then
    all later ones).
    """

    def __init__(self, root: Path, fails_at: int, *, killed: bool) -> None:
        super().__init__(root)
        self.left = fails_at
        self.killed = killed

    def write(self, path: str, content: bytes) -> None:
        self._count()
        super().write(path, content)

    def delete(self, path: str) -> None:
        self._count()
        super().delete(path)

    def _count(self) -> None:
        self.left -= 1
        if self.killed and self.left <= 0:
            raise Killed
        if self.left == 0:
            raise StoreError("no space left on device")


def _tables(parts: list[list[int]]) -> list[pa.Table]:
    return [pa.table({"id": pa.array(part, pa.int64())}) for part in parts]


def _read(landing: Landing, scratch: Path) -> list[list[int]] | None:
    """What a reader sees: the day's parts, or None where it has not arrived.

    A broken day raises `ContractError`.
    """
    if not landing.arrival(FEED, DAY).arrived:
        return None
    return [pq.read_table(path)["id"].to_pylist() for path in landing.fetch(FEED, DAY, scratch)]


@pytest.mark.guarantee(
    "the k-th operation fails",
    fault="the k-th write or removal of a landing day fails, or its writer dies there",
    seen="readers see the old day, the new day or none; the next attempt is whole",
)
@given(before=DAYS_OF_PARTS, after=DAYS_OF_PARTS, fails_at=st.integers(1, 12), killed=st.booleans())
def test_a_failed_write_leaves_the_old_day_the_new_day_or_none(
    before: list[list[int]], after: list[list[int]], fails_at: int, killed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        landing = Landing(LocalStorage(root))
        landing.write_day(FEED, DAY, _tables(before))
        writer = Landing(FailingStorage(root, fails_at, killed=killed))
        try:
            writer.write_day(FEED, DAY, _tables(after))
            finished = True
        except (StoreError, Killed):
            finished = False
        seen = _read(landing, root)
        assert seen == after if finished else seen in (None, before, after)
        landing.write_day(FEED, DAY, _tables(after))
        assert _read(landing, root) == after
        assert len(list((root / FEED / str(DAY)).iterdir())) == len(after) + 1


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_any_changed_byte_of_a_part_is_seen(position: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(LocalStorage(Path(folder)))
        landing.write_day(FEED, DAY, _tables([list(range(9))]))
        part = Path(folder) / FEED / str(DAY) / "part-0.parquet"
        content = bytearray(part.read_bytes())
        content[position % len(content)] ^= flip
        part.write_bytes(content)
        with pytest.raises(ContractError, match="part-0"):
            landing.fetch(FEED, DAY, Path(folder))


_NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}\.(parquet|csv\.gz)", fullmatch=True)
_FILES = st.builds(
    LandedFile, _NAMES, st.integers(0, 2**40), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
)


@given(files=st.lists(_FILES, unique_by=lambda file: file.name, max_size=5))
def test_a_manifest_survives_being_written_and_read(files: list[LandedFile]) -> None:
    manifest = Manifest(tuple(files))
    assert Manifest.parse(manifest.to_bytes(), where="here") == manifest
    assert manifest.rows == sum(file.rows for file in files)


_BITS = ["..", "/", "\\", "%2e", ".", "a", "\x00", "\n", ".parquet", ".csv.gz"]
_ELSEWHERE = [
    "../x.parquet",
    "/etc/x.parquet",
    "a/../../x.parquet",
    "..\\x.parquet",
    "%2e%2e%2fx.parquet",
    "x.parquet\n",
    "x\x00.parquet",
    "..",
    "",
]


def _naming(name: str) -> bytes:
    return json.dumps({"files": [{"name": name, "rows": 1, "sha256": "0" * 64}]}).encode()


def _understood(content: bytes) -> Manifest | ContractError:
    try:
        return Manifest.parse(content, where="here")
    except ContractError as error:
        return error


@pytest.mark.guarantee(
    "path tricks",
    fault="`../`, absolute, encoded, backslashes, NUL in a manifest's file names",
    seen="refused",
)
@pytest.mark.parametrize("name", _ELSEWHERE)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ContractError):
        Manifest.parse(_naming(name), where="here")


@given(name=_NAMES)
def test_a_usual_name_is_understood(name: str) -> None:
    assert Manifest.parse(_naming(name), where="here").files[0].name == name


@pytest.mark.guarantee(
    "path tricks",
    fault="names made of dots, slashes, NUL and line ends (hypothesis)",
    seen="understood as a file of its folder, or refused",
)
@given(name=st.lists(st.sampled_from(_BITS), max_size=6).map("".join))
def test_a_manifest_names_no_file_outside_its_folder(name: str) -> None:
    parsed = _understood(_naming(name))
    if isinstance(parsed, Manifest):
        assert Path("/root/folder", parsed.files[0].name).resolve() == Path("/root/folder") / name
    else:
        assert parsed.found


_VALUES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("0" * 64) | _NAMES
)
_KEYS = st.sampled_from(["files", "name", "rows", "sha256"])
_ENTRIES = st.fixed_dictionaries(
    {"name": _NAMES | _VALUES, "rows": st.integers(0, 9) | _VALUES, "sha256": _VALUES}
)
_DOCUMENTS = st.builds(
    lambda files: {"files": files}, st.lists(_ENTRIES, max_size=3)
) | st.recursive(_VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner))


@given(content=st.binary(max_size=60) | _DOCUMENTS.map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_manifest_it_is_understood_or_refused(content: bytes) -> None:
    understood = _understood(content)
    if isinstance(understood, Manifest):
        assert understood.rows == sum(file["rows"] for file in json.loads(content)["files"])
    else:
        assert understood.what
        assert understood.found


def test_a_manifest_nested_without_end_is_refused() -> None:
    with pytest.raises(ContractError, match="not JSON"):
        Manifest.parse(b"[" * 100_000, where="here")
