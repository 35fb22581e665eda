"""The audit of a recipe's pseudo-labels and of the artifacts they are made of, without any training."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows import wiring
from flows.pipeline import Config, Overrides, Recipe, ifrl_flow, started
from ifrl_core.artifacts import ArtifactRef, ArtifactStore, listing
from ifrl_core.artifacts.gc import leftovers
from ifrl_core.artifacts.listing import Problem
from ifrl_core.errors import ArtifactError
from ifrl_core.records import Row
from ifrl_core.report.stage import by_frequency
from ifrl_core.report.text import fixed, interval, percent, percent_interval
from ifrl_core.rewards.problems.stage import make_problems
from tasks.telling import best_effort

_DAY_S = 24 * 3600


@ifrl_flow("audit")
def audit(recipe: Recipe = "demo-cpu", overrides: Overrides = [], config: Config = None) -> Row:  # noqa: B006
    """Labels by type against rules, and the state of the store; fails when a file of theirs is not what was committed."""
    with started("audit", recipe, overrides, config, until=make_problems) as run:
        labels = wiring.dataset(run)["labels"]
        figures = run.store.manifest(labels).figures
        audited = figures["audit"]
        problems = _problems(run.store, labels)
        health = health_rows(run.store, labels, problems)
        with best_effort("the audit"):
            create_table_artifact(type_rows(audited), key="ifrl-label-audit", description=run.name)
            create_table_artifact(health, key="ifrl-store-health", description=run.store.root)
            create_markdown_artifact(
                audit_markdown(run.name, figures, problems), key="ifrl-audit", description=run.name
            )
        if problems:
            named = "; ".join(f"{item.artifact}/{item.file}: {item.problem}" for item in problems[:5])
            raise ArtifactError(
                f"{len(problems)} files that the labels are made of are bad: {named}. Remove the folders of those artifacts, "
                "and the next run makes them again"
            )
    agreement = audited["overall"]["agreement"]
    return {
        "run": run.name,
        "labels": labels.model_dump(),
        "agreement": agreement["rate"],
        "said": f"{agreement_in_words(agreement)}; no file that they are made of is bad",
    }


def agreement_in_words(agreement: Mapping[str, Any]) -> str:
    if not agreement["total"]:
        return "no label is of a hard constraint, so no rule can audit them"
    return f"{percent(agreement['rate'])} of {agreement['total']} labels of hard constraints agree with their rule"


def type_rows(audited: Mapping[str, Any]) -> list[Row]:
    """A row for each hard type of `audit_figures`, the one with the most labels first."""
    return [
        {
            "type": name,
            "labels": row["agreement"]["total"],
            "agree with the rule": percent(row["agreement"]["rate"]),
            "interval": percent_interval(row["agreement"]["low"], row["agreement"]["high"]),
            "positives right": percent(row["positives"]["rate"]),
            "negatives right": percent(row["negatives"]["rate"]),
            "contrast": fixed(row["contrast"]["difference"], 2),
            "contrast interval": interval(row["contrast"]["low"], row["contrast"]["high"]),
        }
        for name, row in by_frequency(audited["by_type"])
    ]


def health_rows(store: ArtifactStore, labels: ArtifactRef, problems: Sequence[Problem]) -> list[Row]:
    """What the store holds, by state, what killed runs left in it, and what is wrong with the labels and their inputs."""
    entries, left = listing.entries(store), leftovers(store, older_than_s=_DAY_S)
    rows = []
    for state in ("committed", "unfinished", "damaged"):
        sizes = [entry.size for entry in entries if entry.state == state]
        rows.append({"what": f"{state} artifacts", "count": len(sizes), "MiB": _mib(sizes)})
    made_of = {item["artifact"] for item in listing.lineage(store, labels)} | {f"{labels.stage}/{labels.fingerprint}"}
    return [
        *rows,
        {"what": "leftovers of killed runs, older than a day", "count": len(left), "MiB": _mib(i.size for i in left)},
        {"what": "artifacts that these labels are made of", "count": len(made_of), "MiB": ""},
        {"what": "bad files among them", "count": len(problems), "MiB": ""},
    ]


def audit_markdown(run: str, figures: Mapping[str, Any], problems: Sequence[Problem]) -> str:
    """Confusions, counts and dropped labels in words."""
    overall, confusion = figures["audit"]["overall"]["agreement"], figures["audit"]["confusion"]
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(figures["dropped"].items())) or "none"
    lines = [
        f"# Labels of {run}",
        f"{agreement_in_words(overall)} ({percent_interval(overall['low'], overall['high']) or 'no interval'}).",
        "| | rule satisfied | rule violated |\n| --- | --- | --- |\n"
        f"| positive labels | {confusion['positive_passes']} | {confusion['positive_fails']} |\n"
        f"| negative labels | {confusion['negative_passes']} | {confusion['negative_fails']} |",
        "Labels: "
        + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(figures["counts"].items())),
        f"Left out: {dropped}.",
        *(f"> **{item.artifact}/{item.file}**: {item.problem}" for item in problems),
    ]
    return "\n\n".join(lines) + "\n"


def _problems(store: ArtifactStore, labels: ArtifactRef) -> list[Problem]:
    """Bad files of the labels and of everything they are made of."""
    names = {f"{labels.stage}/{labels.fingerprint}", *(item["artifact"] for item in listing.lineage(store, labels))}
    return [problem for name in sorted(names) for problem in listing.verify(store, *name.split("/"))]


def _mib(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 2**20:,.1f}"
