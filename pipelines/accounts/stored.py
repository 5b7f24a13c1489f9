"""Typed JSON that the ledger stores as a whole: it has a version, and one that is too new is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pipelines.accounts.part import Part

VERSION_KEY = "account_version"
"""Where stored JSON says its version; what does not say one is of version 1."""


class NewerVersionError(Exception):
    """Stored by newer code than this: its `version`, and the newest that this code can read
    (`readable`).
    """

    def __init__(self, kind: str, version: int, readable: int) -> None:
        super().__init__(
            f"{kind} of version {version}, of which this code reads up to version {readable}"
        )
        self.kind = kind
        self.version = version
        self.readable = readable


class Stored(Part):
    """What the ledger stores as one JSON document.

    A subclass declares a default for every member, and raises its `VERSION` when a stored member
    changes its meaning; a new member that has a default needs no new version.
    """

    VERSION: ClassVar[int] = 1

    def to_stored(self) -> dict[str, Any]:
        """The document: the JSON, and from version 2 on the version."""
        version = {VERSION_KEY: self.VERSION} if self.VERSION > 1 else {}
        return {**self.to_json(), **version}

    @classmethod
    def from_stored(cls, document: Mapping[str, Any]) -> Self:
        """Read a document; raises `NewerVersionError`, and `pydantic.ValidationError` for a wrong
        value.
        """
        version = document.get(VERSION_KEY, 1)
        if version > cls.VERSION:
            raise NewerVersionError(cls.__name__, version, cls.VERSION)
        return cls.from_json(
            {name: value for name, value in document.items() if name != VERSION_KEY}
        )
