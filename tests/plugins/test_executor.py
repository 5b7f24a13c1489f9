"""The scheduler rests between the tasks of a night: the end of one wakes it, and what has just
moved keeps it awake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from multiprocessing import SimpleQueue
from typing import Any

import pytest

from plugins.tollgate_airflow import executor as module
from plugins.tollgate_airflow.executor import LIVELY, PreloadedExecutor

TASK = "a task"


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> PreloadedExecutor:
    """An executor whose one task runs since long ago; its workers are this test."""
    made = PreloadedExecutor()
    monkeypatch.setattr(made, "_check_workers", lambda: None)
    made.result_queue = SimpleQueue()
    made.running = {TASK}  # type: ignore[arg-type]
    made.sync()
    made._moved = time.monotonic() - 2 * LIVELY
    return made


def test_the_end_of_a_task_is_seen_in_the_round_that_waits_for_it(
    executor: PreloadedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST", 60.0)
    ended = threading.Timer(0.05, lambda: executor.result_queue.put((TASK, "success", None)))  # type: ignore[arg-type]
    ended.start()
    executor.sync()
    ended.join()
    assert executor.get_event_buffer() == {TASK: ("success", None)}
    assert not executor.running


def test_only_what_has_not_moved_for_a_while_is_waited_for(
    executor: PreloadedExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(connections: Sequence[Any], timeout: float) -> list[Any]:
        waited.append(timeout)
        return []

    monkeypatch.setattr(module, "wait", wait)
    executor.sync()
    assert waited == [module.REST]
    executor.running = {TASK, "another"}  # type: ignore[arg-type]
    executor.sync()
    assert waited == [module.REST], "a task has begun: its followers may come in the next moment"
