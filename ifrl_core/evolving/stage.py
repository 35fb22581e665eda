"""The stages of writer `evolving`: instructions by what rollouts showed, and their ladders."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from ifrl_core.config import InstructionsConfig, PipelineConfig
from ifrl_core.constraints.identity import drawing_of, rules_of
from ifrl_core.evolving.seen import Seen, seen_in
from ifrl_core.evolving.taste import Learnable, worth, write
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.stage import LaddersPlan, ladders_plan, make_prompts, write_by_split
from ifrl_core.instructions.writers.record import SeedRequest, Written
from ifrl_core.records import (
    INSTRUCTIONS,
    Row,
    constraint_row,
    conversation_of,
    with_conversations,
)
from ifrl_core.stages.stage import Figures, Inputs, Work, stage


def evolving_plan(recipe: PipelineConfig) -> InstructionsConfig | None:
    return answerable(recipe) if recipe.instructions.writer == "evolving" else None


def evolved_ladders_plan(recipe: PipelineConfig) -> LaddersPlan | None:
    return ladders_plan(recipe) if recipe.instructions.evolves else None


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
    seen = seen_in(inputs["prompts"], inputs["rollouts"], work.store)
    taste = Learnable(seen, config.evolving)
    written = [
        Written(request.seed_id, tuple(write(request, config, taste, source_of(request, inputs, work))), config.writer)
        for request in train_requests(inputs, work)
    ]
    return put_evolved(written, seen, config, inputs, work)


def train_requests(inputs: Inputs, work: Work) -> list[SeedRequest]:
    """The train seeds of inputs["instructions"], by the ids of their instructions."""
    rows = (row for row in work.store.rows(inputs["instructions"]) if row["split"] == "train")
    return [SeedRequest(row["instruction_id"], row["seed"], conversation_of(row)) for row in rows]


def source_of(request: SeedRequest, inputs: Inputs, work: Work) -> random.Random:
    """A seed's random source, another in each round: the rollouts are of another model."""
    return random.Random(f"{work.seed}:{inputs['rollouts'].fingerprint}:{request.seed_id}")


def put_evolved(
    written: Sequence[Written], seen: Seen, config: InstructionsConfig, inputs: Inputs, work: Work
) -> Figures:
    """Write inputs["instructions"] with the constraints that were `written` for some of them; the figures of it."""
    by_id = {of_seed.seed_id: of_seed for of_seed in written}
    rows: dict[str, list[Row]] = {"train": [], "held_out": []}
    for row in work.store.rows(inputs["instructions"]):
        of_seed = by_id.get(row["instruction_id"])
        if of_seed and of_seed.constraints:
            row = {**row, "constraints": list(map(constraint_row, of_seed.constraints)), "writer": of_seed.writer}
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
