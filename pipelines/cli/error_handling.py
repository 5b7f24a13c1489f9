"""The net below every command: whatever it ends in, a person reads one block and the traceback goes
to a file.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.card_numbers import mask_card_numbers
from pipelines.base.errors import TollgateError, UsageError
from pipelines.base.masking import mask_secrets, secret_values
from pipelines.cli.error_log import keep_traceback
from pipelines.cli.output import error_document, print_error, print_json
from pipelines.cli.unexpected_errors import explained, first_line

if TYPE_CHECKING:
    from pipelines.base.settings import Settings

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT, as of any program of the shell."""

_COMMAND = re.compile(r"[a-z][a-z-]*")


def end_in_block(error: BaseException, arguments: Sequence[str]) -> int:
    """Print the error as one block (with `--json` as a document too); returns the exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    settings = _settings()
    shown = explained(error, secret_values(os.environ), lake=settings.lake if settings else "")
    if _text_was_cut(error) and not shown.log:
        path = _keep(error, _doing(arguments))
        shown.log = f"{path} (the full traceback)" if path else "no place took the traceback"
    if "--json" in arguments:
        print_json(error_document(shown))
    print_error(shown)
    return shown.exit_code


@contextmanager
def one_line_logs(arguments: Sequence[str]) -> Iterator[None]:
    """What libraries log and threads raise meanwhile is one line on standard error, its traceback
    in the log file.
    """
    logging.basicConfig(level=logging.WARNING)
    ours = [
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    ]
    for handler in ours:
        handler.setFormatter(_OneLine(_doing(arguments)))

    def of_thread(raised: Any) -> None:
        if raised.exc_value is not None and raised.exc_type is not SystemExit:
            _say_in_one_line(raised.exc_value, f"a thread of {_doing(arguments)}")

    before, threading.excepthook = threading.excepthook, of_thread
    try:
        yield
    finally:
        threading.excepthook = before


class _OneLine(logging.Formatter):
    """Log lines without tracebacks: these go to the error log."""

    def __init__(self, doing: str) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self.doing = doing

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name is of the standard library)
        error = ei[1]
        if error is None:
            return ""
        path = _keep(error, self.doing)
        masked = mask_card_numbers(mask_secrets(first_line(error), secret_values(os.environ)))
        return f"  {masked}" + (f" (traceback in {path})" if path else "")

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        del stack_info
        return ""


def never_fail_to_print() -> None:
    """What the terminal's encoding lacks is printed as an escape instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def _say_in_one_line(error: BaseException, doing: str) -> None:
    path = _keep(error, doing)
    masked = mask_card_numbers(mask_secrets(first_line(error), secret_values(os.environ)))
    print(f"{doing}: {masked}" + (f" (traceback in {path})" if path else ""), file=sys.stderr)


def _text_was_cut(error: BaseException) -> bool:
    """Whether the block says less than is known: an error that is not ours, or one whose cause has
    a longer text.
    """
    if not isinstance(error, TollgateError):
        return True
    cause = error.__cause__
    if isinstance(error, UsageError) or cause is None or isinstance(cause, TollgateError | OSError):
        return False
    return "\n" in _text(cause).strip()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _keep(error: BaseException, doing: str) -> Path | None:
    settings = _settings()
    home = settings.home if settings else None
    return keep_traceback(error, home=home, doing=doing, secrets=secret_values(os.environ))


def _settings() -> Settings | None:
    """What the environment says; None where that cannot be used, which then is what the block is
    about.
    """
    from pipelines.base.settings import Settings

    try:
        return Settings.from_environment()
    except Exception:
        return None


def _doing(arguments: Sequence[str]) -> str:
    """The command's name; its values are left out, as they may be somebody's ids."""
    name = arguments[0] if arguments and _COMMAND.fullmatch(arguments[0]) else ""
    return f"tollgate {name}".rstrip()
