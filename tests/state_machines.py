"""State machines of hypothesis, played without a clock: how many games, and how many steps in each,
the test says.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def play(machine: type[RuleBasedStateMachine], *, games: int, steps: int) -> None:
    """Play `games` games of at most `steps` steps; the shortest that breaks a rule or an invariant
    fails.
    """
    limits = settings(max_examples=games, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine, settings=limits)  # type: ignore[no-untyped-call]
