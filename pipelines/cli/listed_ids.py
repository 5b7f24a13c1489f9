"""Ids that a command takes from a file or from its input: one a line."""

from __future__ import annotations

from pathlib import Path

import typer


def read_ids(path: Path, option: str) -> list[str]:
    """The lines of the file (of the input for `-`) that hold anything, blanks around them gone.

    The mark that Windows' editors put before UTF-8 is no part of the first id. Raises `UsageError`,
    which names the `option`, where the file cannot be read.
    """
    from pipelines.base.errors import UsageError

    try:
        if str(path) == "-":
            text = typer.get_text_stream("stdin").read().removeprefix("\ufeff")
        else:
            text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the ids cannot be read",
            where=f"{option} {path}",
            expected="a file with one id a line, UTF-8",
            found=str(error),
            next_step="give the file that holds them, or - for the input",
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]
