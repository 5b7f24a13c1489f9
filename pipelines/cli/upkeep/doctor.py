"""`tollgate doctor`: is this machine fit, and what to do where it is not."""

from __future__ import annotations

from dataclasses import asdict, replace

import typer

from pipelines.cli.options import AsJson
from pipelines.cli.output import print_json, print_table


def register(app: typer.Typer) -> None:
    """Add `doctor` to the command line."""
    app.command("doctor")(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check machine, home, stores and services, logins included; exit code 1 where something is
    wrong.
    """
    from pipelines.base.commands import as_typed
    from pipelines.base.findings import guarded
    from pipelines.base.settings import Settings
    from pipelines.doctor.machine import diagnose
    from pipelines.stores.checks import stores

    settings = Settings.from_environment()
    findings = [*diagnose(settings), *guarded(stores, settings)]
    findings = [replace(finding, advice=as_typed(finding.advice)) for finding in findings]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [
            [f.name, "ok" if f.ok else "NOT OK", f.found, "" if f.ok else f.advice]
            for f in findings
        ]
        print_table("doctor", ["check", "state", "found", "what to do"], rows)
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)
