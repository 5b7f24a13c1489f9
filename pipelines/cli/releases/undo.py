"""`tollgate promote` and `tollgate rollback`: a person moves a release on, or puts an earlier
champion back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json
from pipelines.cli.person import person_run

if TYPE_CHECKING:
    from pipelines.releases.promotion import Stage

REASON = "asked for on the command line"


class State(StrEnum):
    """States that a release can be moved to."""

    SHADOW = "shadow"
    CANARY = "canary"
    CHAMPION = "champion"


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("promote")(promote_command)
    app.command("rollback")(rollback_command)


def promote_command(
    release: Annotated[str, typer.Argument(help="which release")],
    to: Annotated[
        State | None, typer.Option(help="the state; by default the next one of the policy")
    ] = None,
    reason: Annotated[str, typer.Option(help="why, as the records will say")] = "",
    override: Annotated[
        bool, typer.Option("--override", help="against the verdict or the policy; needs --reason")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move a release on.

    Exit code 0: it has that state now. 1: it may not, or another move was faster.
    """
    from pipelines.releases.alias import follow_later
    from pipelines.releases.page import refresh_release_pages
    from pipelines.releases.promotion import promote

    run = person_run()
    target = to.value if to else None
    done = promote(
        run,
        release,
        to=cast("Stage | None", target),
        reason=reason or ("" if override else REASON),
        override=override,
    )
    follow_later(run.settings)
    refresh_release_pages(run)
    if as_json:
        print_json(done.to_json())
        return
    what = "is" if done.changed else "was already"
    against = f", against the rules ({done.override})" if done.override else ""
    console.print(
        f"{done.release} {what} {done.state}{against}; {done.champion} decides", soft_wrap=True
    )


def rollback_command(
    to: Annotated[
        str | None,
        typer.Option("--to", help="a release that was champion; by default the one before"),
    ] = None,
    reason: Annotated[str, typer.Option(help="why, as the records will say")] = REASON,
    as_json: AsJson = False,
) -> None:
    """Put the champion before this one back: model, features and policy in one move.

    Exit code 1: nothing was moved.
    """
    from pipelines.releases.alias import follow_later
    from pipelines.releases.page import refresh_release_pages
    from pipelines.releases.undo import rollback

    run = person_run()
    done = rollback(run, to, reason=reason)
    follow_later(run.settings)
    refresh_release_pages(run)
    if as_json:
        print_json(done.to_json())
        return
    console.print(
        f"{done.after} decides again, threshold {done.threshold:.4f}; {done.before} is retired",
        soft_wrap=True,
    )
