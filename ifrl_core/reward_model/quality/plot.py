"""ROC and reliability of all scorers as one picture, for MLflow, which shows PNG files of a run; the report draws its own."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {
    "reward_model": "reward model",
    "reward_model_raw": "before calibration",
    "zero_shot": "backbone asked yes or no",
    "length": "length of the answer",
}


def curves_png(curves: Mapping[str, Any]) -> bytes:
    """The curves of `baselines.curves` by rules; a constant (majority) has none worth drawing. Equal curves, equal bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    roc, reliability = figure.subplots(1, 2)
    for name in (name for name in NAMES if name in curves):
        _draw(roc, NAMES[name], curves[name]["roc"], marker="")
        _draw(reliability, NAMES[name], [(stated, seen) for stated, seen, _ in curves[name]["reliability"]], marker="o")
    _frame(roc, "ROC by rules", "false positive rate", "true positive rate")
    _frame(reliability, "Reliability by rules", "stated probability", "observed share")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
    return picture.getvalue()


def _draw(axes: "Axes", label: str, points: list[tuple[float, float]], *, marker: str) -> None:
    if points:
        axes.plot(*zip(*points, strict=True), label=label, marker=marker)


def _frame(axes: "Axes", title: str, x_label: str, y_label: str) -> None:
    axes.plot([0, 1], [0, 1], color="gray", linestyle="--", linewidth=1)
    axes.set(title=title, xlabel=x_label, ylabel=y_label, xlim=(0, 1), ylim=(0, 1))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
