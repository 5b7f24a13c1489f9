"""`tollgate up` and `tollgate down`: the local services."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import console, errors, print_json, print_table

if TYPE_CHECKING:
    from pipelines.base.settings import Settings
    from pipelines.services.local import ServiceStatus


def register(app: typer.Typer) -> None:
    """Add `up` and `down` to the command line."""
    app.command("up")(up)
    app.command("down")(down)


def up(as_json: AsJson = False) -> None:
    """Start the Spark Connect server, Airflow and MLflow's UI; all of them come up, or none."""
    from pipelines.base.settings import Settings
    from pipelines.services import local as services

    settings = Settings.from_environment()
    states: dict[str, str] = {}

    with errors.status("starting the services …") as progress:

        def report(name: str, state: str) -> None:
            states[name] = state
            progress.update(
                "services: " + ", ".join(f"{service} {how}" for service, how in states.items())
            )

        statuses = services.up(settings, report=report)
    if as_json:
        print_json([asdict(service) for service in statuses])
    else:
        _print(settings, statuses)


def down(as_json: AsJson = False) -> None:
    """Stop the services, with every process that they have started."""
    from pipelines.base.settings import Settings
    from pipelines.services import local as services

    with errors.status("stopping the services …"):
        stopped = services.down(Settings.from_environment())
    if as_json:
        print_json({"stopped": stopped})
    else:
        console.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def _print(settings: Settings, statuses: list[ServiceStatus]) -> None:
    from pipelines.airflow.api import USER, passwords_file
    from pipelines.base.secrets import secret_file
    from pipelines.mlflow.password_gate import SECRET

    rows = [[service.title, service.state, service.address] for service in statuses]
    print_table("services", ["service", "state", "address"], rows)
    console.print(f"Airflow: user {USER}, password in {passwords_file(settings)}", soft_wrap=True)
    console.print(
        f"MLflow: user {USER}, password in {secret_file(settings, SECRET)}", soft_wrap=True
    )
    console.print(f"logs: {Path(statuses[0].log).parent}", soft_wrap=True)
    console.print("stop them with `tollgate down`")
