"""How often the model satisfies each hard type, and weights that bring each level's pass rate into a corridor.

Round by round: constraints are drawn for some train seeds, the model answers every level, the rules judge. A round whose
levels all lie in the corridor is the last; else the weights are moved (corridor.py) and the next round asks
other seeds.
"""

import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import InstructionsConfig, PipelineConfig, StageConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.constraints.sampling import Weights, chosen_types, sample_constraints, type_weights
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.identity.fields import Identity, identity_of, used
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.engine import Engine
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.open import check_engine, forget_engine, open_engine
from ifrl_core.instructions import corridor, ladder
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.places import Layout, Place, wording
from ifrl_core.records import PASS_RATES, WEIGHTS, Constraint, Conversation, Instruction, conversation_of, messages_of
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.text.reasoning import Reasoning, answer_of

log = logging.getLogger(__name__)


_DRAWN = ("max_constraints", "hard_share", "max_words", "types", "weights")
_TO_CORRIDOR = ("low", "high", "rounds")


def _measured(plan: "PassRatesPlan", instructions: InstructionsConfig) -> dict[str, Any]:
    """What of the section is asked: how constraints are drawn, and the corridor as far as it is to be reached."""
    corridor = identity_of(instructions.corridor)
    kept = {name: value for name, value in corridor.items() if plan.to_corridor or name not in _TO_CORRIDOR}
    return {**{name: getattr(instructions, name) for name in _DRAWN}, "corridor": kept}


class PassRatesPlan(StageConfig):
    """What is measured: constraints as the recipe draws them; without `to_corridor` in one round, weights untouched."""

    instructions: Annotated[InstructionsConfig, Identity(_measured)]
    layout: Layout
    place: Annotated[Place, used(lambda plan: plan.place != "last")] = "last"
    wording: str = Field("", exclude_if=lambda digest: not digest, description="Of places, by digest (places.wording)")
    to_corridor: bool = Field(description="Move the weights until every level lies in the corridor")


@dataclass
class _Tally:
    """Hard constraints asked and satisfied so far, by type."""

    asked: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)

    def rate(self, type_id: str) -> float:
        """The pass rate with one success and one failure added, so that few answers say little."""
        return (self.passed[type_id] + 1) / (self.asked[type_id] + 2)


def pass_rates_plan(recipe: PipelineConfig) -> PassRatesPlan | None:
    """What a recipe needs pass rates for: to reach the corridor, or to order ladders; None: for nothing."""
    to_corridor = recipe.instructions.sampling == "corridor"
    if not to_corridor and recipe.ladder.order != "easy_to_hard":
        return None
    return PassRatesPlan(
        instructions=answerable(recipe),
        layout=recipe.ladder.layout,
        place=recipe.ladder.place,
        wording=wording(recipe.ladder.place),
        to_corridor=to_corridor,
    )


def _check(recipe: PipelineConfig) -> None:
    here = recipe.execution.deployment_of(measure_pass_rates) is None
    check_engine(recipe.instructions.corridor, "instructions.corridor", here=here)


