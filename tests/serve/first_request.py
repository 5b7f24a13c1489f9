"""In a process of its own: opens the engine on a home, and prints what its first calls had to
compile or load.

`python -m tests.serve.first_request HOME`: one line of JSON, the loops' signatures before and
after.
"""

from __future__ import annotations

import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher

from pipelines.serve.engine.engine import LiveEngine
from tests.serve.nights import START, asked, history, make_run, on_day, taken


def signatures() -> dict[str, int]:
    """How many signatures of each compiled function are there."""
    loaded = [module for name, module in sys.modules.items() if name.startswith("features.online.")]
    members = chain.from_iterable(vars(module).values() for module in loaded)
    loops = [member for member in members if isinstance(member, Dispatcher)]
    return {loop.__name__: len(loop.signatures) for loop in loops}


def main(home: Path) -> None:
    """Open, look, ask in several ways, look again."""
    events = on_day(history())
    engine = LiveEngine(make_run(home))
    before = signatures()
    first = asked(taken(events, slice(0, 3)))
    answers = engine.score(first, np.ones(3, dtype=bool))
    engine.score(asked(events), np.zeros(len(events), dtype=bool))
    engine.report(first.id, np.array([START] * 3))
    after = signatures()
    document = {
        "before": before,
        "after": after,
        "states": answers.flags.tolist(),
        "moved": engine.figures(),
    }
    engine.close()
    print(json.dumps(document))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
