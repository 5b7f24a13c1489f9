"""Ctrl-C and SIGTERM during a command: one line on what was interrupted, what is left of it, and
what to type.

Light, so that it is in force before the libraries of a command are imported: an interruption while
those are read is one too. A command that ends its work itself when it is asked to (`tollgate
serve`) puts handlers of its own in place.
"""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from types import FrameType
from typing import Any, NoReturn

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
_TWICE = 1.0
"""Seconds within which a second signal is the same one: some parents pass on what the terminal has
sent already.
"""

_AFTER_FINALIZER = 0.1
"""Seconds until an interruption that a finalizer has swallowed is sent again; the finalizer is over
by then.
"""

_JAVA_PATIENCE = 10.0
"""Seconds that Java gets to remove its scratch folders."""

_WRITES = "what it had finished stays, whole; the rest is as it was"
_READS = "it changes nothing"
_STATES = {
    "backfill": "days that were handed to Airflow go on there, and the same command follows them",
    "backup": "no backup was written, and an earlier file of that name is as it was",
    "demo": (
        "the steps that were done stay done, and services that it started may be running (`tollgate"
        " down`)"
    ),
    "down": "some services may still be running",
    "import": "days that have landed stay, each whole; the others are as they were",
    "promote": "the release decides, or it does not yet: `tollgate which` says",
    "restore": "the home is there whole, or not at all: `tollgate home show` says",
    "retain": "what was deleted stays deleted, the rest is still there",
    "rollback": "the earlier release decides, or it does not yet: `tollgate which` says",
    "run": "each day is in the tables whole, or as it was before",
    "serve": "requests that were answered stay in its log",
    "train": "its release is there whole, or not at all",
    "up": "some services may be running (`tollgate down` stops them)",
}
"""What remains of a command that was interrupted."""

_WITH_SECOND_WORD = ("golden", "home", "ledger", "mapping", "repair", "run", "serve")
"""Commands whose second word says what they do; that of another may be a file or an id."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: nothing that catches `Exception` holds it
    up.
    """


@dataclass
class Interruption:
    """The signal that came, if one did."""

    signal: signal.Signals | None = None
    _at: float = 0.0
    _was_swallowed: bool = False

    @property
    def came(self) -> bool:
        """Whether the command was asked to end."""
        return self.signal is not None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The handler: raise `KeyboardInterrupt` where the command is; end at once when asked a
        second time.
        """
        del frame
        if self.came and not self._was_swallowed:
            if time.monotonic() - self._at > _TWICE:
                os._exit(128 + number)
            return
        self._was_swallowed = False
        self.signal = signal.Signals(number)
        self._at = time.monotonic()
        # what breaks off now is reported by libraries as their own errors (py4j, gRPC)
        logging.disable(logging.CRITICAL)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def ignored(self, raised: Any, before: Callable[[Any], object]) -> None:
        """`sys.unraisablehook`: raise an interruption again that hit a finalizer, which Python only
        prints.
        """
        if not self.came:
            before(raised)
        elif issubclass(raised.exc_type, KeyboardInterrupt):
            self._was_swallowed = True
            again = threading.Timer(_AFTER_FINALIZER, self._send_again)
            again.daemon = True
            again.start()

    def _send_again(self) -> None:
        main_thread = threading.main_thread().ident
        if self.signal is not None and main_thread is not None:
            signal.pthread_kill(main_thread, self.signal)

    def end(self, arguments: Sequence[str]) -> NoReturn:
        """Print the line and end the process, with 130 after Ctrl-C and 143 after SIGTERM.

        Nothing of Python's own end is waited for: threads and finalizers would only report that
        they were broken off.
        """
        received = self.signal or signal.SIGINT
        _end_java()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with suppress(OSError, ValueError):
            print(line(arguments, received), file=sys.stderr, flush=True)
        os._exit(128 + received)


def line(arguments: Sequence[str], received: signal.Signals) -> str:
    """What is told: which command, by what, what is left of it, and the command that goes on."""
    words = list(takewhile(lambda text: not text.startswith("-"), arguments))[:2]
    name = words[0] if words else ""
    subject = " ".join(["tollgate", *(words if name in _WITH_SECOND_WORD else words[:1])])
    state = _STATES.get(name) or (_READS if _only_reads(words) else _WRITES)
    if "--dry-run" in arguments:
        state = _READS
    again = shlex.join(
        ["tollgate", *(text for text in arguments if (name, text) != ("backfill", "--rerun"))]
    )
    return _typed(
        f"`{subject}` was interrupted ({SIGNALS[received]}). Nothing is lost: {state}. To go on:"
        f" {again}"
    )


def _only_reads(words: Sequence[str]) -> bool:
    with suppress(Exception):
        from pipelines.cli.home_guard import READING

        return bool(words) and (words[0] in READING or " ".join(words) in READING)
    return False


@contextmanager
def heeded_signals() -> Iterator[Interruption]:
    """Have Ctrl-C and SIGTERM raise in the main thread meanwhile; in another thread nothing is
    changed.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption.receive) for number in SIGNALS}
    hook = sys.unraisablehook
    sys.unraisablehook = lambda raised: interruption.ignored(raised, hook)
    try:
        yield interruption
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_java() -> None:
    """End the Java machine that this command has started, so that nothing works on after the
    command has ended.
    """
    context = sys.modules.get("pyspark.core.context")
    gateway = getattr(getattr(context, "SparkContext", None), "_gateway", None)
    process = getattr(gateway, "proc", None)
    if process is None:
        return
    with suppress(Exception):
        process.terminate()
        process.wait(_JAVA_PATIENCE)
        return
    with suppress(Exception):
        process.kill()


def _typed(text: str) -> str:
    """Commands as they have to be typed here, and no control characters in the terminal."""
    with suppress(Exception):
        from pipelines.base.commands import as_typed
        from pipelines.base.printable import escaped

        return escaped(as_typed(text))
    return text
