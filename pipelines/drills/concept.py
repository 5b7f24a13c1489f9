"""The drill `concept`: a new pattern of fraud.

A person is called; no training, nobody else decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from pipelines.base.settings import Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.drills.watched_bank import days_after, nights, watched_bank, write_days
from pipelines.releases.fallback import fallbacks
from pipelines.simulate.day import DayPlan
from pipelines.simulate.incidents import INCIDENTS

NAME = "hidden-fraud"
DAYS = days_after(0, 7)
TOLD = days_after(7)
"""When the labels of the first day have matured: the first run that could know."""


def concept(settings: Settings) -> Sequence[Finding]:
    """A week of fraud that looks like any purchase, and the night on which the first day's labels
    are known.
    """
    run = watched_bank(settings)
    champion = run.ledger.champion()
    write_days(run, DAYS, dict.fromkeys(DAYS, DayPlan((NAME,))))
    accounts = nights(run, DAYS)
    day_account = accounts[TOLD.first]
    opened = [
        incident for incident in run.ledger.incidents(open_only=True) if incident.kind == "concept"
    ]
    early = {day: account.cause for day, account in accounts.items() if day < TOLD.first}
    done = list(chain.from_iterable(account.answers for account in accounts.values()))
    asking = [day for day, account in accounts.items() if account.asks_for_training]
    return (
        Finding(
            expected="on the first run that knows labels of such a day it is called a new pattern",
            happened=f"{day_account.cause}: {day_account.summary}",
            holds=day_account.cause == "concept",
        ),
        Finding(
            expected="before that no other cause is blamed",
            happened=", ".join(f"{day}: {cause}" for day, cause in early.items()),
            holds=not set(early.values()) & {"bug", "feed", "harmful"},
        ),
        Finding(
            expected="a person is paged, and told to look at what was missed",
            happened="; ".join(
                f"{incident.severity}: {incident.detail.next_step}" for incident in opened
            )
            or "nobody",
            holds=[incident.severity for incident in opened] == ["critical"],
        ),
        Finding(
            expected="no training is asked for: old labels do not know the pattern",
            happened=", ".join(map(str, asking)) or "none",
            holds=not asking,
        ),
        Finding(
            expected=(
                "the champion goes on deciding: neither the rule nor an older release knows better"
            ),
            happened="; ".join(done) or "nothing was done",
            holds=run.ledger.champion() == champion and not fallbacks(run.ledger),
        ),
    )


CONCEPT = Drill(
    name="concept",
    description=(
        "a new pattern of fraud: a person is called as soon as labels tell, and nothing is trained"
        " on old ones"
    ),
    injected=f"{DAYS}: {INCIDENTS[NAME].description}",
    happens=concept,
)
