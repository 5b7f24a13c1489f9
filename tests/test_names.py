"""Names say what a thing is: words of our own dialect are no names of variables or parameters.

`LEFT` is what remains from before, by room. A room that has fewer lowers its number; none rises.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from pipelines.base.settings import CHECKOUT

DIALECT = frozenset({"found", "told", "one", "mine", "theirs", "then", "known", "asked"})
ROOMS = ("dags", "expectations", "features", "pipelines", "plugins")
LEFT = {
    "dags": 1,
    "expectations": 1,
    "features": 1,
    "pipelines": 1,
    "pipelines/accounts": 3,
    "pipelines/alerting": 9,
    "pipelines/base": 2,
    "pipelines/cli": 47,
    "pipelines/decisions": 4,
    "pipelines/demo": 1,
    "pipelines/drills": 28,
    "pipelines/ledger": 16,
    "pipelines/maintenance": 71,
    "pipelines/nightly": 254,
    "pipelines/ops": 30,
    "pipelines/pages": 9,
    "pipelines/parity": 27,
    "pipelines/problems": 2,
    "pipelines/releases": 43,
    "pipelines/serve": 4,
    "pipelines/status": 39,
    "pipelines/training": 17,
    "pipelines/usecases": 12,
    "plugins/tollgate_airflow": 2,
    "plugins/tollgate_ops": 6,
}


def dialect_names() -> Iterator[tuple[str, str]]:
    """(room, file and line) of each variable or parameter with such a name."""
    for top in ROOMS:
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).parts
            room = "/".join(parts[:2]) if len(parts) > 2 else top
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    name = node.id
                elif isinstance(node, ast.arg):
                    name = node.arg
                else:
                    continue
                if name in DIALECT:
                    yield room, f"{path.relative_to(CHECKOUT)}:{node.lineno} {name}"


def test_no_room_has_more_names_of_our_own_dialect_than_before() -> None:
    seen = list(dialect_names())
    counts = Counter(room for room, _ in seen)
    more = {room: count for room, count in counts.items() if count > LEFT.get(room, 0)}
    assert more == {}, [place for room, place in seen if room in more]
    assert dict(counts) == LEFT, "fewer than before: lower the numbers of LEFT"
