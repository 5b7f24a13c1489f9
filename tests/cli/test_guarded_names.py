"""The home's guard names commands and options that there are: a misspelled one would leave an
option unguarded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import typer

from pipelines.cli.home_guard import ACTING_OPTIONS, FREE, READING, STOPPING
from pipelines.cli.main import build_app


def commands(app: typer.Typer, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in app.registered_commands:
        assert command.callback is not None
        yield (
            f"{prefix}{command.name or command.callback.__name__.replace('_', '-')}",
            command.callback,
        )
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(
            group.typer_instance, f"{prefix}{group.name or group.typer_instance.info.name} "
        )


def test_every_name_of_the_guard_is_a_command() -> None:
    existing = dict(commands(build_app()))
    assert (READING | FREE | STOPPING | ACTING_OPTIONS.keys()) - existing.keys() == set()
    for name, options in ACTING_OPTIONS.items():
        assert set(options) <= inspect.signature(existing[name]).parameters.keys()


def test_no_command_is_listed_twice() -> None:
    assert not READING & FREE
