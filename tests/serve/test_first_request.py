"""What the first request would wait for is done before the scorer is ready."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from pipelines.serve.engine.engine import LiveEngine
from tests.serve.nights import history, make_home


def test_nothing_is_compiled_or_loaded_by_a_request(tmp_path: Path) -> None:
    make_home(tmp_path / "home", history())
    command = [sys.executable, "-m", "tests.serve.first_request", str(tmp_path / "home")]
    document = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[
            -1
        ]
    )
    assert document["before"] == document["after"]
    assert document["before"]["serve"] >= 1
    assert document["before"]["report"] >= 1


def test_warming_up_moves_no_state_and_counts_nothing(tmp_path: Path) -> None:
    events = history()
    engine = LiveEngine(make_home(tmp_path / "home", events))
    figures, state = engine.figures(), engine.state("customer", 0)
    engine.close()
    assert set(state.event_ids.tolist()) <= set(events.id[events.keys["customer"] == 0].tolist())
    assert figures["customer_entities"] == len(np.unique(events.keys["customer"]))
    assert (figures["rows_scored_total"], figures["waiting_reports"]) == (0, 0)
