"""Policies: the columns, features and causes that they name exist, and their values fit each other."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from pipelines.usecases.feeds import Feed
from pipelines.usecases.policies.evidence import Band, EvidencePolicy, KeyGroup, Slice
from pipelines.usecases.policies.model import ModelPolicy
from pipelines.usecases.policies.rollout import RolloutPolicy
from pipelines.usecases.policies.upkeep import UpkeepPolicy
from pipelines.usecases.policies.watch import DriftPolicy, WatchPolicy
from pipelines.usecases.validation.parameters import PARAMETERS, ROUNDS
from pipelines.usecases.validation.problems import Problems
from pipelines.usecases.validation.values import check_values

_CONSTRAINTS = "monotone_constraints"
_WHOLE = ("bigint", "int")


def check_slices(
    evidence: EvidencePolicy,
    stored: Collection[str],
    keys: Collection[str],
    events: Feed,
    problems: Problems,
) -> None:
    """Report slices that name no stored feature or key, that hold nothing, or that have one name."""
    types = {column.name: column.type for column in events.columns}
    problems.at("slices").require_unique([piece.name for piece in evidence.slices], "slice")
    for piece in evidence.slices:
        _check_slice(piece, stored, keys, types, problems.at(f"slices[{piece.name}]"))


def _check_slice(
    piece: Slice,
    stored: Collection[str],
    keys: Collection[str],
    types: Mapping[str, str],
    problems: Problems,
) -> None:
    if not check_values(piece, problems):
        return
    problems.at("where").require(bool(piece.where), "one band or group or more", "none: it would be every row")
    for number, part in enumerate(piece.where):
        place = problems.at(f"where[{number}]")
        if isinstance(part, Band):
            place.at("column").require_name(part.column, stored, "a stored feature")
            is_band = all(isinstance(end, int | float) and not math.isnan(end) for end in (part.low, part.high))
            place.require(is_band and part.low < part.high, "low below high", f"{part.low} to {part.high}")
        elif check_values(part, place):
            _check_group(part, keys, types, place)


def _check_group(group: KeyGroup, keys: Collection[str], types: Mapping[str, str], problems: Problems) -> None:
    problems.at("key").require_name(group.key, keys, "the key of an entity")
    problems.at("number").require(group.number < group.of, f"from 0 to {group.of - 1}", group.number)
    problems.at("by").require(
        group.by == "range" or types.get(group.key, "bigint") in _WHOLE,
        "range: a key of text has no remainder",
        group.by,
    )


def check_model(model: ModelPolicy, feature_sets: Collection[str], stored: Collection[str], problems: Problems) -> None:
    """Report parameters that XGBoost would pass over, constraints of no feature, a search that compares nothing."""
    problems.at("feature_set").require_name(model.feature_set, feature_sets, "a declared feature set")
    named = [("fixed", model.fixed)]
    named += [(f"search[{number}]", candidate) for number, candidate in enumerate(model.search)]
    for place, parameters in named:
        for name, value in parameters.items():
            problems.at(place).require_name(name, PARAMETERS, "a parameter of XGBoost")
            if name == _CONSTRAINTS:
                _check_constraints(value, stored, problems.at(f"{place}[{name}]"))
    candidates = model.search or ({},)
    for number, candidate in enumerate(candidates):
        rounds = {**model.fixed, **candidate}.get(ROUNDS)
        place = "fixed" if ROUNDS not in candidate else f"search[{number}]"
        problems.at(f"{place}[{ROUNDS}]").require(
            isinstance(rounds, int) and not isinstance(rounds, bool) and rounds >= 1,
            "a whole number, 1 or more",
            rounds,
        )
        if ROUNDS not in candidate:
            break
    problems.at("search_folds").require(
        len(model.search) < 2 or model.search_folds >= 1, "1 or more, where there is something to choose from", 0
    )


def _check_constraints(value: object, stored: Collection[str], problems: Problems) -> None:
    if not isinstance(value, Mapping):
        problems.add("-1, 0 or 1 by feature", value)
        return
    for name, sign in value.items():
        problems.require_name(name, stored, "a stored feature")
        problems.at(f"[{name}]").require(sign in (-1, 0, 1), "-1, 0 or 1", sign)


def check_drift(drift: DriftPolicy, problems: Problems) -> None:
    """Report a drift policy by which no day could ever be judged."""
    problems.at("minimum").require(
        drift.minimum <= drift.sample, f"at most drift.sample ({drift.sample}), else no day is judged", drift.minimum
    )


def check_watch(watch: WatchPolicy, drift: DriftPolicy, problems: Problems) -> None:
    """Report limits of the watch that never take effect beside each other."""
    _require_reachable(watch.least, watch.weeks, "least", "watch.weeks", problems)
    _require_reachable(watch.least_matured, watch.matured_days, "least_matured", "watch.matured_days", problems)
    _require_reachable(watch.slow_days, watch.matured_days, "slow_days", "watch.matured_days", problems)
    problems.at("retrain_of").require(
        watch.retrain_of == 0 or watch.retrain_of >= drift.confirm_days,
        f"0, or drift.confirm_days ({drift.confirm_days}) or more",
        watch.retrain_of,
    )
    for name, causes in (("fall_back_on", watch.fall_back_on), ("roll_back_on", watch.roll_back_on)):
        problems.at(name).require_unique(causes, "cause")


def _require_reachable(least: int, most: int, name: str, of: str, problems: Problems) -> None:
    problems.at(name).require(least <= most, f"at most {of} ({most}), else nothing is ever judged", least)


def check_rollout(rollout: RolloutPolicy, upkeep: UpkeepPolicy, problems: Problems) -> None:
    """Report a canary that is none, and a way to champion that outlasts what a release is reproduced from."""
    problems.at("canary_share").require(
        not rollout.canary_days or rollout.canary_share < 1,
        "less than 1: the champion decides for the others",
        rollout.canary_share,
    )
    days = rollout.shadow_days + rollout.canary_days + rollout.guard_days
    problems.require(
        days <= upkeep.versions_days,
        f"shadow_days + canary_days + guard_days of at most upkeep.versions_days ({upkeep.versions_days})",
        days,
    )


def least_retention(
    feeds: Sequence[Feed], reach: int, learnt: int, matured: int, others: Sequence[str]
) -> dict[str, int]:
    """The fewest days for which each table and folder has to be kept.

    `reach`: how far features look back, rows that come late included; `learnt`: the days that a training reads;
    `matured`: the days until the labels of a scored day are known.
    """
    least = {feed.name: reach + learnt for feed in feeds} | {"features": learnt}
    least |= dict.fromkeys(("predictions",), matured)
    return least | dict.fromkeys(("alerts", "metrics", "quarantine", *others), 1)


def check_retention(days: Mapping[str, int], least: Mapping[str, int], problems: Problems) -> None:
    """Report tables that there are not, and days that features, training or labels still need."""
    for name, kept in days.items():
        problems.require_name(name, least, "a table or folder that has days")
        problems.at(f"[{name}]").require(
            kept >= least.get(name, 1), f"{least.get(name, 1)} or more, which is still read", kept
        )
