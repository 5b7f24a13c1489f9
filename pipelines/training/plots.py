"""The pictures of a model card: precision–recall, calibration, score histograms, feature
importance.

Each is a PNG with labelled axes and a text that says what is seen on it. Drawn without a display.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.pages.document import Picture
from pipelines.problems.metrics import Array, average_precision
from pipelines.training.evidence.calibration import reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_FEATURES = 20
LABEL_WIDTH = 45


def precision_recall(label: Array, scores: Mapping[str, Array]) -> Picture:
    """Precision over recall for each model's scores (float64) on rows with `label` (0/1)."""
    from sklearn.metrics import precision_recall_curve

    def draw(axes: Axes) -> None:
        for name, score in scores.items():
            precision, recall, _ = precision_recall_curve(label, score)
            axes.step(
                recall,
                precision,
                where="post",
                label=f"{name} (AP {average_precision(label, score):.3f})",
            )
        axes.axhline(float(np.mean(label)), linestyle=":", color="grey", label="chance")
        axes.set(
            xlabel="recall (share of positives found)",
            ylabel="precision (share of alarms right)",
            ylim=(0, 1.02),
        )
        axes.legend()

    areas = ", ".join(
        f"{name} {average_precision(label, score):.3f}" for name, score in scores.items()
    )
    return _picture(
        "precision_recall",
        "Precision over recall on the test days",
        f"Average precision: {areas}.",
        draw,
    )


def calibration(label: Array, scores: Mapping[str, Array]) -> Picture:
    """Observed share of positives over the mean score, in ten groups of rows with the same number
    of positives.
    """
    lines = {name: reliability(label, score) for name, score in scores.items()}
    values: list[float] = []
    for line in lines.values():
        for mean, share, _ in line:
            values += (value for value in (mean, share) if value > 0)

    def draw(axes: Axes) -> None:
        low = max(1e-5, min(values) / 2)
        axes.plot([low, 1], [low, 1], linestyle=":", color="grey", label="perfect")
        for name, line in lines.items():
            axes.plot(
                [mean for mean, _, _ in line],
                [share for _, share, _ in line],
                marker="o",
                label=name,
            )
        axes.set(
            xlabel="mean score of the group (probability)",
            ylabel="observed share of positives",
            xscale="log",
            yscale="log",
            xlim=(low, 1.2),
            ylim=(low, 1.2),
        )
        axes.legend()

    descriptions = {
        name: "; ".join(f"{mean:.4f} against {share:.4f}" for mean, share, _ in line)
        for name, line in lines.items()
    }
    pairs = ". ".join(f"{name}: {text}" for name, text in descriptions.items())
    return _picture(
        "calibration",
        "Calibration on the test days (log scales)",
        f"Mean score against observed share: {pairs}.",
        draw,
    )


def score_histograms(label: Array, score: Array, threshold: float) -> Picture:
    """How many rows of each class have which score, on a log scale, with the decision threshold."""

    def draw(axes: Axes) -> None:
        edges = [step / 40 for step in range(41)]
        axes.hist(score[label == 0], bins=edges, alpha=0.6, label="negative")
        axes.hist(score[label == 1], bins=edges, alpha=0.6, label="positive")
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")
        axes.set(xlabel="score (probability)", ylabel="rows (log scale)", yscale="log")
        axes.legend()

    medians = [
        float(np.median(score[label == kind])) if np.any(label == kind) else float("nan")
        for kind in (0, 1)
    ]
    alt = (
        f"Median score {medians[0]:.4f} of negatives and {medians[1]:.4f} of positives; threshold"
        f" {threshold:.4f}."
    )
    return _picture("score_histograms", "Scores on the test days, by label", alt, draw)


def feature_importance(gains: Mapping[str, float]) -> Picture:
    """Share of the total gain of all splits, the twenty features with most of it."""
    total = sum(gains.values()) or 1.0
    shares = sorted(((gain / total, name) for name, gain in gains.items()), reverse=True)[
        :SHOWN_FEATURES
    ]

    def draw(axes: Axes) -> None:
        axes.barh(
            [_in_lines(name) for _, name in reversed(shares)],
            [100 * share for share, _ in reversed(shares)],
        )
        axes.tick_params(axis="y", labelsize=7)
        axes.set(xlabel="share of total gain (%)")

    alt = (
        "Most important: "
        + ", ".join(f"{name} {100 * share:.1f} %" for share, name in shares[:5])
        + "."
    )
    return _picture(
        "feature_importance",
        "Feature importance (gain on the training rows)",
        alt,
        draw,
        size=(9, 7),
    )


def _in_lines(name: str) -> str:
    """A feature's name, broken at underscores into lines that leave room for the bars."""
    return "\n".join(textwrap.wrap(name.replace("_", " "), LABEL_WIDTH)).replace(" ", "_")


def _picture(
    name: str, caption: str, alt: str, draw: Any, size: tuple[float, float] = (7, 4.5)
) -> Picture:
    """`size` in inches: wide enough for the longest label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(caption)
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None, "Description": alt})
    return Picture(
        path=f"plots/{name}.png", png=buffer.getvalue(), caption=caption, alt=f"{caption}. {alt}"
    )
