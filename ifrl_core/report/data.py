"""What the report shows, as plain JSON data: one section per stage, None where the run has no such stage.

Figures come from the manifests; tables are read only where a section shows rows (rejects, curves, answers).
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, Manifest
from ifrl_core.labels.rounds import balanced_agreement, is_worse
from ifrl_core.report.answers import sample_answers
from ifrl_core.report.benchmark_data import before_and_after
from ifrl_core.report.cut_off import cut_off_section
from ifrl_core.report.findings import benchmark_findings, findings, label_findings, worst_first
from ifrl_core.report.policy import policy_section
from ifrl_core.rewards.writing import has_decayed
from ifrl_core.stages import registry
from ifrl_core.stages.stage import Stage
from ifrl_core.statistics.agreement import reliability_bins

Section = dict[str, Any]
REJECTS_SHOWN = 50


def report_data(name: str, model: str, inputs: Mapping[str, ArtifactRef], store: ArtifactStore) -> Section:
    """Everything on the page. `inputs` holds the refs of the stages that ran, by their outputs' names.

    Raises:
        ArtifactError: when an artifact is gone or one of its files is not what its manifest says.
    """
    titles = _titles(inputs)
    manifests = {key: store.manifest(inputs[key]) for key in titles}
    figures = {key: manifest.figures for key, manifest in manifests.items()}
    benchmarks = before_and_after(inputs, store)
    section: Section = {
        "name": name,
        "model": model,
        "stages": [_stage(key, titles[key], inputs[key], manifest) for key, manifest in manifests.items()],
        "missing": [stage.title for stage in awaited_stages() if stage.output not in inputs],
        "findings": [asdict(finding) for finding in worst_first(findings(figures) + benchmark_findings(benchmarks))],
        "benchmarks": benchmarks,
        "label_findings": [asdict(finding) for finding in label_findings(figures.get("labels", {}))],
        "seeds": _seeds(inputs["seeds"], figures["seeds"], store) if "seeds" in inputs else None,
        "pass_rates": _pass_rates(inputs["pass_rates"], store) if "pass_rates" in inputs else None,
        "evolved": figures.get("evolved_instructions"),
        "instructor": _instructor(inputs, store),
        "types": _types(figures.get("instructions", {})),
        "writing": figures.get("instructions", {}).get("writing"),
        "prompts": figures.get("prompts"),
        "rollouts": figures.get("rollouts"),
        "labels": figures.get("labels"),
        "rounds": _rounds(inputs, store),
        "reward_model": _reward_model(inputs["reward_model"], store) if "reward_model" in inputs else None,
        "warm_start": _warm_start(figures),
        "policy": policy_section(inputs["policy"], store) if "policy" in inputs else None,
        "before": figures.get("before"),
        "after": figures.get("after"),
        "comparison": figures.get("comparison"),
        "cut_off": cut_off_section(figures),
        "soft_audit": figures.get("soft_audit"),
        "answers": sample_answers(inputs["before"], inputs["after"], store)
        if {"before", "after"} <= set(inputs)
        else None,
    }
    cleaned: Section = finite(section)
    return cleaned


def awaited_stages() -> list[Stage]:
    """What every run that is carried to its end has gone through before its report."""
    stages = registry.stages()
    return [stage for stage in stages if not stage.optional and stage.each is None and stage.output != "report"]


def _titles(inputs: Mapping[str, ArtifactRef]) -> dict[str, str]:
    """How people read each of the inputs that a stage makes, in the order of the stages; parts are named behind a colon."""
    titles: dict[str, str] = {}
    for stage in registry.stages():
        titles.setdefault(stage.output, stage.title)  # of two that make one output, a run's own comes first
    found = {name: name.partition(".") for name in inputs if name.partition(".")[0] in titles}
    order = list(titles)
    return {
        name: f"{titles[output]}: {part}" if part else titles[output]
        for name, (output, _, part) in sorted(found.items(), key=lambda item: order.index(item[1][0]))
    }


def finite(value: Any) -> Any:
    """The same data with None for NaN and infinity, which JSON cannot say."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _stage(key: str, title: str, ref: ArtifactRef, manifest: Manifest) -> Section:
    return {
        "key": key,
        "title": title,
        "stage": ref.stage,
        "version": manifest.version,
        "fingerprint": ref.fingerprint,
        "digest": ref.digest,
        "rows": ref.rows,
        "files": len(manifest.shards),
        "bytes": sum(shard.size for shard in manifest.shards),
        "seconds": manifest.cost.seconds,
        "peak_rss_mb": manifest.cost.peak_rss_mb,
        "config": manifest.config,
        "inputs": manifest.inputs,
    }


