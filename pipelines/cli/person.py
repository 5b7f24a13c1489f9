"""The run of a command: in the name of the person at the keyboard, or only to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.run import Run


def person_run() -> Run:
    """A run in the name of the person at the keyboard."""
    from pipelines.base.settings import Settings
    from pipelines.run import Run
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    return Run(settings, load(settings.use_case), actor=actor_name())


def actor_name() -> str:
    """The name of the person at the keyboard; the user's number where it has no name."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def required_reason(reason: str, what: str, *, command: str) -> str:
    """The reason that was given, without blanks around it; raises `UsageError` that says `what`
    where there is none.
    """
    from pipelines.base.errors import UsageError

    if not reason.strip():
        raise UsageError(
            what, expected="--reason TEXT", found="none", next_step=f'{command} --reason "…"'
        )
    return reason.strip()


def reading_run() -> Run:
    """A run for commands that only read: nobody's name goes with it."""
    from pipelines.base.settings import Settings
    from pipelines.run import Run
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    return Run(settings, load(settings.use_case))
