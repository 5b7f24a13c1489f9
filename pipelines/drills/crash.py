"""The drill `crash`: a promotion is killed before each of its steps; the old one decides, or the
new, never none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.drills.killed_promotions import ONE_THREAD


def crash(settings: Settings, *, every: int = 1) -> Sequence[Finding]:
    """Kill a promotion before every step (or every third, …), each time in a home of its own that
    has a champion.
    """
    environment = {**os.environ, **settings.environment(), **ONE_THREAD}
    command = [sys.executable, "-m", "pipelines.drills.killed_promotions", str(every)]
    ended = subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    document = json.loads(ended.stdout) if ended.returncode == 0 else {"error": ended.stderr}
    if "error" in document:
        happened = str(document["error"]).strip().splitlines()[-1]
        return (
            Finding(
                expected="a promotion that nobody kills succeeds", happened=happened, holds=False
            ),
        )
    return _findings(document)


def _findings(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    steps, endings, new = document["steps"], document["endings"], document["new"]
    names = {document["old"]: "the old one", new: "the new one"}
    champions = Counter(names.get(ending["champion"], ending["champion"]) for ending in endings)
    unusable = [ending for ending in endings if ending["loaded"] != ending["champion"]]
    stuck = [ending for ending in endings if ending["again"] != new or ending["problem"]]
    killed = sum(ending["killed"] for ending in endings)

    return (
        Finding(
            expected=(
                f"{len(endings)} promotions are killed, each before another of their {len(steps)}"
                " steps"
            ),
            happened=(
                f"{killed} killed, the first before {steps[0]!r}, the last before {steps[-1]!r}"
            ),
            holds=killed == len(endings) > 0,
        ),
        Finding(
            expected="then the old champion decides, or the new one, never none",
            happened=", ".join(f"{who} {count} times" for who, count in champions.items()),
            holds=set(champions) <= set(names.values()),
        ),
        Finding(
            expected="whoever decides is verified and loaded",
            happened=_counted(endings, unusable, steps),
            holds=not unusable,
        ),
        Finding(
            expected="the next attempt goes on from there: the new one is champion and loaded",
            happened=_counted(endings, stuck, steps),
            holds=not stuck,
        ),
    )


def _counted(endings: Sequence[Any], wrong: Sequence[Any], steps: Sequence[str]) -> str:
    """How many endings were right, and which were not."""
    named = [
        f"not before {steps[ending['step'] - 1]!r} {ending['problem']}".rstrip() for ending in wrong
    ]
    return "; ".join([f"{len(endings) - len(wrong)} of {len(endings)}", *named])


CRASH = Drill(
    name="crash",
    description=(
        "a promotion is killed before each of its steps: the old champion decides or the new, never"
        " none"
    ),
    injected=(
        "kill -9 before every file and every write to a database of a promotion, each in a copy of"
        " the same home"
    ),
    happens=crash,
)
