"""The manifest of a landed day: which files belong to it, with how many rows and which bytes.

Written last.

`{"files": [{"name": "part-0.parquet", "rows": 9488, "sha256": "…"}]}`. Nothing but this list
decides what a day holds: other files in the folder are leftovers of a writer that did not finish,
and are never read.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from pipelines.base.errors import ContractError

MANIFEST_NAME = "_MANIFEST.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.(parquet|csv\.gz)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXPECTED = (
    '{"files": [{"name": "part-0.parquet", "rows": 9488, "sha256": "<64 hexadecimal digits>"}]}'
)


@dataclass(frozen=True)
class LandedFile:
    """One part file: its name within the day's folder, its number of rows, the SHA-256 (hex) of its
    bytes.
    """

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The files of one day of one feed; none at all is a day on which nothing happened."""

    files: tuple[LandedFile, ...]

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    def to_bytes(self) -> bytes:
        """The file's content (UTF-8 JSON)."""
        return (
            json.dumps({"files": [asdict(file) for file in self.files]}, indent=2) + "\n"
        ).encode()

    @classmethod
    def parse(cls, content: bytes, *, where: str) -> Manifest:
        """A manifest from its file's bytes; raises `ContractError` that lists every problem."""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _broken(where, [f"not JSON: {error}"]) from error
        entries = document.get("files") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise _broken(where, ['no list "files"'])
        problems: list[str] = []
        for index, entry in enumerate(entries):
            problems += _problems(index, entry)
        names = [entry["name"] for entry in entries] if not problems else []
        problems += [
            f"{name!r} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})
        ]
        if problems:
            raise _broken(where, problems)
        return cls(
            tuple(LandedFile(entry["name"], entry["rows"], entry["sha256"]) for entry in entries)
        )


def _problems(index: int, entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"files[{index}] is not an object"]
    name, rows, sha256 = entry.get("name"), entry.get("rows"), entry.get("sha256")
    problems = []
    if not (isinstance(name, str) and _FILE_NAME.fullmatch(name)):
        problems.append(
            f"files[{index}].name {name!r} is not a plain name that ends in .parquet or .csv.gz"
        )
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        problems.append(f"files[{index}].rows {rows!r} is not a whole number from 0 on")
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        problems.append(f"files[{index}].sha256 is not 64 hexadecimal digits")
    return problems


def _broken(where: str, problems: list[str]) -> ContractError:
    return ContractError(
        "a manifest breaks the landing contract",
        where=where,
        expected=_EXPECTED,
        found="; ".join(problems),
        next_step="ask the sender for a correct manifest, then run the same command again",
    )
