#!/usr/bin/env python3
"""Fills secrets into the environment, then becomes the command that it is given.

Where a variable TOLLGATE_* or AWS_* holds {name}, the content of the file /run/secrets/name takes
its place: in an address (anything with ://) percent-encoded, so that a password may hold any sign,
elsewhere as it is. Files stay where they are; nothing is written, and no secret comes to stand on a
command line.
"""

import os
import re
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from urllib.parse import quote

OURS = re.compile(r"(TOLLGATE|AWS)_\w+")
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def filled(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment with secrets in their places; raises `SystemExit` that names each file that
    is missing.
    """
    places = {
        name: PLACE.findall(value)
        for name, value in environment.items()
        if OURS.fullmatch(name) and "{" in value
    }
    secrets = set(chain.from_iterable(places.values()))
    missing = sorted(secret for secret in secrets if not (folder / secret).is_file())
    if missing:
        raise SystemExit(
            f"entrypoint: no secret {', '.join(missing)} in {folder}; has the service `secrets`"
            " run?"
        )
    return {**environment, **{name: _filled(environment[name], folder) for name in places}}


def _filled(value: str, folder: Path) -> str:
    def secret(place: re.Match[str]) -> str:
        content = (folder / place[1]).read_text().rstrip("\n")
        return quote(content, safe="") if "://" in value else content

    return PLACE.sub(secret, value)


def main() -> None:
    """Become the command."""
    if len(sys.argv) < 2:
        raise SystemExit("entrypoint: no command")
    environment = filled(os.environ, Path(os.environ.get("SECRETS_FOLDER", "/run/secrets")))
    try:
        os.execvpe(sys.argv[1], sys.argv[1:], environment)
    except FileNotFoundError:
        raise SystemExit(f"entrypoint: no such command: {sys.argv[1]}") from None


if __name__ == "__main__":
    main()
