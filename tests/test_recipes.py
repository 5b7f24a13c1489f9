"""The recipes of docs/develop.md, followed to the letter: each change is made in a copy of the
checkout, each command typed there, each line that the page shows is looked for in what it prints.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.base.settings import CHECKOUT

pytestmark = pytest.mark.slow
PAGE = CHECKOUT / "docs" / "develop.md"
_BLOCK = re.compile(
    r"(?:^`(?P<path>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of a recipe: a change (`diff`), commands (`console`), or the content of a file."""

    kind: str
    path: str
    text: str


def recipe(title: str) -> list[Block]:
    """The blocks below a heading, in their order."""
    page = PAGE.read_text()
    assert page.count(f"\n### {title}\n") == 1
    section = re.split(r"\n##+ ", page.split(f"\n### {title}\n")[1])[0]
    return [
        Block(match["kind"], match["path"] or "", match["text"])
        for match in _BLOCK.finditer(section)
    ]


class Desk:
    """A copy of the checkout with a home of its own, where a person follows a recipe."""

    def __init__(self, folder: Path) -> None:
        self.copy, self.files = folder / "copy", folder / "files"
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            target = self.copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((CHECKOUT / name).read_bytes())
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOLLGATE_HOME": str(folder / "home"),
        }

    def follow(self, title: str) -> None:
        """Do what a recipe says."""
        blocks = recipe(title)
        assert blocks
        for block in blocks:
            if block.kind == "diff":
                self._change(block.text)
            elif block.kind == "console":
                self._type(block.text)
            else:
                path = self._place(block.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)

    def _place(self, path: str) -> Path:
        """Where a file of the page goes: those of /tmp into a folder of this test."""
        if path.startswith("/tmp/"):
            return self.files / path.removeprefix("/tmp/")
        return self.copy / path

    def _change(self, text: str) -> None:
        done = subprocess.run(
            ["git", "apply", "--recount", "-"],
            cwd=self.copy,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(self.copy.parent)},
            input=text,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"the page's change does not fit the code: {done.stderr}"

    def _type(self, text: str) -> None:
        """Type the commands of a block; the lines below one have to occur in what it prints."""
        commands: list[tuple[str, list[str]]] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                commands.append((line.removeprefix("$ "), []))
            else:
                commands[-1][1].append(line.strip())
        for command, shown in commands:
            if variable := re.fullmatch(r"export (\w+)=(\S+)", command):
                self.environment[variable[1]] = variable[2]
                continue
            printed = self._run(command.replace("/tmp/", f"{self.files}/"))
            for line in shown:
                assert " ".join(line.split()) in printed, f"{command} does not print {line!r}"

    def _run(self, command: str) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.copy,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stderr}"
        return " ".join(done.stdout.split())


READ = """
import json, sys
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.usecases.registry import load
run = Run(Settings.from_environment(), load(sys.argv[1]))
for table, *columns in json.loads(sys.argv[2]):
    rows = run.lake.read(table).groupBy(*columns).count().toPandas()
    print(json.dumps([table, sorted(map(str, rows.drop(columns="count").values.tolist()))]))
"""


def distinct(desk: Desk, use_case: str, *columns: tuple[str, ...]) -> dict[str, str]:
    """The different values of some columns of tables of the desk's lake, as text, by table."""
    arguments = ["-c", READ, use_case, json.dumps(columns)]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=desk.copy,
        env=desk.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return {table: " ".join(values) for table, values in map(json.loads, lines)}


def test_a_column_a_feature_and_a_threshold(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.follow("A raw column")
    desk.follow("A feature")
    desk.follow("A threshold")
    stored = distinct(
        desk,
        "fraud",
        ("transactions", "day", "channel"),
        ("features", "day", "customer_tx_count_3d"),
    )
    days = [f"datetime.date(2024, 1, {number})" for number in (1, 2, 3, 4)]
    assert stored["transactions"] == " ".join(f"[{day}, 'till']" for day in days)
    assert f"[{days[3]}, 1]" in stored["features"]
    assert f"[{days[3]}, 2]" in stored["features"]


def test_a_use_case(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.follow("A use case")
    stored = distinct(
        desk,
        "parcels",
        ("parcels", "parcel_id", "value"),
        ("features", "parcel_id", "sender_tx_count_7d"),
        ("predictions", "parcel_id", "decision"),
    )
    assert stored["parcels"] == (
        "[1, Decimal('12.50')] [2, Decimal('900.00')] [3, Decimal('40.00')] [4, Decimal('7.25')]"
    )
    assert stored["features"] == "[3, 2] [4, 1]"
    assert stored["predictions"] == "[3, False] [4, False]"
