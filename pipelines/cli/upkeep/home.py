"""`tollgate home show` and `tollgate home adopt`: which home this is, and what becomes of one that
was copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, print_json, print_table

if TYPE_CHECKING:
    from pipelines.base.settings import Settings
    from pipelines.homes.adoption import Adoption

GROUP = typer.Typer(
    no_args_is_help=True, help="Which home this is; what becomes of one that was copied or moved."
)


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(GROUP, name="home")


@GROUP.command("show")
def show_command(as_json: AsJson = False) -> None:
    """Identity and place of the home, its stores, its history.

    Exit code 1 where it is not at its place.
    """
    from pipelines.base.home import place_warning, placement, stores_outside
    from pipelines.base.masking import mask_passwords
    from pipelines.base.settings import Settings
    from pipelines.ledger.homes import HomeLedger, ledger_exists

    settings = Settings.from_environment()
    placed = placement(settings)
    history = (
        HomeLedger(settings.ledger, settings.use_case).homes() if ledger_exists(settings) else []
    )
    document: dict[str, Any] = {
        "home": str(settings.home),
        "state": placed.state,
        "identity": placed.home.home_id if placed.home else None,
        "registered_at": str(placed.home.path) if placed.home else None,
        "copied_from": placed.home.copied_from if placed.home else None,
        "stores_outside": {
            name: mask_passwords(place) for name, place in stores_outside(settings).items()
        },
        "history": [
            {
                "at": entry.recorded_at.isoformat(),
                "by": entry.actor,
                "identity": entry.subject,
                **entry.detail.to_json(),
            }
            for entry in history
        ],
        "warning": place_warning(settings),
    }
    if as_json:
        print_json(document)
    else:
        _print(document)
    if not placed.acts:
        raise typer.Exit(1)


@GROUP.command("adopt")
def adopt_command(
    moved: Annotated[
        bool, typer.Option("--moved", help="the home was moved: identity and keys stay")
    ] = False,
    share: Annotated[
        list[str] | None,
        typer.Option("--share", help="a store that is used with the other home: landing"),
    ] = None,
    separate: Annotated[
        list[str] | None,
        typer.Option("--separate", help="a store that only has the address of the other home's"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a copied home one of its own: new identity, new keys, history kept.

    Done again, it changes nothing.
    """
    from pipelines.base.settings import Settings
    from pipelines.cli.person import actor_name
    from pipelines.homes.adoption import adopt, adopt_moved
    from pipelines.run import utc_now

    settings = Settings.from_environment()
    if moved:
        done = adopt_moved(settings, actor=actor_name(), at=utc_now())
    else:
        done = adopt(
            settings, actor=actor_name(), at=utc_now(), share=share or (), separate=separate or ()
        )
    lacking = lacking_stores(settings)
    if as_json:
        print_json({**adoption_document(done), "stores_lacking": lacking})
        return
    print_adoption(done)
    print_lacking(lacking)


@GROUP.command("migrate")
def migrate_command(as_json: AsJson = False) -> None:
    """Move what earlier versions kept for all use cases together to the folders of the use case.

    Alert lists, pages, golden sets and imports go to <home>/<use case>/, the landing zone's feeds
    to <landing>/<use case>/. Done again, it changes nothing.
    """
    from pipelines.base.home import require_own_home
    from pipelines.base.settings import Settings
    from pipelines.homes.layout import migrate
    from pipelines.usecases.registry import load

    settings = Settings.from_environment()
    use_case = load(settings.use_case)
    require_own_home(settings)
    done = migrate(settings, use_case)
    if as_json:
        print_json({"use_case": done.use_case, "moved": [list(places) for places in done.moved]})
        return
    for former, place in done.moved:
        console.print(f"{former} is now {place}", highlight=False, markup=False, soft_wrap=True)
    if not done.moved:
        console.print(
            f"{settings.home}: everything is at its place already; nothing was moved",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def lacking_stores(settings: Settings) -> list[str]:
    """What the home's stores lack of what its ledger expects, each with what to do; nothing where
    all is there.
    """
    from pipelines.stores.checks import stores

    return [
        f"{finding.name}: {finding.found}; {finding.advice}"
        for finding in stores(settings)
        if not finding.ok
    ]


def print_lacking(lacking: list[str]) -> None:
    """The same for people."""
    for line in lacking:
        console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def adoption_document(done: Adoption) -> dict[str, Any]:
    """An adoption as plain data."""
    return {
        "event": done.event,
        "identity": done.home.home_id,
        "home": str(done.home.path),
        "copied_from": done.home.copied_from,
        "new_keys": list(done.removed),
        "notices_withdrawn": done.withdrawn,
        "paths_made_relative": done.paths,
        "stopped": list(done.stopped),
    }


def print_adoption(done: Adoption) -> None:
    """An adoption for people: what is new, what they have to do."""
    sentences = {
        "adopted": "a home of its own now",
        "moved": "known at its new place; identity and keys are as before",
        "registered": "registered here",
        "allowed": "may use these stores from now on",
        "nothing": "at its place already: nothing was changed",
    }
    lines = [f"home {done.home.short_id} at {done.home.path}: {sentences[done.event]}"]
    if done.stopped:
        lines.append(f"stopped, from before the move: {', '.join(done.stopped)}")
    if done.removed:
        lines.append(f"keys that are made anew when they are needed: {', '.join(done.removed)}")
    if done.withdrawn:
        lines.append(f"{done.withdrawn} waiting notices were withdrawn: the other home sends them")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print(document: dict[str, Any]) -> None:
    rows = [
        (name, str(document[name] or "–"))
        for name in ("home", "identity", "state", "registered_at", "copied_from")
    ]
    rows += [(f"store: {name}", place) for name, place in document["stores_outside"].items()]
    rows += [
        (row["at"][:19], f"{row['event']} at {row['path']}, {row['identity'][:12]}")
        for row in document["history"]
    ]
    print_table("home", ("what", "value"), rows)
    if document["warning"]:
        console.print(
            f"warning: {document['warning']}",
            style="yellow",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
