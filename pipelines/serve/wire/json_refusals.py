"""msgspec's errors as refusals that name row and field."""

from __future__ import annotations

import re

import msgspec

from pipelines.serve.refusals import RefusalError

_PLACE = re.compile(r" - at `\$(?P<path>.*)`$")
_ROW = re.compile(r"^\.(?:events|reports)\[(\d+)\]")
_GOT = re.compile(r"^Expected `(?P<expected>.+?)`, got `(?P<found>.+?)`$")
_MISSING = re.compile(r"^Object missing required field `(.+)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_LENGTH = re.compile(r"^Expected `array` of length <= (\d+)$")

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "float | str": "a number or text",
    "bool": "true or false",
    "datetime": "text with date, time and zone, such as 2026-11-22T06:00:00Z",
    "date": "text with a date, such as 2026-11-22",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def refusal(error: Exception) -> RefusalError:
    """What the decoder minded, for whoever sent it."""
    if not isinstance(error, msgspec.ValidationError):
        problem = "text that is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        return RefusalError(
            "the body is not JSON",
            status=400,
            kind="malformed",
            expected="one JSON document in UTF-8",
            found=problem,
            next_step="send it as a JSON library writes it",
        )
    text = str(error)
    place = _PLACE.search(text)
    path, minded = (place["path"], text[: place.start()]) if place else ("", text)
    row = _ROW.match(path)
    rest = path[row.end() :] if row else path
    return _minded(
        minded, int(row[1]) if row else None, rest.lstrip(".").split(".")[0].split("[")[0]
    )


def _minded(minded: str, row: int | None, field: str) -> RefusalError:
    if missing := _MISSING.match(minded):
        return RefusalError(
            "a field is missing",
            row=row,
            field=missing[1],
            expected="every column of the feed",
            next_step="send it",
        )
    if unknown := _UNKNOWN.match(minded):
        return RefusalError(
            "a field that nobody knows",
            row=row,
            field=unknown[1][:100],
            expected="the columns of the feed and no others (/openapi.json lists them)",
            found=unknown[1],
            next_step="leave it out, or correct its name",
        )
    if length := _LENGTH.match(minded):
        return RefusalError(
            "too many rows in one request",
            kind="too-many-rows",
            field=field,
            expected=f"at most {length[1]}",
            next_step="send them in several requests",
        )
    got = _GOT.match(minded)
    if got:
        expected, given = (_WORDS.get(got[name], got[name]) for name in ("expected", "found"))
        return RefusalError(
            "a value of the wrong type", row=row, field=field, expected=expected, found=given
        )
    return RefusalError("a value that cannot be", row=row, field=field, expected=_told(minded))


def _told(minded: str) -> str:
    if "datetime" in minded or "timezone" in minded:
        return "date, time and zone (ISO 8601), such as 2026-11-22T06:00:00Z"
    return minded.removeprefix("Expected ").replace("`", "")
