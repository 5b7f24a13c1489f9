"""Policies: the columns, features and causes that they name exist, and their values fit each
other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from pipelines.usecases.feeds import Feed
from pipelines.usecases.policies.evidence import Band, EvidencePolicy, KeyGroup, Slice
from pipelines.usecases.policies.model import ModelPolicy, ParameterValue
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
    """Report slices that name no stored feature or key, that hold nothing, or that have one
    name.
    """
    types = {column.name: column.type for column in events.columns}
    problems.at("slices").require_unique([piece.name for piece in evidence.slices], "slice")
    for piece in evidence.slices:
        problems.at(f"slices[{piece.name}]").look(_check_slice, piece, stored, keys, types)


def _check_slice(
    piece: Slice,
    stored: Collection[str],
    keys: Collection[str],
    types: Mapping[str, str],
    problems: Problems,
) -> None:
    if not check_values(piece, problems):
        return
    problems.at("where").require(
        bool(piece.where), "one band or group or more", "none: it would be every row"
    )
    for number, part in enumerate(piece.where):
        place = problems.at(f"where[{number}]")
        if isinstance(part, Band):
            place.at("column").require_name(part.column, stored, "a stored feature")
            is_band = all(
                isinstance(end, int | float) and not math.isnan(end)
                for end in (part.low, part.high)
            )
            place.require(
                is_band and part.low < part.high, "low below high", f"{part.low} to {part.high}"
            )
        elif check_values(part, place):
            _check_group(part, keys, types, place)


def _check_group(
    group: KeyGroup, keys: Collection[str], types: Mapping[str, str], problems: Problems
) -> None:
    problems.at("key").require_name(group.key, keys, "the key of an entity")
    problems.at("number").require(
        group.number < group.of, f"from 0 to {group.of - 1}", group.number
    )
    problems.at("by").require(
        group.by == "range" or types.get(group.key, "bigint") in _WHOLE,
        "range: a key of text has no remainder",
        group.by,
    )


def check_model(
    model: ModelPolicy, feature_sets: Collection[str], stored: Collection[str], problems: Problems
) -> None:
    """Report parameters that XGBoost would pass over, constraints of no feature, a search that
    compares nothing.
    """
    problems.at("feature_set").require_name(
        model.feature_set, feature_sets, "a declared feature set"
    )
    problems.at("fixed").look(_check_parameters, model.fixed, stored)
    for number, candidate in enumerate(model.search):
        problems.at(f"search[{number}]").look(_check_parameters, candidate, stored)
    problems.look(_check_rounds, model)
    problems.at("search_folds").look(_check_folds, model)


def _check_parameters(
    parameters: Mapping[str, ParameterValue], stored: Collection[str], problems: Problems
) -> None:
    for name, value in parameters.items():
        problems.require_name(name, PARAMETERS, "a parameter of XGBoost")
        if name == _CONSTRAINTS:
            problems.at(f"[{name}]").look(_check_constraints, value, stored)
        elif name == ROUNDS:
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            problems.at(f"[{name}]").require(is_count, "a whole number, 1 or more", value)


def _check_rounds(model: ModelPolicy, problems: Problems) -> None:
    """Each candidate says how many rounds it has, by itself or by what all have."""
    without = [number for number, candidate in enumerate(model.search) if ROUNDS not in candidate]
    needs_own = ROUNDS not in model.fixed and (without or not model.search)
    problems.at("fixed").require(
        not needs_own, ROUNDS, "no such parameter, and none in a candidate of the search"
    )


def _check_folds(model: ModelPolicy, problems: Problems) -> None:
    problems.require(
        len(model.search) < 2 or model.search_folds >= 1,
        "1 or more, where there is something to choose from",
        model.search_folds,
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
        drift.minimum <= drift.sample,
        f"at most drift.sample ({drift.sample}), else no day is judged",
        drift.minimum,
    )


def check_watch(watch: WatchPolicy, drift: DriftPolicy, problems: Problems) -> None:
    """Report limits of the watch that never take effect beside each other."""
    problems.at("least").look(_require_reachable, watch.least, watch.weeks, "weeks")
    problems.at("least_matured").look(
        _require_reachable, watch.least_matured, watch.matured_days, "matured_days"
    )
    problems.at("slow_days").look(
        _require_reachable, watch.slow_days, watch.matured_days, "matured_days"
    )
    problems.at("retrain_of").look(_check_retrain_of, watch, drift)
    for name, causes in (
        ("fall_back_on", watch.fall_back_on),
        ("roll_back_on", watch.roll_back_on),
    ):
        problems.at(name).look(_require_causes_once, causes)


def _require_reachable(least: int, most: int, of: str, problems: Problems) -> None:
    problems.require(
        least <= most, f"at most watch.{of} ({most}), else nothing is ever judged", least
    )


def _check_retrain_of(watch: WatchPolicy, drift: DriftPolicy, problems: Problems) -> None:
    problems.require(
        watch.retrain_of == 0 or watch.retrain_of >= drift.confirm_days,
        f"0, or drift.confirm_days ({drift.confirm_days}) or more",
        watch.retrain_of,
    )


def _require_causes_once(causes: Sequence[str], problems: Problems) -> None:
    problems.require_unique(causes, "cause")


def check_rollout(rollout: RolloutPolicy, upkeep: UpkeepPolicy, problems: Problems) -> None:
    """Report a canary that is none, and a way to champion that outlasts what a release is
    reproduced from.
    """
    problems.at("canary_share").look(_check_canary, rollout)
    problems.look(_check_way, rollout, upkeep)


def _check_canary(rollout: RolloutPolicy, problems: Problems) -> None:
    problems.require(
        not rollout.canary_days or rollout.canary_share < 1,
        "less than 1: the champion decides for the others",
        rollout.canary_share,
    )


def _check_way(rollout: RolloutPolicy, upkeep: UpkeepPolicy, problems: Problems) -> None:
    days = rollout.shadow_days + rollout.canary_days + rollout.guard_days
    problems.require(
        days <= upkeep.versions_days,
        "shadow_days + canary_days + guard_days of at most upkeep.versions_days"
        f" ({upkeep.versions_days})",
        days,
    )


def least_retention(
    feeds: Sequence[Feed], reach: int, learnt: int, matured: int, others: Sequence[str]
) -> dict[str, int]:
    """The fewest days for which each table and folder has to be kept.

    `reach`: how far features look back, rows that come late included; `learnt`: the days that a
    training reads; `matured`: the days until the labels of a scored day are known.
    """
    least = {feed.name: reach + learnt for feed in feeds} | {"features": learnt}
    least["predictions"] = matured
    return least | dict.fromkeys(("alerts", "metrics", "quarantine", *others), 1)


def check_retention(days: Mapping[str, int], least: Mapping[str, int], problems: Problems) -> None:
    """Report tables that there are not, and days that features, training or labels still need."""
    for name, kept in days.items():
        problems.require_name(name, least, "a table or folder that has days")
        problems.at(f"[{name}]").look(_check_kept, kept, least.get(name, 1))


def _check_kept(kept: int, least: int, problems: Problems) -> None:
    problems.require(
        kept >= least, f"{least} days or more: features, training or labels still read them", kept
    )
