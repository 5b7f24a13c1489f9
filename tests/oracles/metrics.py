"""Card precision at k in plain Python, row by row, after the handbook's section 4.4."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def card_precision(events: Iterable[tuple[int, int, float, int]], k: int) -> float:
    """Mean over days of the share of the first `k` cards with a fraud; events are (day, card,
    score, label).
    """
    by_day: dict[int, dict[int, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for day, card, score, label in events:
        by_day[day][card].append((score, label))
    caught: list[int] = []
    shares = []
    for day in sorted(by_day):
        cards = [
            (-max(score for score, _ in rows), card, any(label for _, label in rows))
            for card, rows in by_day[day].items()
            if card not in caught
        ]
        hits = [card for _, card, fraud in sorted(cards)[:k] if fraud]
        caught += hits
        shares.append(len(hits) / k)
    return sum(shares) / len(shares)
