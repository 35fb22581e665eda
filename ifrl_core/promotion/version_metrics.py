"""The figures that a version of a registered model carries in MLflow; what was not measured is left out, never 0."""

from collections.abc import Mapping
from typing import Any

Figures = Mapping[str, Any]


def policy_metrics(comparison: Figures, soft_audit: Figures) -> dict[str, float]:
    """Before, after and change with its 95% interval (per cent and points): constraints satisfied by rules, by the reward
    model and by instruments, answers that trip a wire, that drop the task."""
    rows = {
        "satisfaction/hard": comparison["hard"]["overall"],
        "satisfaction/soft": comparison["soft"]["overall"],
        "satisfaction/soft_by_instruments": soft_audit["gain"]["instruments"]["overall"],
        "answers/hacked": comparison["answer"]["hacked"],
        "answers/task_dropped": comparison["answer"]["task_dropped"],
    }
    shown = {"before": "before", "after": "after", "mean": "change", "low": "change_low", "high": "change_high"}
    return _measured({f"{name}/{shown[key]}": row[key] for name, row in rows.items() for key in shown})


def reward_model_metrics(quality: Figures, soft_audit: Figures) -> dict[str, float]:
    """AUC against rules; of soft constraints within types by instruments, and in truth as far as labels tell, with 95%
    intervals."""
    by_instruments = soft_audit["reward_model"]["within_types"]
    in_truth = soft_audit["corrected"]["soft"]["within_rungs"]
    return _measured(
        {
            "auc": quality["hard"]["auc"],
            "auc_within_types": quality["hard"]["auc_within_types"],
            "soft/auc_by_instruments": by_instruments["mean"],
            "soft/auc_in_truth": in_truth["auc"],
            **{f"soft/auc_by_instruments/{end}": by_instruments[end] for end in ("low", "high")},
            **{f"soft/auc_in_truth/{end}": in_truth[end] for end in ("low", "high")},
        }
    )


def _measured(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}
