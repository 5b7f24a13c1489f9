"""Is a Delta table on a disk whole?

Its log is checked before every read and write, its data files by the doctor.

After a power loss the newest files of a disk may be cut off or empty although they were written
(Hadoop does not wait for the disk). A commit that is cut off ends every Spark job in pages of Java;
an empty one is passed over by Spark without a word, and the rows of that commit are gone. Both are
told here by name.

The log is the Delta protocol's: commits `<version>.json`, one action a line; checkpoints
`<version>.checkpoint.parquet` (and names alike), which stand for all commits up to theirs; Hadoop's
checksums `.<name>.crc` beside each file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from pipelines.base.errors import PermanentError
from pipelines.base.settings import is_remote
from pipelines.lake.delta_log import commit_versions, live_files
from pipelines.lake.errors import spark_said
from pipelines.lake.hadoop_checksums import checksum_of, checksum_problem, checksums_below

Kind = Literal["commit", "checkpoint", "checksum", "gap", "data"]
RUNBOOK = "docs/runbooks/lake-damaged.md"
SET_ASIDE = "_set_aside"
"""Folder below the lake's root that takes what a repair moves; no use case can have such a name."""

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(\.[0-9a-f-]+|\.\d{10}\.\d{10})?\.parquet")
_DAYS = re.compile(r'\\?"days\\?": \[([^\]]*)\]')
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_READING = re.compile(r"reading file file:/*(/\S+?)\.(?:\s|$)")
"""How Spark names the file that it could not read, as an address."""

_MAGIC = b"PAR1"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file of a table that is not whole.

    `version` is that of the commit or checkpoint. `whole` is the newest version that can still be
    read, None where there is none. `newest`: no commit comes after it. `days` are those that the
    commit names, as far as it can be read.
    """

    table: Path
    file: Path
    kind: Kind
    problem: str
    version: int | None = None
    whole: int | None = None
    newest: bool = True
    days: tuple[str, ...] = ()
    logged: str = ""
    """What the log calls a data file."""

    @property
    def description(self) -> str:
        """What is wrong, in one line without the table's path."""
        return f"{self.file.relative_to(self.table)}: {self.problem}"

    @property
    def last_whole(self) -> str:
        """Which version is whole, as a sentence for people."""
        if self.kind == "data":
            return f"version {self.version} of the table needs it"
        if self.kind == "checksum" and self.version is None:
            return "the file itself is whole"
        return (
            f"version {self.whole} is whole"
            if self.whole is not None
            else "no version of it can be read"
        )


class DamagedTableError(PermanentError):
    """A table of the lake has a file that is not whole; nothing was read or written.

    `damage` says which.
    """

    damage: Damage | None = None


def damaged(damage: Damage) -> DamagedTableError:
    """The error to raise for a damaged table: table, file, the last whole version, the command that
    mends it.
    """
    error = DamagedTableError(
        f"the table {damage.table.name!r} is damaged: a file of it is not whole",
        where=str(damage.file),
        expected="a file that was written to its end",
        found=f"{damage.problem}; {damage.last_whole}",
        next_step=(
            "`tollgate repair lake` takes it away (nothing is deleted) and says what to run again"
        ),
        runbook=RUNBOOK,
    )
    error.damage = damage
    return error


def require_whole_log(table: Path) -> None:
    """Raise `DamagedTableError` where a file of the table's log that a reader needs is not
    whole.
    """
    if (damage := log_damage(table)) is not None:
        raise damaged(damage)


def log_damage(table: Path) -> Damage | None:
    """The first file of the log that is not whole, of those that the newest version rests on; None
    where all are.
    """
    log = table / "_delta_log"
    try:
        files = {entry.name: entry.stat() for entry in log.iterdir()} if log.is_dir() else {}
    except OSError:
        return None  # whoever reads the table says what is wrong with its folder
    stamps = tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files.items()))
    return _log_damage(table, stamps)


