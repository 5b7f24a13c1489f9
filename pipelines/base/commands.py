"""Commands in messages, as they have to be typed here: in a container they need what brings them
into it.

Messages name commands plainly (`tollgate status`), wherever they are made and kept. They are put
right where they are shown, with the setting `command_prefix` of the process that shows them.
"""

from __future__ import annotations

import re

from pipelines.base.settings import command_prefix

_OURS = re.compile(r"(?<![\w/.-])tollgate (?=[a-z])")
_SUPERVISED = re.compile(r"`?(?<![\w/.-])tollgate (up|down)\b`?")
"""What does not work in a container: its supervisor starts and stops what runs there."""

_DONE_BY = {
    "up": "a start of its container (docs/deploy.md)",
    "down": "a stop of its container (docs/deploy.md)",
}


def as_typed(text: str, prefix: str | None = None) -> str:
    """The text with every command as it has to be typed here; `prefix` is that of the settings
    unless it is given.
    """
    before = command_prefix() if prefix is None else prefix
    if not before or "tollgate " not in text:
        return text
    supervised = _SUPERVISED.sub(lambda match: _DONE_BY[match[1]], text)
    plain = supervised.replace(f"{before} tollgate ", "tollgate ")
    return _OURS.sub(lambda _: f"{before} tollgate ", plain)
