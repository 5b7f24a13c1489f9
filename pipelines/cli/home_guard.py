"""Every command asks first whether the home is at its place: what acts is refused in a copy, what
reads warns.

A command that is not listed here acts: one that is added later is guarded until somebody says that
it only reads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

READING = frozenset(
    {
        "backup",
        "doctor",
        "golden show",
        "incidents",
        "keyed-ids",
        "ledger backup",
        "oncall",
        "releases",
        "report",
        "reproduce",
        "serve keys list",
        "status",
        "usecases",
        "which",
    }
)
"""Commands that change nothing, or nothing but files of their own in this home's folder."""

FREE = frozenset(
    {"home show", "home adopt", "home migrate", "restore", "ledger restore", "drill", "policy"}
)
"""Commands that are about the place itself, fill what is empty, work in a scratch home, or look at
no home.
"""

ACTING_OPTIONS = {"oncall": ("send", "resolve")}
"""Options with which a command that reads acts."""

STOPPING = frozenset({"down"})
"""Commands that must not wait for a ledger; nor does a container's health check (`component
--check`).
"""

_MARK = "guarded_home"
"""Attribute of a callback that asks already: groups are made once, the command line for each
test.
"""


def guard_commands(app: typer.Typer, prefix: str = "") -> None:
    """Put the question before each command of an app and of its groups."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = f"{prefix}{command.name or command.callback.__name__.replace('_', '-')}"
        command.callback = _guarded(command.callback, name)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        name = f"{prefix}{group.name or group.typer_instance.info.name}"
        _guard_group(group.typer_instance, name)
        guard_commands(group.typer_instance, f"{name} ")


def _guard_group(group: typer.Typer, name: str) -> None:
    """A group that does something itself (`tollgate serve`) is guarded when it is called without a
    command.
    """
    info = group.registered_callback
    if info is None or info.callback is None or hasattr(info.callback, _MARK):
        return
    guarded = _guarded(info.callback, name)
    plain = info.callback

    @wraps(plain)
    def choose(context: typer.Context, *arguments: Any, **options: Any) -> Any:
        chosen = plain if context.invoked_subcommand else guarded
        return chosen(context, *arguments, **options)

    setattr(choose, _MARK, True)
    info.callback = choose


def _guarded(callback: Callable[..., Any], name: str) -> Callable[..., Any]:
    if name in FREE or hasattr(callback, _MARK):
        return callback

    @wraps(callback)
    def asked(*arguments: Any, **options: Any) -> Any:
        acts = any(options.get(option) for option in ACTING_OPTIONS.get(name, ()))
        if name in READING and not acts:
            _warn()
        else:
            _require(ledger_too=name not in STOPPING and not options.get("check"))
        try:
            return callback(*arguments, **options)
        finally:
            if name not in READING:
                _register_new_home()

    setattr(asked, _MARK, True)
    return asked


def _warn() -> None:
    from pipelines.base.home import place_warning
    from pipelines.base.settings import Settings
    from pipelines.cli.output import errors
    from pipelines.homes.layout import layout_warning

    settings = Settings.from_environment()
    for warning in (place_warning(settings), layout_warning(settings)):
        if warning is None:
            continue
        errors.print(
            f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True
        )


def _register_new_home() -> None:
    """Give a home that this command has made its identity; a call that made none leaves nothing
    behind.
    """
    from contextlib import suppress

    from pipelines.base.errors import TollgateError
    from pipelines.base.home import require_own_home
    from pipelines.base.settings import Settings

    with suppress(TollgateError):
        require_own_home(Settings.from_environment())


def _require(*, ledger_too: bool) -> None:
    from pipelines.base.home import require_own_home
    from pipelines.base.settings import Settings

    settings = Settings.from_environment()
    home = require_own_home(settings)
    if ledger_too:
        from pipelines.cli.person import actor_name
        from pipelines.homes.layout import require_layout
        from pipelines.ledger.homes import require_own_ledger

        require_layout(settings)
        require_own_ledger(settings, home, actor=actor_name())