@lru_cache(maxsize=256)
def _log_damage(table: Path, stamps: tuple[tuple[str, int, int], ...]) -> Damage | None:
    """As `log_damage`; a log whose names, sizes and times are as before is not read again."""
    log = table / "_delta_log"
    names = [name for name, _, _ in stamps]
    commits = []
    for name in names:
        match = _COMMIT.fullmatch(name)
        if match is not None:
            commits.append(int(match.group(1)))
    commits.sort()
    if not commits:
        return None
    checkpoints = sorted(_checkpoints(names), key=lambda pair: pair[1], reverse=True)
    if checkpoints and (problem := _parquet_problem(log / checkpoints[0][0])):
        name, version = checkpoints[0]
        earlier = [
            of
            for other, of in checkpoints[1:]
            if of < version and not _parquet_problem(log / other)
        ]
        whole = commits[-1] if _replayable(commits, earlier[0] if earlier else -1) else None
        return Damage(
            table=table,
            file=log / name,
            kind="checkpoint",
            problem=problem,
            version=version,
            whole=whole,
        )
    before = checkpoints[0][1] if checkpoints else -1
    for version in (version for version in commits if version > before):
        if version != before + 1:
            file = log / f"{before + 1:020d}.json"
            return _damage_of_commit(
                table, file, "gap", "this commit is missing", before + 1, newest=False
            )
        file = log / f"{version:020d}.json"
        content = file.read_bytes()
        newest = version == commits[-1]
        if problem := _commit_problem(content):
            return _damage_of_commit(
                table, file, "commit", problem, version, newest=newest, days=_days(content)
            )
        if problem := checksum_problem(file, content):
            checksum = checksum_of(file)
            return Damage(
                table=table,
                file=checksum,
                kind="checksum",
                problem=problem,
                version=version,
                whole=version,
                newest=newest,
            )
        before = version
    return None


def _damage_of_commit(
    table: Path,
    file: Path,
    kind: Kind,
    problem: str,
    version: int,
    *,
    newest: bool,
    days: tuple[str, ...] = (),
) -> Damage:
    whole = version - 1 if version > 0 else None
    return Damage(
        table=table,
        file=file,
        kind=kind,
        problem=problem,
        version=version,
        whole=whole,
        newest=newest,
        days=days,
    )


def data_damages(table: Path) -> Iterator[Damage]:
    """Data files of the newest version that are missing or not as long as their commit says.

    Reads the log, which must be whole, and asks the disk for the length of each file.
    """
    versions = commit_versions(table)
    if not versions:
        return
    for path, size in live_files(table).items():
        file = table / unquote(path)
        if not file.is_file():
            problem = "the file is missing"
        elif file.stat().st_size != size:
            problem = f"{file.stat().st_size:,} bytes where the commit says {size:,}"
        else:
            continue
        days = tuple(_DAY.findall(path)[:1])
        yield Damage(
            table=table,
            file=file,
            kind="data",
            problem=problem,
            version=versions[0],
            logged=path,
            days=days,
        )


def tables_of(lake: Path) -> list[Path]:
    """The folders of Delta tables below a lake's root, `<use case>/<table>`, in order."""
    try:
        return sorted(log.parent for log in lake.glob("*/*/_delta_log") if log.is_dir())
    except OSError:
        return []


def damages(lake: Path) -> Iterator[Damage]:
    """All that is damaged below a lake's root: of each table its log, and where that is whole its
    data files.
    """
    for table in tables_of(lake):
        if (damage := log_damage(table)) is not None:
            yield damage
        else:
            yield from data_damages(table)


def checksum_damages(lake: Path) -> Iterator[Damage]:
    """Checksums of other bytes beside files of the tables below a lake's root, of tables whose log
    is whole.

    Reads every file that has a checksum: about two seconds a GiB. A data file of the newest version
    that neither fits its checksum nor can be read is damaged itself; one that the newest version
    does not need is passed over.
    """
    for table in tables_of(lake):
        if log_damage(table) is not None:
            continue
        for file, _ in checksums_below(table):
            if (damage := _checksum_damage(table, file)) is not None:
                yield damage


