"""What a run came to, for scripts (`ifrl report --json`) and for Prefect: from the run's record and its stages' manifests.

A run that stopped early has fewer stages; what it did not reach is null, never 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, files
from ifrl_core.labels.rounds import balanced_agreement, last_round
from ifrl_core.report.benchmark_tables import section_summary
from ifrl_core.report.cut_off import cut_off_section
from ifrl_core.report.findings import OF_THEIR_OWN, findings
from ifrl_core.report.text import (
    ANSWER_MEASURES,
    IFEVAL,
    count,
    duration,
    fixed,
    interval,
    measured,
    percent,
    percent_interval,
    signed,
)
from ifrl_core.reward_model.quality.figures import summary_figures
from ifrl_core.stages import registry

Figures = dict[str, Any]


def run_summary(record: Mapping[str, Any], store: ArtifactStore) -> dict[str, Any]:
    """The summary that scripts rely on. `gain` is in percentage points, shares are in [0, 1], memory is in MiB.

    Raises:
        ArtifactError: when an artifact that the record names is gone from the store.
    """
    outputs = {stage.label: stage.output for stage in registry.stages()}
    of_last, rounds = last_round({name: ArtifactRef.model_validate(ref) for name, ref in record["refs"].items()})
    refs = {outputs.get(label, label): ref for label, ref in of_last.items()}
    figures: dict[str, Figures] = {name: store.manifest(ref).figures for name, ref in refs.items()}
    comparison = figures.get("comparison", {})
    soft = figures.get("soft_audit", {}).get("gain", {})
    audit = figures.get("labels", {}).get("audit", {}).get("overall")
    return {
        "run": record["run"],
        "state": record["state"],
        "seconds": record["seconds"],
        "stages": {name: {"seconds": s["seconds"], "cached": s["cached"]} for name, s in record["stages"].items()},
        "peak_rss_mb": record["peak_rss_mb"],
        "gain": _difference(comparison.get("hard", {}).get("overall")),
        "soft_gain": _difference(comparison.get("soft", {}).get("overall")),
        "soft_gain_by_instruments": _difference(soft.get("instruments", {}).get("overall")),
        "label_agreement": audit["agreement"]["rate"] if audit else None,
        "label_agreement_detail": {side: audit[side] for side in ("positives", "negatives")} if audit else None,
        "rounds": [balanced_agreement(store.manifest(ref).figures) for ref in rounds],
        "reward_model": _reward_model(figures["reward_model"]) if "reward_model" in figures else None,
        "ifeval": _ifeval(figures),
        "general": _difference(comparison.get("general", {}).get("overall")),
        "benchmarks": _benchmarks(refs, store),
        "answers": comparison.get("answer"),
        "cut_off": cut_off_section(figures),
        "rejected": figures["seeds"]["rejected"] if "seeds" in figures else None,
        "writing": figures.get("instructions", {}).get("writing"),
        "findings": [asdict(finding) for finding in findings(figures)],
        "mlflow": record.get("mlflow"),
        "prefect": record.get("prefect"),
        "gate": store.manifest(refs["report"]).config.get("gate") if "report" in refs else None,
        "report": _report(refs, store),
    }


def summary_markdown(summary: Mapping[str, Any], versions: Sequence[Mapping[str, str]]) -> str:
    """The summary as a Prefect artifact: headline, what weakens it, figures, stages, registered models."""
    parts = [
        f"# {summary['run']}",
        _headline(summary),
        *(f"> **{item['title']}.** {item['text']}" for item in summary["findings"]),
        _table(("figure", "value", "95% interval"), _figure_rows(summary)),
        "## Stages",
        _table(("stage", "time", "from cache"), _stage_rows(summary)),
        f"{duration(summary['seconds'])} in all, peak memory {fixed(summary['peak_rss_mb'] / 1024)} GiB, "
        f"{count(summary['rejected'])} seed records rejected.",
    ]
    if versions:
        rows = [(f"`{item['uri']}`", item["version"], f"`{item['alias']}`") for item in versions]
        parts += ["## Registered models", _table(("model", "version", "alias"), rows)]
    if summary["report"]:
        parts.append(f"Full report: `{summary['report']['path'] or summary['report']['uri'] + '/report.html'}`")
    if run := summary["mlflow"]:
        parts.append(f"MLflow run: [{run['run_id']}]({run['url']})" if run["url"] else f"MLflow run: `{run['run_id']}`")
    return "\n\n".join(parts) + "\n"


def _difference(row: Figures | None) -> Figures | None:
    return None if row is None or row["mean"] is None else row


def _reward_model(figures: Figures) -> Figures:
    """Quality on validation pairs: against rules at the top, against pseudo-labels (soft constraints) below."""
    return {**summary_figures(figures["hard"]), "soft": summary_figures(figures["soft"])}


def _ifeval(figures: Mapping[str, Figures]) -> Figures | None:
    """Shares by side and metric; runs of older stores hold them beside their evaluations."""
    compared = figures.get("comparison", {}).get("ifeval")
    if compared is None:
        return None
    return {side: {metric: compared[metric][side] / 100 for metric in IFEVAL} for side in ("before", "after")}


def _benchmarks(refs: Mapping[str, ArtifactRef], store: ArtifactStore) -> Figures:
    """By label, as `section_summary`; empty where a run has no report, or its report none."""
    sections = store.read_json(refs["report"], "report.json").get("benchmarks", []) if "report" in refs else []
    return {section["label"]: section_summary(section) for section in sections}


def _report(refs: Mapping[str, ArtifactRef], store: ArtifactStore) -> Figures | None:
    if "report" not in refs:
        return None
    ref = refs["report"]
    local = files.is_local(store.fs)
    return {"uri": ref.uri, "path": f"{store.folder(ref.stage, ref.fingerprint)}/report.html" if local else None}


def _headline(summary: Mapping[str, Any]) -> str:
    gain = summary["gain"]
    if gain is None and summary["answers"]:
        no_rule = "No hard constraint was measured on held-out instructions, so no rule can tell a gain."
        return no_rule + _by_instruments(summary)
    if gain is None:
        return f"The run is {summary['state']} and did not reach a comparison of the policy with its base model."
    return (
        f"Hard constraints satisfied on held-out instructions, by rules: **{fixed(gain['before'])}% → "
        f"{fixed(gain['after'])}%**, {signed(gain['mean'])} points {interval(gain['low'], gain['high'])}."
    )


def _by_instruments(summary: Mapping[str, Any]) -> str:
    """The sentence that follows where soft constraints are all that was asked for; empty without an instrument of theirs."""
    gain = summary["soft_gain_by_instruments"]
    if gain is None:
        return ""
    told = f"**{signed(gain['mean'])} points** {interval(gain['low'], gain['high'])}"
    return f" Soft constraints, by instruments that no training sees: {told}."


def _figure_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for name, what in (
        ("gain", "hard constraints, by rules"),
        ("soft_gain", "soft constraints, by the reward model"),
        ("soft_gain_by_instruments", "soft constraints, by instruments"),
    ):
        if row := summary[name]:
            change = f"{fixed(row['before'])}% → {fixed(row['after'])}% ({signed(row['mean'])})"
            rows.append((what, change, interval(row["low"], row["high"])))
    if row := summary["general"]:
        change = f"{fixed(row['before'])}% → {fixed(row['after'])}% ({signed(row['mean'])})"
        rows.append(("general problems, right answers", change, interval(row["low"], row["high"])))
    detail = summary["label_agreement_detail"] or {}
    for side, row in detail.items():
        rows.append((f"{side} that are right", percent(row["rate"]), percent_interval(row["low"], row["high"])))
    if model := summary["reward_model"]:
        rows.append(("reward model AUC against rules", fixed(model["auc"], 3), ""))
        rows.append(("the same within constraint types", fixed(model["auc_within_types"], 3), ""))
    if ifeval := summary["ifeval"]:
        for metric, title in IFEVAL.items():
            sides = [percent(ifeval[side][metric], 1) for side in ("before", "after")]
            rows.append((f"IFEval, {title}", " → ".join(sides), ""))
    rows += [_benchmark_row(label, of) for label, of in summary["benchmarks"].items() if label not in OF_THEIR_OWN]
    for name, what in ANSWER_MEASURES.items():
        row = (summary["answers"] or {}).get(name)
        if row and row["n"]:
            rows.append((what, f"{fixed(row['before'])} → {fixed(row['after'])}", interval(row["low"], row["high"])))
    return rows


def _benchmark_row(label: str, of: Mapping[str, Any]) -> tuple[str, str, str]:
    """The headline of a benchmark."""
    name, row = next(iter(of["metrics"].items()))
    change, unit = row["change"], row["unit"]
    figures = " → ".join(measured(row[side]["mean"], unit) for side in ("before", "after"))
    if change["mean"] is None:
        return f"{label}, {name} ({of['judge']})", figures, ""
    digits = 1 if unit == "share" else 2
    told = f"{figures} ({signed(change['mean'], digits)})"
    return f"{label}, {name} ({of['judge']})", told, interval(change["low"], change["high"], digits)


def _stage_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (name, duration(stage["seconds"]), "yes" if stage["cached"] else "no")
        for name, stage in summary["stages"].items()
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
