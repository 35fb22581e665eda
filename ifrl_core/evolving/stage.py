"""The stages of writer `evolving`: instructions by what rollouts showed, and their ladders."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

from ifrl_core.config import InstructionsConfig, PipelineConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.constraints.turns import verdicts_in
from ifrl_core.evolving.seen import Seen
from ifrl_core.evolving.taste import Learnable, worth, write
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.stage import LaddersPlan, ladders_plan, make_prompts, write_by_split
from ifrl_core.instructions.writers.record import SeedRequest
from ifrl_core.labels.contrasts import ladders
from ifrl_core.records import (
    INSTRUCTIONS,
    Row,
    constraint_of,
    constraint_row,
    conversation_of,
    with_conversations,
)
from ifrl_core.rollouts.shards import answer_in
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


def evolving_plan(recipe: PipelineConfig) -> InstructionsConfig | None:
    return answerable(recipe) if recipe.instructions.writer == "evolving" else None


def evolved_ladders_plan(recipe: PipelineConfig) -> LaddersPlan | None:
    return ladders_plan(recipe) if recipe.instructions.writer == "evolving" else None


@stage(
    "evolved-instructions",
    version=1,
    inputs=("instructions", "prompts", "rollouts"),
    config=evolving_plan,
    content=lambda config: drawing_of(config.types) | rules_of(config),
    optional=True,
)
def evolve_instructions(config: InstructionsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: instructions, and their prompts and rollouts. Columns as theirs: train seeds with other constraints, drawn by
    what the rollouts showed; held-out ones as they were, so that rounds are measured alike."""
    seen = seen_in(inputs, work)
    taste = Learnable(seen, config.evolving)
    # Another draw in each round: the rollouts are of another model.
    source = f"{work.seed}:{inputs['rollouts'].fingerprint}"
    rows: dict[str, list[Row]] = {"train": [], "held_out": []}
    for row in work.store.rows(inputs["instructions"]):
        if row["split"] == "train":
            rng = random.Random(f"{source}:{row['instruction_id']}")
            request = SeedRequest(row["instruction_id"], row["seed"], conversation_of(row))
            constraints = list(map(constraint_row, write(request, config, taste, rng)))
            row = {**row, "constraints": constraints or row["constraints"], "writer": config.writer}
        rows[row["split"]].append(row)
    write_by_split(work, rows, with_conversations(INSTRUCTIONS, (row for split in rows.values() for row in split)))
    work.progress(1, 1, f"{len(rows['train'])} instructions by {inputs['rollouts'].rows} rollouts")
    return {**_figures(seen, rows["train"], config), **{split: len(of_split) for split, of_split in rows.items()}}


evolve_prompts = replace(
    make_prompts,
    label="evolved-prompts",
    output="evolved_prompts",
    title="Evolved ladders",
    config=evolved_ladders_plan,
    optional=True,
)


def seen_in(inputs: Inputs, work: Work) -> Seen:
    """What rules say of every rollout. inputs: prompts, rollouts."""
    seen = Seen()
    template = (work.store.manifest(inputs["rollouts"]).config.get("reasoning") or {}).get("calls", "")
    for ladder in ladders(inputs["prompts"], inputs["rollouts"], work.store):
        asked = conversation_of(ladder[0][0])
        for prompt, rollouts in ladder[1:]:
            constraints = [constraint_of(row) for row in prompt["constraints"]]
            for rollout in rollouts:
                seen.add(constraints, verdicts_in(asked, constraints, answer_in(rollout), template))
    return seen


def _figures(seen: Seen, rows: list[Row], config: InstructionsConfig) -> Figures:
    """What was seen, how many types lie in the band, and the worth of the constraints drawn against an even draw's."""
    band = config.evolving
    rates = {name: seen.of_type(name) for name in seen.types()}
    hard = [item for row in rows for item in row["constraints"] if item["kind"] == "hard"]
    drawn = [worth(rates.get(item["type"], 0.5), band) for item in hard]
    return {
        "types": dict(sorted(Counter(f"{item['kind']} {item['type']}" for item in _constraints(rows)).items())),
        "seen": [{"type": name, **_counts(seen, name), "rate": rate} for name, rate in rates.items()],
        "by_number": {str(n): seen.of_number(n) for n in range(1, config.max_constraints + 1)},
        "numbers": dict(sorted(Counter(str(len(row["constraints"])) for row in rows).items())),
        "in_band": sum(band.low <= rate <= band.high for rate in rates.values()),
        "too_hard": sum(rate < band.low for rate in rates.values()),
        "too_easy": sum(rate > band.high for rate in rates.values()),
        "worth_even": fmean(worth(rate, band) for rate in rates.values()) if rates else None,
        "worth_drawn": fmean(drawn) if drawn else None,
    }


def _constraints(rows: list[Row]) -> Iterator[Row]:
    return (item for row in rows for item in row["constraints"])


def _counts(seen: Seen, type_id: str) -> dict[str, int]:
    asked, passed = seen.answers(type_id)
    return {"asked": asked, "passed": passed}
