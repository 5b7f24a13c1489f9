"""The parameters that a model can be declared with: those of XGBoost's trees, which passes over any
other name.
"""

from __future__ import annotations

ROUNDS = "num_boost_round"

PARAMETERS = (
    ROUNDS,
    "alpha",
    "base_score",
    "booster",
    "colsample_bylevel",
    "colsample_bynode",
    "colsample_bytree",
    "eta",
    "eval_metric",
    "gamma",
    "grow_policy",
    "interaction_constraints",
    "lambda",
    "learning_rate",
    "max_bin",
    "max_cat_threshold",
    "max_cat_to_onehot",
    "max_delta_step",
    "max_depth",
    "max_leaves",
    "min_child_weight",
    "min_split_loss",
    "monotone_constraints",
    "nthread",
    "num_parallel_tree",
    "objective",
    "reg_alpha",
    "reg_lambda",
    "sampling_method",
    "scale_pos_weight",
    "seed",
    "subsample",
    "tree_method",
    "verbosity",
)
"""`num_boost_round` and XGBoost's own, for gradient-boosted trees."""
