"""What the door refuses, as a problem document (RFC 9457): which row and field, expected, found,
what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipelines.base.errors import PermanentError

CONTENT_TYPE = b"application/problem+json"

LONGEST = 200
"""Characters of what was found that a document repeats."""


class RefusalError(PermanentError):
    """A request that is not answered with scores; nothing was scored and no state moved.

    `kind` names the problem for programs (`urn:tollgate:<kind>`), `status` is the HTTP status,
    `row` the place of the event in the request (from 0), `field` the column, `headers` what goes
    with the answer (`Retry-After`, `Allow`).
    """

    def __init__(
        self,
        what: str,
        *,
        status: int = 422,
        kind: str = "invalid-event",
        row: int | None = None,
        field: str = "",
        expected: str = "",
        found: str = "",
        next_step: str = "",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        where = ", ".join(
            [*([f"row {row}"] if row is not None else []), *([f"field {field}"] if field else [])]
        )
        super().__init__(
            what,
            where=where,
            expected=expected,
            found=shortened(found),
            next_step=next_step,
            runbook="",
        )
        self.status = status
        self.kind = kind
        self.row = row
        self.field = field
        self.headers = tuple(headers)

    def document(self) -> dict[str, Any]:
        """The problem document; members beyond the RFC's: `row`, `field`, `expected`, `found`,
        `next_step`.
        """
        named = {
            name: getattr(self, name)
            for name in ("field", "expected", "found", "next_step")
            if getattr(self, name)
        }
        row = {} if self.row is None else {"row": self.row}
        head = {"type": f"urn:tollgate:{self.kind}", "title": self.what, "status": self.status}
        detail = "; ".join(
            f"{name}: {text}" for name, text in self.fields().items() if name != "what"
        )
        return head | ({"detail": detail} if detail else {}) | row | named

    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document())


def shortened(text: str) -> str:
    """The text, its middle left out where it is too long to be repeated; nothing in it that a log
    would act on.
    """
    plain = text if text.isprintable() else repr(text)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST // 2]} … {plain[-LONGEST // 4 :]}"


def schema() -> Mapping[str, Any]:
    """The JSON Schema of a problem document."""
    text = {"type": "string"}
    members = dict.fromkeys(
        ("type", "title", "detail", "field", "expected", "found", "next_step"), text
    )
    return {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            **members,
            "status": {"type": "integer"},
            "row": {"type": "integer", "minimum": 0},
        },
    }
