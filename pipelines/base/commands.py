"""Commands in messages, as they have to be typed here: in a container they need what brings them
into it, and beside other use cases the name of the one that they are about.

Messages name commands plainly (`tollgate status`), wherever they are made and kept. They are put
right where they are shown, with the setting `command_prefix` of the process that shows them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.base.settings import DEFAULT_USE_CASE, command_prefix

_OURS = re.compile(r"(?<![\w/.-])tollgate (?=[a-z-])")
_UNCHOSEN = re.compile(r"(?<![\w/.-])tollgate (?=[a-z])(?!(up|down|doctor|usecases|backup)\b)")
"""Commands that are about one use case, and do not say yet which."""

_SUPERVISED = re.compile(r"`?(?<![\w/.-])tollgate (up|down)\b`?")
"""What does not work in a container: its supervisor starts and stops what runs there."""

_DONE_BY = {
    "up": "a start of its container (docs/deploy.md)",
    "down": "a stop of its container (docs/deploy.md)",
}

_VARIABLE = "TOLLGATE_USE_CASE"
_typed_use_case = ""
"""The use case that the command was typed for (`-u NAME`), empty where the option was not given."""

_shell_use_case = ""
"""The use case that a command acts on without the option, while one with it runs."""


@contextmanager
def about_use_case(name: str) -> Iterator[None]:
    """Act on the use case of that name, whatever the environment says; nothing where the name is
    empty.
    """
    global _typed_use_case, _shell_use_case
    if not name:
        yield
        return
    before, former = os.environ.get(_VARIABLE), (_typed_use_case, _shell_use_case)
    _typed_use_case, _shell_use_case = name, _environment_use_case()
    os.environ[_VARIABLE] = name
    try:
        yield
    finally:
        _typed_use_case, _shell_use_case = former
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def as_typed(text: str, prefix: str | None = None, *, use_case: str = "") -> str:
    """The text with every command as it has to be typed here.

    `prefix` is that of the settings unless it is given. `use_case` is the one that the commands are
    about, where it may be another than the one that this command acts on.
    """
    if "tollgate " not in text:
        return text
    about = use_case or _typed_use_case
    is_plain = about in {"", _shell_use_case or _environment_use_case()}
    chosen = text if is_plain else _UNCHOSEN.sub(lambda _: f"tollgate -u {about} ", text)
    before = command_prefix() if prefix is None else prefix
    if not before:
        return chosen
    supervised = _SUPERVISED.sub(lambda match: _DONE_BY[match[1]], chosen)
    plain = supervised.replace(f"{before} tollgate ", "tollgate ")
    return _OURS.sub(lambda _: f"{before} tollgate ", plain)


def _environment_use_case() -> str:
    return os.environ.get(_VARIABLE, "").strip() or DEFAULT_USE_CASE
