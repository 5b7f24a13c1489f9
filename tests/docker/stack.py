"""The compose file as data, and what its parts are."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipelines.base.settings import CHECKOUT

DOCKER = CHECKOUT / "docker"
COMPOSE = CHECKOUT / "docker-compose.yaml"
OURS = "tollgate:"
PLACE = re.compile(r"\{([a-z0-9_]+)\}")


@cache
def stack() -> dict[str, Any]:
    """The whole file, its anchors resolved, and its variables as where nothing is set."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text()))


def services() -> dict[str, dict[str, Any]]:
    """Its services by name."""
    return stack()["services"]


def is_errand(service: dict[str, Any]) -> bool:
    """Whether it ends by itself."""
    return service["restart"] == "no"


def bound_files() -> Iterator[Path]:
    """What is mounted from the checkout."""
    for service in services().values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                yield CHECKOUT / volume["source"]


def mounted_secrets(service: dict[str, Any]) -> str | None:
    """The folder of secrets that a service finds under /run/secrets."""
    for volume in service.get("volumes", []):
        if volume["target"] == "/run/secrets":
            return str(volume["source"]).removeprefix("secrets-")
    return None


def secret_folders() -> dict[str, dict[str, str]]:
    """The files that the generator makes for each service, of passwords `x`."""
    made = runpy.run_path(str(DOCKER / "make_secrets.py"))
    folders: dict[str, dict[str, str]] = made["folders"](dict.fromkeys(made["PASSWORDS"], "x"))
    return folders
