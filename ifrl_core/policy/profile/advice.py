"""What a profile suggests: overrides of the recipe, each with its reason.

The thresholds say when something is suggested. They are judgement, not measurement: a suggestion is a thing to try.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifrl_core.config import PipelineConfig
from ifrl_core.config.recipes import build_config
from ifrl_core.constraints.sampling import chosen_types, type_weights
from ifrl_core.errors import ConfigError
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.types import check_types, drawn_kinds

CUT_OFF = 0.5  # share of rollouts above which longer answers are suggested
FEW = 4  # prompts below which nothing is said of a type or level
NO_SPREAD = 0.1  # share of a level's prompts with spread below which it is left out
FLAT = 0.5  # share of prompts with spread below which another choice of prompts is suggested
EASY = 0.3  # share of easy prompts in the first stage above which it is left early
LEAST_WEIGHT = 0.1
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Suggestion:
    """`overrides`: key=value each; none where it is for a person to choose."""

    why: str
    overrides: tuple[str, ...] = ()


def suggestions(figures: Figures, recipe: PipelineConfig) -> list[Suggestion]:
    """What to try, as far as the recipe stays valid with it."""
    found = [
        suggestion
        for rule in (_longer_answers, _weights, _levels, _promotion, _strategy)
        for suggestion in rule(figures, recipe)
    ]
    return [suggestion for suggestion in found if _valid(recipe, suggestion.overrides)]


def _longer_answers(figures: Figures, recipe: PipelineConfig) -> Iterator[Suggestion]:
    cut, tokens = figures["overall"]["cut_off"], recipe.policy.max_tokens
    if cut is None or cut <= CUT_OFF:
        return
    suffers = figures["by_end"]["suffers"]
    types = f"; types that hold less often there, clear of chance: {', '.join(suffers)}" if suffers else ""
    longer = 2 * tokens
    rollouts = (f"rollouts.max_tokens={longer}",) if recipe.rollouts.max_tokens < longer else ()
    yield Suggestion(
        f"{cut:.0%} of the rollouts are cut off at {tokens} tokens{types}. Longer ones cost up to twice as much a step",
        (f"policy.max_tokens={longer}", *rollouts),
    )
    if recipe.policy.reward.cut_off_factor == 1.0 and cut < 1.0:
        yield Suggestion(
            "or the policy learns to end in time, where an answer that was cut off keeps only part of its reward",
            ("policy.reward.cut_off_factor=0.5",),
        )


def _weights(figures: Figures, recipe: PipelineConfig) -> Iterator[Suggestion]:
    """Types by the share of their prompts that are alive, against the best; 0 for those that never pass or never fail."""
    enough = {name: row for name, row in figures["by_type"].items() if row["prompts"] >= FEW}
    alive = {name: row["alive"] / row["prompts"] for name, row in enough.items()}
    best = max(alive.values(), default=0.0)
    if not best:
        if enough:
            yield Suggestion(
                "no hard type has a prompt on which some rollouts pass and others fail: choose other types, or a larger model"
            )
        return
    weights = {name: _weight(share / best) for name, share in alive.items() if share < best / 2}
    if not weights:
        return
    said: dict[str, list[str]] = {}
    for name in weights:
        said.setdefault(_little(enough[name]), []).append(name)
    why = "hard types that teach little: " + "; ".join(f"{', '.join(names)} ({what})" for what, names in said.items())
    instructions = recipe.instructions
    if instructions.writer != "catalog" or instructions.sampling == "corridor":
        yield Suggestion(why)
        return
    kept = {name: weight for name, weight in type_weights(instructions.weights).items() if weight != 1.0}
    if not _enough_left(weights, recipe):
        weights = {name: max(LEAST_WEIGHT, weight) for name, weight in weights.items()}
    chosen = json.dumps({**kept, **weights})
    yield Suggestion(why, ("instructions.sampling=weighted", f"instructions.weights={chosen}"))


def _little(row: Figures) -> str:
    """Why a type teaches little."""
    if row["alive"]:
        return "seldom alive"
    if row["dead"] and row["easy"]:
        return "passes always or never"
    return "never passes" if row["dead"] else "always passes"


def _weight(share: float) -> float:
    return max(LEAST_WEIGHT, round(share, 1)) if share else 0.0


def _enough_left(weights: Mapping[str, float], recipe: PipelineConfig) -> bool:
    """Whether an instruction still finds as many types as it needs."""
    drawn = answerable(recipe)
    usable = {type_.id for type_ in chosen_types(drawn.types or None) if type_.min_words <= drawn.max_words}
    highest = max(level for levels in recipe.policy.curriculum.levels for level in levels)
    left = usable - {name for name, weight in weights.items() if not weight}
    return len(left) > max(drawn.max_constraints, highest)


def _levels(figures: Figures, recipe: PipelineConfig) -> Iterator[Suggestion]:
    """Levels without spread are left out, and those before the first that has half the spread of the best."""
    spread = {
        int(level): row["spread"] / row["prompts"]
        for level, row in figures["by_level"].items()
        if row["prompts"] >= FEW
    }
    best = max(spread.values(), default=0.0)
    if not best:
        return
    start = min(level for level, share in spread.items() if share >= best / 2)
    levels = recipe.policy.curriculum.levels
    chosen = [[n for n in of_stage if n >= start and spread.get(n, 1.0) >= NO_SPREAD] for of_stage in levels]
    chosen = [of_stage for of_stage in chosen if of_stage]
    if chosen and chosen != [list(of_stage) for of_stage in levels]:
        shares = ", ".join(f"L{level} {share:.0%}" for level, share in sorted(spread.items()))
        yield Suggestion(
            f"prompts whose rollouts differ, by level: {shares}. Start where there are many, leave out where there are none",
            (f"policy.curriculum.levels={chosen}",),
        )


def _promotion(figures: Figures, recipe: PipelineConfig) -> Iterator[Suggestion]:
    """Where hard constraints alone make the reward, what it is now says when the first stage has nothing more to give."""
    curriculum = recipe.policy.curriculum
    if curriculum.strategy != "incremental" or len(curriculum.levels) < 2 or curriculum.promote_at is not None:
        return
    rows = [row for level in curriculum.levels[0] if (row := figures["by_level"].get(str(level)))]
    prompts = sum(row["prompts"] for row in rows)
    if prompts < FEW or drawn_kinds(recipe) != {"hard"}:
        return
    easy, score = (sum(row[name] or 0 for row in rows) for name in ("easy", "score"))
    if easy / prompts >= EASY:
        reached = min(0.95, round((1 + score / len(rows)) / 2, 2))
        yield Suggestion(
            f"{easy / prompts:.0%} of the prompts of the first stage are easy already: leave it once its mean reward reaches "
            f"{reached:g}, and give the steps to later ones",
            (f"policy.curriculum.promote_at={reached:g}",),
        )


def _strategy(figures: Figures, recipe: PipelineConfig) -> Iterator[Suggestion]:
    """A corridor, where prompts come often enough to be asked again by what they showed."""
    row, policy = figures["overall"], recipe.policy
    if row["prompts"] < FEW or row["spread"] / row["prompts"] >= FLAT or policy.curriculum.strategy == "corridor":
        return
    why = f"only {row['spread'] / row['prompts']:.0%} of the prompts have rollouts that differ by rules"
    asked = policy.blocks * policy.prompts_per_step
    pool = recipe.seeds.train * len(figures["by_level"])
    if asked < 2 * pool:
        yield Suggestion(
            f"{why}, and {asked:,} prompts asked are too few to measure {pool:,} first (strategy corridor): a larger "
            "policy.generations finds the rare passes, policy.train_on keeps the cost of training",
        )
        return
    promotion = ("policy.curriculum.promote_at=null",) if policy.curriculum.promote_at is not None else ()
    yield Suggestion(f"{why}: ask those again that sometimes pass", ("policy.curriculum.strategy=corridor", *promotion))


def _valid(recipe: PipelineConfig, overrides: Sequence[str]) -> bool:
    try:
        check_types(build_config(recipe.model_dump(), overrides))
    except ConfigError:
        return False
    return True