def landed_checksum_damages(landing: Path) -> Iterator[Damage]:
    """The same of a landing zone that is a folder, of all use cases; a feed's folder stands for the
    table.
    """
    feeds = chain.from_iterable(_folders(use_case) for use_case in _folders(landing))
    for feed in feeds:
        for file, checksum in checksums_below(feed):
            if problem := _problem_of(file):
                days = tuple(_DAY.findall(file.parent.name)[:1])
                yield Damage(table=feed, file=checksum, kind="checksum", problem=problem, days=days)


def _checksum_damage(table: Path, file: Path) -> Damage | None:
    """What is wrong with a file of a table that has a checksum beside it; None where both agree."""
    problem = _problem_of(file)
    if not problem:
        return None
    days = tuple(_DAY.findall(file.parent.name)[:1])
    if file.suffix != ".parquet" or _is_readable(file):
        return Damage(
            table=table, file=checksum_of(file), kind="checksum", problem=problem, days=days
        )
    for path in live_files(table):
        if table / unquote(path) == file:
            version = commit_versions(table)[0]
            problem = "it does not fit its checksum, and cannot be read"
            return Damage(
                table=table,
                file=file,
                kind="data",
                problem=problem,
                version=version,
                logged=path,
                days=days,
            )
    return None


def _problem_of(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError:
        return ""  # whoever reads the file says why it cannot be read
    in_ranges = file.suffix == ".parquet"
    return checksum_problem(file, content, in_ranges=in_ranges)


def _is_readable(file: Path) -> bool:
    """Whether every row of a Parquet file can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            rows = sum(batch.num_rows for batch in opened.iter_batches())
            return bool(rows == opened.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError):
        return False


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return []


def damage_behind(error: BaseException, lake: str) -> Damage | None:
    """The damaged file for which Spark ended in `error`, None where that has another cause.

    `lake` is the lake's root. A file that Spark names may be whole and its checksum not: then that
    is the damage.
    """
    if spark_said(error) is None or is_remote(lake):
        return None
    root = Path(lake)
    if (first_damage := next(damages(root), None)) is not None:
        return first_damage
    for match in _READING.finditer(str(error)):
        file = Path(unquote(match.group(1)))
        table = next((table for table in tables_of(root) if file.is_relative_to(table)), None)
        if table is not None and (damage := _checksum_damage(table, file)) is not None:
            return damage
    if "ChecksumException" in str(error):
        return next(checksum_damages(root), None)
    return None


def _checkpoints(names: list[str]) -> Iterator[tuple[str, int]]:
    for name in names:
        if match := _CHECKPOINT.fullmatch(name):
            yield name, int(match.group(1))


def _replayable(commits: list[int], checkpoint: int) -> bool:
    """Whether the commits after a checkpoint (-1: from the first on) are all there, so that no
    other is needed.
    """
    return [version for version in commits if version > checkpoint] == list(
        range(checkpoint + 1, commits[-1] + 1)
    )


def _commit_problem(content: bytes) -> str:
    """Why a commit is not whole, or nothing."""
    if not content.strip(b"\0 \r\n\t"):
        return f"{len(content):,} bytes without content"
    adds = 0
    promised: int | None = None
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            action = json.loads(line)
        except (ValueError, RecursionError):
            return f"cut off after {len(content):,} bytes (line {number} is no JSON)"
        if not isinstance(action, dict):
            return f"line {number} is no action"
        adds += "add" in action
        info = action.get("commitInfo")
        if isinstance(info, dict) and info.get("operation") == "WRITE":
            promised = _number((info.get("operationMetrics") or {}).get("numFiles"))
    if promised is not None and adds < promised:
        return f"cut off after {len(content):,} bytes ({adds} of {promised} files are named)"
    return ""


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _parquet_problem(file: Path) -> str:
    """Why a checkpoint is not whole, or nothing."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            first = opened.read(4)
            opened.seek(max(size - 4, 0))
            last = opened.read(4)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return (
        "" if (first, last) == (_MAGIC, _MAGIC) and size > 12 else f"cut off after {size:,} bytes"
    )


def _days(content: bytes) -> tuple[str, ...]:
    """The days that a commit says it is about, as far as it was written."""
    match = _DAYS.search(content.decode(errors="replace"))
    return tuple(_DAY.findall(match.group(1))) if match else ()
