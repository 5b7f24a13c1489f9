"""The file that keeps full tracebacks: `<home>/logs/errors.log`, bounded, secrets and card numbers
masked.

A person reads one block; who looks for the cause reads this file. Where the home is not there or
cannot be written, the traceback goes to a new file in the system's folder for temporary files.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.masking import mask_secrets

LIMIT = 1024**2
"""Bytes after which the log is set aside; two earlier ones are kept."""

ENTRY_LIMIT = 256 * 1024
"""Characters of one entry: a failed Spark job repeats Java's stack for every task."""

EARLIER = (".1", ".2")


def error_log(home: Path) -> Path:
    """Where the tracebacks of a home are kept."""
    return home / "logs" / "errors.log"


def keep_traceback(
    error: BaseException, *, home: Path | None, doing: str, secrets: Sequence[str] = ()
) -> Path | None:
    """Append the error's full traceback, with its causes and Java's stack, under what was being
    done.

    Returns the file, or None where no place takes it. Never raises: the error itself is what has to
    be reported.
    """
    try:
        entry = _entry(error, doing, secrets)
    except Exception as failure:  # an exception whose own text cannot be made
        entry = f"{type(error).__name__} (its text cannot be made: {type(failure).__name__})\n"
    for write in (_into_home, _into_temporary):
        try:
            return write(entry, home)
        except (OSError, ValueError):
            continue
    return None


def _entry(error: BaseException, doing: str, secrets: Sequence[str]) -> str:
    parts = [
        f"==== {datetime.now(UTC).isoformat(timespec='seconds')} {doing} (pid {os.getpid()})\n"
    ]
    parts += traceback.format_exception(error)
    parts += [f"Java's stack:\n{stack}\n" for stack in _java_stacks(error)]
    text = "".join(parts)
    if len(text) > ENTRY_LIMIT:
        half = ENTRY_LIMIT // 2
        text = f"{text[:half]}\n[{len(text) - ENTRY_LIMIT:,} characters left out]\n{text[-half:]}"
    return mask_card_numbers(mask_secrets(text, secrets)).rstrip("\n") + "\n"


def _java_stacks(error: BaseException) -> list[str]:
    """Java's stack of the errors that PySpark caught, which their text leaves out."""
    stacks: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        stack = getattr(current, "_stackTrace", None)
        if isinstance(stack, str) and stack:
            stacks.append(stack)
        current = current.__cause__ or current.__context__
    return stacks


def _into_home(entry: str, home: Path | None) -> Path:
    """Append to the home's log. A home that is not there is not made for the sake of an error."""
    if home is None or not home.is_dir():
        raise FileNotFoundError(home)
    path = error_log(home)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    _set_aside(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(entry)
    return path


def _set_aside(path: Path) -> None:
    if not path.exists() or path.stat().st_size < LIMIT:
        return
    names = [path, *(path.with_name(path.name + ending) for ending in EARLIER)]
    for newer, older in reversed(list(pairwise(names))):
        if newer.exists():
            newer.replace(older)


def _into_temporary(entry: str, _: Path | None) -> Path:
    """A new file that nobody else can have put there, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix="tollgate-error-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(entry)
    return Path(name)