@stage(
    "pass-rates",
    version=1,
    inputs=("seeds", "model"),
    config=pass_rates_plan,
    check=_check,
    content=lambda plan: drawing_of(plan.instructions.types) | rules_of(plan.instructions),
    optional=True,
    reads_answers=True,
    placeable=True,
)
def measure_pass_rates(plan: PassRatesPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: seeds, model. rates.parquet: records.PASS_RATES; part-00000.parquet: records.WEIGHTS.

    Only train seeds are asked. A killed run asks the model only for what it had not answered.
    """
    config, chosen = plan.instructions, plan.instructions.corridor
    usable = [t for t in chosen_types(config.types or None) if t.min_words <= config.max_words]
    hard = [t.id for t in usable if t.kind == "hard"]
    weights: Weights = [type_weights(config.weights)] * config.max_constraints
    asked = open_engine(chosen, inputs["model"], work.store, reasoning=work.reasoning)
    engine = JournalEngine(asked, work.scratch / "replies.jsonl")
    tally, measured = _Tally(), list[list[float | None]]()
    bounds = (chosen.low, chosen.high)
    for number in range(chosen.rounds if plan.to_corridor else 1):
        instructions = _instructions(plan, inputs, work, weights, number)
        measured.append(_answered(instructions, plan, engine, work, tally, number))
        log.info("pass rates by level, round %d: %s", number + 1, measured[-1])
        if not plan.to_corridor or corridor.inside(measured[-1], bounds) or number + 1 == chosen.rounds:
            break
        weights = corridor.next_weights(weights, {t: tally.rate(t) for t in hard}, measured[-1], bounds)
    forget_engine()
    rates = [
        {"type": t, "asked": tally.asked[t], "passed": tally.passed[t], "rate": tally.rate(t)}
        for t in sorted(hard)
        if tally.asked[t]
    ]
    levels = [
        {"level": level, "type": t, "weight": weight}
        for level, of_level in enumerate(weights, 1)
        for t, weight in sorted(of_level.items())
    ]
    work.writer.write_table("rates.parquet", pa.Table.from_pylist(rates, schema=PASS_RATES))
    work.writer.write_table("part-00000.parquet", pa.Table.from_pylist(levels, schema=WEIGHTS))
    reached = corridor.inside(measured[-1], bounds)
    if plan.to_corridor and not reached:
        log.warning(
            "after %d rounds the pass rates by level are %s, not all in %s", len(measured), measured[-1], bounds
        )
    return {"to_corridor": plan.to_corridor, "rounds": measured, "corridor": bounds, "reached": reached}


def rates_of(ref: ArtifactRef, store: ArtifactStore) -> dict[str, float]:
    """Measured pass rate by hard type."""
    return {row["type"]: row["rate"] for row in store.read_table(ref, "rates.parquet").to_pylist()}


def weights_of(ref: ArtifactRef, store: ArtifactStore) -> list[dict[str, float]]:
    """The last weights by level, the first level first."""
    weights: dict[int, dict[str, float]] = {}
    for row in store.rows(ref):
        weights.setdefault(row["level"], {})[row["type"]] = row["weight"]
    return [weights[level] for level in sorted(weights)]


def _instructions(plan: PassRatesPlan, inputs: Inputs, work: Work, weights: Weights, number: int) -> list[Instruction]:
    """A round's train seeds, other ones in each round as far as there are enough, with as many constraints as allowed."""
    config = plan.instructions
    rows = {row["seed_id"]: row for row in work.store.rows(inputs["seeds"]) if row["split"] == "train"}
    order = sorted(rows)  # ids are hashes: a random order
    count = min(config.corridor.seeds, len(order))
    turn = [order[(number * count + place) % len(order)] for place in range(count)]
    instructions = []
    for seed_id in turn:
        rng = random.Random(f"{work.seed}:{number}:{seed_id}")
        constraints = sample_constraints(
            rows[seed_id]["seed"],
            config.max_constraints,
            rng,
            types=config.types or None,
            hard_share=config.hard_share,
            max_words=config.max_words,
            weights=weights,
            conversation=conversation_of(rows[seed_id]),
        )
        seed, messages = rows[seed_id]["seed"], messages_of(rows[seed_id].get("messages") or ())
        instructions.append(Instruction(seed_id, seed, tuple(constraints), "catalog", messages))
    return instructions


def _answered(
    instructions: Sequence[Instruction], plan: PassRatesPlan, engine: Engine, work: Work, tally: _Tally, number: int
) -> list[float | None]:
    """Pass rate of levels 1..n over the model's answers; None where no answer had a hard constraint."""
    chosen = plan.instructions.corridor
    prompts = [
        (instruction, level, messages)
        for instruction in instructions
        for level, messages in enumerate(
            ladder.rungs(instruction, layout=plan.layout, place=plan.place, seed=work.seed)
        )
        if level
    ]
    requests = [
        Request(messages, request_seed(work.seed, f"{number}:{instruction.instruction_id}-L{level}", 0))
        for instruction, level, messages in prompts
    ]
    completions = engine.generate(requests, Sampling(chosen.max_tokens, chosen.temperature), work.progress)
    shares: dict[int, list[float]] = {}
    for (instruction, level, _), completion in zip(prompts, completions, strict=True):
        constraints = instruction.constraints[:level]
        judged = _judged(instruction.conversation, constraints, completion.text, work.reasoning)
        tally.asked.update(judged.keys())
        tally.passed.update(type_ for type_, passed in judged.items() if passed)
        if judged:
            shares.setdefault(level, []).append(sum(judged.values()) / len(judged))
    levels = range(1, plan.instructions.max_constraints + 1)
    return [sum(shares[level]) / len(shares[level]) if level in shares else None for level in levels]


def _judged(
    asked: Conversation, constraints: Sequence[Constraint], response: str, reasoning: Reasoning
) -> Mapping[str, bool]:
    """Verdict by type of the hard constraints; no type comes twice in an instruction."""
    judged = verdicts_in(asked, constraints, answer_of(response, reasoning), reasoning.calls)
    pairs = zip(constraints, judged, strict=True)
    return {constraint.type: verdict for constraint, verdict in pairs if verdict is not None}
