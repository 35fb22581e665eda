"""A profile in words."""

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from ifrl_core.policy.profile.advice import Suggestion
from ifrl_core.policy.profile.measure import Cost
from ifrl_core.policy.profile.stage import ProfilePlan

Figures = Mapping[str, Any]


def cost_line(plan: ProfilePlan, cost: Cost) -> str:
    """What is about to be generated."""
    levels = ", ".join(f"L{level}" for level in plan.levels)
    return (
        f"profile     {plan.instructions} train instructions at {levels} x {plan.generations} rollouts: "
        f"{cost.answers:,} answers of at most {plan.max_tokens:,} tokens, {cost.tokens:,} in all; {_time(cost.seconds)} at "
        f"{cost.tokens_per_second:,.0f} tokens/s (policy.launch.assumed)"
    )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"


def profile_lines(figures: Figures, plan: ProfilePlan, found: Sequence[Suggestion]) -> list[str]:
    """Shares overall, by level and by type, then what to try."""
    return [*_overall(figures, plan), "", *_levels(figures), "", *_types(figures), "", *_suggested(found)]


def _overall(figures: Figures, plan: ProfilePlan) -> Iterator[str]:
    row = figures["overall"]
    soft = f"; {row['soft_only']} more have no hard constraint" if row["soft_only"] else ""
    yield (
        f"prompts     {row['prompts']}: {_share(row['dead'], row)} dead (none of {plan.generations} rollouts passes), "
        f"{_share(row['easy'], row)} easy (all pass), {_share(row['alive'], row)} alive{soft}"
    )
    yield f"spread      {_share(row['spread'], row)} have rollouts that differ by rules; only those give rules a gradient"
    cut = "none" if row["cut_off"] is None else f"{row['cut_off']:.0%}"
    yield f"cut off     {cut} of {figures['rollouts']:,} rollouts at {plan.max_tokens} tokens"


def _levels(figures: Figures) -> Iterator[str]:
    yield f"{'level':<40}{'prompts':>8}{'dead':>7}{'easy':>7}{'alive':>7}{'passes':>8}{'spread':>8}{'cut off':>9}"
    for level, row in figures["by_level"].items():
        yield f"{'L' + level:<40}{_counts(row)}{_share(row['spread'], row):>8}{row['cut_off']:>9.0%}"


def _types(figures: Figures) -> Iterator[str]:
    """The type with most prompts alive first."""
    yield f"{'type':<40}{'prompts':>8}{'dead':>7}{'easy':>7}{'alive':>7}{'passes':>8}"
    rows = figures["by_type"].items()
    for name, row in sorted(rows, key=lambda item: (-item[1]["alive"] / item[1]["prompts"], item[0])):
        yield f"{name:<40}{_counts(row)}"


def _counts(row: Figures) -> str:
    shares = "".join(f"{_share(row[name], row):>7}" for name in ("dead", "easy", "alive"))
    passes = "" if row["pass_rate"] is None else f"{row['pass_rate']:.0%}"
    return f"{row['prompts']:>8}{shares}{passes:>8}"


def _suggested(found: Sequence[Suggestion]) -> Iterator[str]:
    yield "to try" if found else "to try      nothing: the prompts teach"
    for suggestion in found:
        yield f"- {suggestion.why}"
        yield from (f"    --set {quote(override)}" for override in suggestion.overrides)


def _share(count: int, row: Figures) -> str:
    return f"{count / row['prompts']:.0%}" if row["prompts"] else "none"
