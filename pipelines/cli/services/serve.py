"""`tollgate serve`: the online scorer in the foreground, and the keys of those who may ask it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.options import AsJson


def register(app: typer.Typer) -> None:
    """Add `serve` and `serve keys` to the command line."""
    serve = typer.Typer(invoke_without_command=True, help="The online scorer.")
    serve.callback()(serve_command)
    keys = typer.Typer(no_args_is_help=True, help="Who may ask the online scorer.")
    keys.command("add")(add_key)
    keys.command("limit")(limit_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_key)
    serve.add_typer(keys, name="keys")
    app.add_typer(serve, name="serve")


def serve_command(context: typer.Context) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then finish what is in flight.

    Exit code 0: all of it was.
    """
    if context.invoked_subcommand is not None:
        return
    from pipelines.base.settings import Settings
    from pipelines.serve.processes.supervisor import serve

    raise SystemExit(serve(Settings.from_environment()))


def add_key(
    name: Annotated[str, typer.Argument(help="whose key it is: a-z, 0-9, - and _")],
    role: Annotated[
        list[str],
        typer.Option("--role", help="scorer (score, report) or reader (release, metrics)"),
    ],
    use_case: Annotated[
        list[str] | None,
        typer.Option(
            "--use-case", help="a use case that it is for (default: the one that commands act on)"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once; it is valid within a second, without a restart.

    It is for one use case, or for those that --use-case names.
    """
    from pipelines.base.settings import Settings
    from pipelines.cli.output import print_json
    from pipelines.run import utc_now
    from pipelines.serve.http import access
    from pipelines.usecases.registry import require_name

    settings = Settings.from_environment()
    allowed = use_case or [settings.use_case]
    for each in allowed:
        require_name(each)
    made_at = utc_now().isoformat(timespec="seconds")
    token = access.add(settings, name, role, made_at=made_at, use_cases=allowed)
    if as_json:
        print_json({"name": name, "roles": role, "use_cases": allowed, "key": token})
    else:
        print(token)


def list_keys(as_json: AsJson = False) -> None:
    """Names and roles of the keys; of a key itself only its SHA-256 is kept."""
    from pipelines.base.settings import Settings
    from pipelines.cli.output import print_json, print_table
    from pipelines.serve.http import access

    keys = access.read(access.keys_file(Settings.from_environment()))
    if as_json:
        kept = ("name", "roles", "use_cases", "made_at", "rows_per_second", "burst_rows")
        print_json([{name: getattr(key, name) for name in kept} for key in keys])
    else:
        rows = [
            [
                key.name,
                ", ".join(key.roles),
                ", ".join(key.use_cases) or "all",
                key.made_at,
                _rate(key),
            ]
            for key in keys
        ]
        columns = ["name", "roles", "use cases", "made at", "rows"]
        print_table("keys of the online scorer", columns, rows)


def limit_key(
    name: Annotated[str, typer.Argument(help="whose key")],
    rows_per_second: Annotated[
        float | None, typer.Option(help="what it may send over time; left out: no limit")
    ] = None,
    burst: Annotated[
        int | None, typer.Option(help="rows it may send at once; left out: a second's worth")
    ] = None,
) -> None:
    """Say how many rows a key may send; beyond, it gets 429 with the seconds to wait.

    It counts within a second.
    """
    from pipelines.base.settings import Settings
    from pipelines.serve.http import access

    settings = Settings.from_environment()
    access.limit(settings, name, rows_per_second, burst)
    keys = access.read(access.keys_file(settings))
    rate = next(_rate(key) for key in keys if key.name == name)
    print(f"{name}: {rate}")


def _rate(key: Any) -> str:
    if key.rows_per_second is None:
        return "no limit"
    return f"{key.rows_per_second:g} a second, {key.burst_rows or key.rows_per_second:g} at once"


def revoke_key(name: Annotated[str, typer.Argument(help="whose key")]) -> None:
    """Take a key away: within a second nobody is let in with it."""
    from pipelines.base.settings import Settings
    from pipelines.serve.http import access

    access.revoke(Settings.from_environment(), name)
    print(f"{name} is let in no more")
