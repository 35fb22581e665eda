"""What the gate of a recipe can know: the smallest effect that its held-out sets show, and what its guards need to pass.

The spread of a unit's difference is not known before a run; what is assumed here was measured on the demo
(benchmarks/policy.md: half widths of 7 to 9.6 points on 60 instructions) or follows from the share of answers that change. A
run's own figures say better, and the gate goes by them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ifrl_core.config import PipelineConfig
from ifrl_core.errors import InputError
from ifrl_core.instructions.types import drawn_kinds
from ifrl_core.promotion.gate import ACCURACY, BOTH_SIDES, HACKS, LENGTH, PRIMARY
from ifrl_core.rewards.problems.stage import held_out_problems
from ifrl_core.seeds.read import read_seeds
from ifrl_core.seeds.split import split_seeds
from ifrl_core.statistics.power import ERROR, POWER, detectable, normal_quantile, units_needed

IFEVAL = "IFEval, prompts strictly followed"
ASSUMED_SPREAD = {
    PRIMARY: 33.0,  # points, of an instruction's mean over its rungs
    IFEVAL: 35.0,  # one answer in eight changes
    ACCURACY: 35.0,
    LENGTH: 60.0,  # % of the mean length
    HACKS: 20.0,  # one answer in twelve changes, two to five answers an instruction
}


@dataclass(frozen=True)
class Question:
    """What is asked of `units`, called `unit`, whose differences have standard deviation `spread` (points; length: %).

    `detects`: the smallest true difference that shows with 80 % power. Of a guard: `margin`; `needed`, units with which it
    passes with 80 % power when nothing changed (None: no number is enough); `can_pass`, whether it may pass at all then;
    `remedy`, in keys of the recipe.
    """

    metric: str
    unit: str
    units: int
    spread: float
    detects: float | None
    margin: float | None = None
    needed: int | None = None
    can_pass: bool = True
    remedy: str = ""


def gate_power(config: PipelineConfig, held_out: int | None = None) -> list[Question]:
    """IFEval where it is asked; and the primary metric and every guard, where hard constraints are drawn to decide by.
    `held_out`: instructions, where they are known."""
    guards, instructions = config.retrain, held_out_instructions(config) if held_out is None else held_out
    questions = []
    if config.evaluation.ifeval_path is not None:
        questions.append(_question(IFEVAL, "prompts", config.evaluation.ifeval_prompts))
    if "hard" not in drawn_kinds(config):
        return questions
    questions.insert(0, _question(PRIMARY, "held-out instructions", instructions))
    if guards.accuracy_margin is not None:
        asked = min(problems_asked(config), _problems(config))
        remedy = "policy.general.sources with more problems (and retrain.general_prompts), or retrain.accuracy_margin"
        questions.append(_guard(ACCURACY, "problems", asked, guards.accuracy_margin, remedy))
    for metric, margin, key in ((LENGTH, guards.length_margin, "length"), (HACKS, guards.hack_margin, "hack")):
        if margin is not None:
            remedy = f"seeds.held_out and the seeds for it, or retrain.{key}_margin"
            questions.append(_guard(metric, "held-out instructions", instructions, margin, remedy))
    return questions


def problems_asked(config: PipelineConfig) -> int:
    """How many general problems a retraining asks: the recipe's, or as many as the margin needs."""
    margin = config.retrain.accuracy_margin or 1.0
    needed = units_needed(ASSUMED_SPREAD[ACCURACY], margin)
    return config.evaluation.general_prompts or config.retrain.general_prompts or needed


def held_out_instructions(config: PipelineConfig) -> int:
    """Held-out seeds of the recipe; as many as it allows where its files cannot be read here."""
    seeds = config.seeds
    try:
        texts, _ = read_seeds(seeds.files, builtin=seeds.builtin)
    except InputError:
        return seeds.held_out
    split = split_seeds(texts, seeds.held_out_share, config.seed)
    return min(seeds.held_out, sum(seed.split == "held_out" for seed in split))


def power_lines(questions: Sequence[Question]) -> list[str]:
    """The same for people, in the manner of `plan_lines`."""
    lines = [
        f"power       {q.units} {q.unit} show a change of {q.detects:.1f} points in {q.metric} with 80 % power"
        if q.detects is not None
        else f"power       {q.units} {q.unit} are too few for {q.metric}"
        for q in questions
        if q.margin is None
    ]
    for guard in (q for q in questions if q.margin is not None):
        said, _, remedy = guard_line(guard).partition(": change ")
        lines += [f"retraining  {said}", *([f"            change {remedy}"] if remedy else [])]
    if all(question.metric != PRIMARY for question in questions):
        lines.append("retraining  none: hard constraints decide it, and no type that is drawn is one")
    assumed = "            assuming the spread that other runs had (ifrl_core/promotion/power.py)"
    return [*lines, *([assumed] if questions else [])]


def guard_line(guard: Question) -> str:
    """What a guard needs, has, and what to change."""
    if guard.needed is None:
        return f"{guard.metric}: no number of {guard.unit} shows that nothing was lost; use a margin above 0"
    needs = f"the guard on {guard.metric} (margin {guard.margin:g}) needs about {guard.needed} {guard.unit}"
    if guard.units >= guard.needed:
        return f"{needs} and has {guard.units}"
    hard = "may well be inconclusive" if guard.can_pass else "cannot pass, even when nothing changed"
    return f"{needs} and has {guard.units}, so it {hard}: change {guard.remedy}"


def _question(metric: str, unit: str, units: int) -> Question:
    spread = ASSUMED_SPREAD[metric]
    return Question(metric, unit, units, spread, detectable(spread, units))


def _guard(metric: str, unit: str, units: int, margin: float, remedy: str) -> Question:
    spread = ASSUMED_SPREAD[metric]
    needed = units_needed(spread, margin, power=BOTH_SIDES if metric == LENGTH else POWER) if margin else None
    half = normal_quantile(1 - ERROR) * spread / math.sqrt(max(1, units))
    return Question(metric, unit, units, spread, detectable(spread, units), margin, needed, half <= margin, remedy)


def _problems(config: PipelineConfig) -> int:
    try:
        return held_out_problems(config)
    except InputError:
        return problems_asked(config)
