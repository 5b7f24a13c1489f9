"""The documents tell the truth: links lead somewhere, commands exist, every setting and every
runbook is described.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.cli.main import build_app
from tests.python_files import python_files

DOCUMENTS = sorted(
    CHECKOUT / name
    for name in subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files", "*.md"], capture_output=True, text=True, check=True
    ).stdout.split()
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = Counter(
        path.name.partition("-")[0] for path in (CHECKOUT / "docs" / "decisions").glob("*.md")
    )
    assert [number for number, times in numbers.items() if times > 1] == []


def test_every_setting_is_described() -> None:
    text = (CHECKOUT / "docs" / "settings.md").read_text()
    assert [
        name for name in Settings.model_fields if f"`TOLLGATE_{name.upper()}`" not in text
    ] == []


def test_the_example_of_an_environment_names_settings_and_holds_no_secret() -> None:
    lines = [
        line
        for line in (CHECKOUT / ".env.example").read_text().splitlines()
        if not line.startswith("#")
    ]
    named = {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}
    ours = {
        name.removeprefix("TOLLGATE_").lower() for name in named if name.startswith("TOLLGATE_")
    }
    assert ours - Settings.model_fields.keys() == set()
    assert Settings.from_environment(named).online_store == "redis://:PASSWORD@HOST:6379/0"
    assert not any(value for name, value in named.items() if name.startswith("AWS_"))


def named_in(paths: Iterable[Path], pattern: str) -> set[str]:
    """What the pattern matches in any of the files."""
    return set(chain.from_iterable(re.findall(pattern, path.read_text()) for path in paths))


def test_every_runbook_that_the_code_names_exists() -> None:
    sources = python_files("dags", "plugins", "pipelines")
    named = named_in(sources, r"docs/runbooks/[\w-]+\.md")
    assert named
    assert sorted(name for name in named if not (CHECKOUT / name).is_file()) == []


def test_every_command_that_is_told_exists() -> None:
    places = [CHECKOUT / "README.md", *(CHECKOUT / "docs" / "runbooks").glob("*.md")]
    places += python_files("dags", "plugins", "pipelines")
    commands = named_in(places, r"`tollgate ([a-z]+(?:-[a-z]+)*)")
    existing = {
        command.name or command.callback.__name__ for command in build_app().registered_commands
    }
    existing |= {group.name for group in build_app().registered_groups}
    assert commands
    assert commands - existing == set()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named_targets = set(
        re.findall(r"(?:`|\$ )make ([a-z-]+)", (CHECKOUT / "README.md").read_text())
    )
    assert named_targets
    assert named_targets - targets == set()
