"""`tollgate component`: one part of the services in the foreground, for containers, systemd and
Kubernetes.
"""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `component` to the command line."""
    app.command("component")(component)


def component(
    name: Annotated[
        str,
        typer.Argument(
            help=(
                "spark, spark-master, spark-worker, mlflow, scorer, airflow-api-server,"
                " airflow-scheduler, "
                "airflow-dag-processor, airflow-triggerer or metrics-token; "
                "airflow-migrate and buckets are errands that end"
            )
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="only say, by the exit code, whether it is well")
    ] = False,
) -> None:
    """Run one part of the services in the foreground: this process becomes it, and signals reach
    it.
    """
    from pipelines.base.errors import ConfigurationError
    from pipelines.base.settings import Settings
    from pipelines.services import components

    chosen, settings = components.component(name), Settings.from_environment()
    if not check:
        chosen.begin(settings)
    elif chosen.healthy is None:
        raise ConfigurationError(
            "an errand has no health: it ends",
            found=f"{name} --check",
            next_step=f"run `tollgate component {name}`",
        )
    elif not chosen.healthy(settings):
        raise SystemExit(1)