def _seeds(ref: ArtifactRef, figures: Section, store: ArtifactStore) -> Section:
    rejected = store.read_table(ref, "rejected.parquet").to_pylist()
    return {
        **{key: value for key, value in figures.items() if key != "rejected_examples"},
        "rejects": rejected[:REJECTS_SHOWN],
        "reasons": dict(Counter(row["reason"] for row in rejected).most_common(20)),
    }


def _warm_start(figures: Mapping[str, Section]) -> Section | None:
    """What a warm start learnt from, and a row of held-out figures of the base model, of what it made, and of the policy."""
    if "warm_start" not in figures:
        return None
    steps = [("after the warm start", figures.get("comparison_warm_start")), ("policy", figures.get("comparison"))]
    measured = [(name, found) for name, found in steps if found is not None]
    rows = [_measured("base model", "before", found) for _, found in measured[:1]]
    rows += [_measured(name, "after", found) | {"gain": found["hard"]["overall"]} for name, found in measured]
    return {**figures["warm_start"], "measured": rows}


def _measured(name: str, side: str, found: Section) -> Section:
    of_answers = {metric: values[side] for metric, values in found["answer"].items()}
    return {"name": name, "hard": found["hard"]["overall"][side], **of_answers}


def _instructor(inputs: Mapping[str, ArtifactRef], store: ArtifactStore) -> list[Section]:
    """Of every round how the instructor's writing fared, and whether it was trained on; empty without an instructor."""
    names = (f"evolved_instructions_{number}" for number in range(1, len(inputs) + 1))
    found = [store.manifest(inputs[name]).figures.get("writing") for name in names if name in inputs]
    rounds: list[Section] = []
    for shares in filter(None, found):
        before = next((row for row in reversed(rounds) if row["trained"]), None)
        rounds.append({**shares, "trained": before is None or not has_decayed(shares, before)})
    return rounds


def _rounds(inputs: Mapping[str, ArtifactRef], store: ArtifactStore) -> list[Section]:
    """Of every round: what its labels' audit says on the whole, and whether it was trained on. Empty for a single round."""
    names = [f"labels_{number}" for number in range(1, len(inputs) + 1)]
    figures = [store.manifest(inputs[name]).figures for name in names if name in inputs]
    return [
        {
            "number": number,
            "audit": of_round["audit"]["overall"],
            "balanced": balanced_agreement(of_round),
            "trained": number == 1 or not is_worse(of_round, figures[number - 2]),
        }
        for number, of_round in enumerate(figures, 1)
    ]


def _pass_rates(ref: ArtifactRef, store: ArtifactStore) -> Section:
    rates = store.read_table(ref, "rates.parquet").to_pylist()
    return {**store.manifest(ref).figures, "rates": sorted(rates, key=lambda row: (-row["rate"], row["type"]))}


def _types(figures: Section) -> Section:
    """{"hard": [[type, count], ...], "soft": ...}, the most frequent first."""
    rows_of: Section = {"hard": [], "soft": []}
    for name, count in sorted(figures.get("types", {}).items(), key=lambda item: (-item[1], item[0])):
        kind, _, constraint_type = name.partition(" ")
        rows_of.setdefault(kind, []).append([constraint_type, count])
    return rows_of


def _reward_model(ref: ArtifactRef, store: ArtifactStore) -> Section:
    pairs = [row for row in store.read_table(ref, "validation.parquet").to_pylist() if row["probability"] is not None]
    soft = [(row["probability"], row["label"]) for row in pairs if row["kind"] == "soft"]
    return {
        **store.manifest(ref).figures,
        "curve": store.read_json(ref, "curve.json"),
        "curves": store.read_json(ref, "curves.json"),
        "soft_reliability": reliability_bins([p for p, _ in soft], [label for _, label in soft]),
    }
