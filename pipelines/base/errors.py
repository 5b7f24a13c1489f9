"""Errors as types with fields: what failed, where, what was expected, what was found, and what to
do next.

Two families, because the orchestrator treats them differently: a `TransientError` may be cured by
trying again (a service that is down, a file that has not arrived), a `PermanentError` never is (a
contract, a gate, a setting).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pipelines.base.printable import escaped

_LABELS = (
    ("where", "where"),
    ("day", "day"),
    ("expected", "expected"),
    ("found", "found"),
    ("held_back", "held back"),
    ("next_step", "next step"),
    ("runbook", "runbook"),
    ("log", "log"),
)


class TollgateError(Exception):
    """Base of every error that a user or an operator may read; `str()` of it is the whole message,
    line by line.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        found: str = "",
        next_step: str = "",
        day: str = "",
        held_back: Sequence[str] = (),
        runbook: str = "",
        log: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found
        self.next_step = next_step
        self.day = day
        self.held_back = tuple(held_back)
        self.runbook = runbook
        self.log = log

    def fields(self) -> dict[str, str]:
        """The fields that are set, in reading order, as text; `what` comes first."""
        values = {"what": self.what}
        for attribute, label in _LABELS:
            value = getattr(self, attribute)
            text = ", ".join(value) if isinstance(value, tuple) else value
            if text:
                values[label] = text
        # What a message quotes of a file may hold terminal commands: they are shown, not obeyed.
        return {label: escaped(text) for label, text in values.items()}

    def __str__(self) -> str:
        head, *rest = self.fields().items()
        return "\n".join([head[1], *(f"  {label + ':':<11} {text}" for label, text in rest)])

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[TollgateError], state: dict[str, object]) -> TollgateError:
    error = kind(str(state["what"]))
    error.__dict__.update(state)
    return error


class TransientError(TollgateError):
    """Trying again later may help: a feed that has not arrived, a service that does not answer."""


class PermanentError(TollgateError):
    """Trying again gives the same result: somebody has to change the data, the configuration or the
    call.
    """


class ConfigurationError(PermanentError):
    """A setting, a user's file or the machine itself is not as it must be (port in use, no Java,
    corrupt home).
    """


class UsageError(PermanentError):
    """The call itself is wrong: an unknown day, a reversed range, an unknown name."""

    exit_code = 2


class TooEarlyError(PermanentError):
    """A home is too young for what is asked: nothing is wrong, and days that pass put it right.

    Nobody is called.
    """


class NotArrivedError(TransientError):
    """A day of a feed is not in the landing zone yet (no folder, or a folder without its manifest);
    `feed` names it.
    """

    feed: str = ""

    @classmethod
    def of_feed(cls, feed: str, what: str, **fields: Any) -> Self:
        """The error for a feed, with the fields of any error."""
        error = cls(what, **fields)
        error.feed = feed
        return error


class ContractError(PermanentError):
    """A file breaks the landing contract: truncated, wrong digest, wrong row count, wrong
    schema.
    """


class GateError(PermanentError):
    """A gate refused to let data pass; the evidence is in `found`."""


class OvertakenError(PermanentError):
    """Another process moved the pointer first: what was decided on its old place must be decided
    again.
    """


class StoreError(TransientError):
    """A store (lake, ledger, MLflow, online store) could not be reached or refused a write."""


class DamagedStoreError(StoreError):
    """The file of a store is damaged: asking again gives the same, the file has to be put aside or
    restored.
    """


class UnexpectedError(TollgateError):
    """Something that no part of Tollgate foresaw; `log` names the file that holds its full
    traceback.
    """


def require_one_or_more(number: int, what: str, *, where: str, next_step: str) -> None:
    """Raises `UsageError` for a number below one; `what` it is a number of, `where` it was
    given.
    """
    if number < 1:
        raise UsageError(
            f"an impossible {what}",
            where=where,
            expected="1 or more",
            found=str(number),
            next_step=next_step,
        )
