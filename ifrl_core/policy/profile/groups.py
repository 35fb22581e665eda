"""What groups of rollouts show by rules alone, which is what they teach as far as hard constraints go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from ifrl_core.stages.stage import Figures

Status = Literal["dead", "easy", "alive"]


@dataclass(frozen=True)
class Group:
    """The rollouts of a prompt: `verdicts` (rollouts, types) of its hard constraints, none where it has only soft ones."""

    level: int
    types: tuple[str, ...]
    verdicts: tuple[tuple[bool, ...], ...]
    cut_off: tuple[bool, ...]  # whether the token budget ended each

    @property
    def passed(self) -> list[bool]:
        """Whether each rollout satisfies all hard constraints."""
        return [all(verdict) for verdict in self.verdicts]

    @property
    def scores(self) -> list[float]:
        """The share of the hard constraints that each rollout satisfies."""
        return [fmean(verdict) for verdict in self.verdicts]


def status(passed: Sequence[bool]) -> Status:
    """dead: no rollout of the group passes; easy: all do; alive: some do."""
    return "easy" if all(passed) else "alive" if any(passed) else "dead"


def group_figures(groups: Sequence[Group]) -> Figures:
    """Of prompts overall and by level, of hard constraints by type.

    A prompt passes by all of its hard constraints, a constraint by itself. `spread` counts the prompts whose rollouts differ
    in the share of hard constraints that they satisfy: without that, rules give a group no advantage. `soft_only` counts
    prompts without a hard constraint, which are in no other count.
    """
    levels = sorted({group.level for group in groups})
    types = sorted({name for group in groups for name in group.types})
    return {
        "overall": _of_prompts(groups),
        "by_level": {str(level): _of_prompts([g for g in groups if g.level == level]) for level in levels},
        "by_type": {name: _of_type(name, [g for g in groups if name in g.types]) for name in types},
    }


def _of_prompts(groups: Sequence[Group]) -> Figures:
    hard = [group for group in groups if group.types]
    return {
        **_counts(hard, lambda group: group.passed),
        "soft_only": len(groups) - len(hard),
        "spread": sum(len(set(group.scores)) > 1 for group in hard),
        "score": fmean(score for group in hard for score in group.scores) if hard else None,
        "cut_off": fmean(cut for group in groups for cut in group.cut_off) if groups else None,
    }


def _of_type(name: str, groups: Sequence[Group]) -> Figures:
    return _counts(groups, lambda group: [verdict[group.types.index(name)] for verdict in group.verdicts])


def _counts(groups: Sequence[Group], passed: Callable[[Group], Sequence[bool]]) -> Figures:
    """Prompts by status, and the share of rollouts that pass."""
    of_groups = [passed(group) for group in groups]
    statuses = [status(of_group) for of_group in of_groups]
    return {
        "prompts": len(groups),
        **{name: statuses.count(name) for name in ("dead", "easy", "alive")},
        "pass_rate": fmean(item for of_group in of_groups for item in of_group) if groups else None,
    }
