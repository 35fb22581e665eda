"""From seeds to ladders of prompts: two stages that need no model, unless one writes the constraints.

instructions  a seed with 3..5 constraints, from the catalog or written by a model
prompts       the ladder L0..Ln of every instruction that leaves the model room for an answer
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import pyarrow as pa
from pydantic import Field

from ifrl_core.config import InstructionsConfig, LadderConfig, PipelineConfig, ReasoningConfig
from ifrl_core.constraints.identity import drawing_of
from ifrl_core.errors import InputError
from ifrl_core.inference.journal import JournalEngine
from ifrl_core.inference.open import check_engine, forget_engine, open_engine
from ifrl_core.instructions import ladder
from ifrl_core.instructions.budget import answerable
from ifrl_core.instructions.fitting import Room
from ifrl_core.instructions.pass_rates import rates_of, weights_of
from ifrl_core.instructions.places import wording
from ifrl_core.instructions.types import check_types
from ifrl_core.instructions.writers import prompt
from ifrl_core.instructions.writers.record import Outcome, RejectedSeed, SeedRequest, Written
from ifrl_core.instructions.writers.write import with_fallback, write, writing_figures
from ifrl_core.models.check import check_writer
from ifrl_core.models.folder import model_folder
from ifrl_core.models.looks.folder import look_at_writer
from ifrl_core.models.reasoning import files_of, settled
from ifrl_core.models.stage import ModelSource, import_model, model_source
from ifrl_core.records import (
    INSTRUCTIONS,
    PROMPTS,
    REJECTED_SEEDS,
    Instruction,
    Row,
    constraint_row,
    conversation_of,
    instruction_of,
    with_conversations,
)
from ifrl_core.stages.stage import Figures, Inputs, Work, stage
from ifrl_core.text.reasoning import Reasoning

ROWS_PER_SHARD = 5_000
SPLITS = ("train", "held_out")
T = TypeVar("T")


def _loads_writer(recipe: PipelineConfig) -> bool:
    return recipe.instructions.writer == "llm" and recipe.instructions.model_writer.engine != "server"


def _uses_model(recipe: PipelineConfig) -> bool:
    """Whether constraints are written by a model artifact: the policy's, also where a server answers for it, or another."""
    return recipe.instructions.writer == "self" or _loads_writer(recipe)


def _check_writer(recipe: PipelineConfig) -> None:
    check_types(recipe)
    if recipe.instructions.asks_model:
        here = recipe.execution.deployment_of(make_instructions) is None
        check_engine(recipe.instructions.model_writer, "instructions.model_writer", here=here)


def _drawn_and_asked(config: InstructionsConfig) -> dict[str, str]:
    asked = {"prompt.txt": prompt.template_digest()} if config.model_writes else {}
    return drawing_of(config.types) | asked


def _writer_source(recipe: PipelineConfig) -> ModelSource | None:
    writer = recipe.instructions.model_writer
    if not _loads_writer(recipe):
        return None
    batched = writer.engine == "transformers"
    return model_source(writer.model, look=lambda folder: look_at_writer(folder, writer.model, batched=batched))


def first_instructions(recipe: PipelineConfig) -> InstructionsConfig:
    """What instructions are drawn by before rollouts show anything: writers evolving and instructor begin as the catalog."""
    chosen = answerable(recipe)
    return chosen.model_copy(update={"writer": "catalog"}) if chosen.evolves else chosen


import_writer = replace(
    import_model,
    label="writer-model",
    output="writer_model",
    title="Model that writes constraints",
    config=_writer_source,
    check=check_writer,
    optional=True,
)


_REMEDY = "Name other instructions.types, or seeds that have what these are about (a history, a system message, tools)"
_OF_MODELS = "Set instructions.model_writer.fallback to catalog, allow more attempts or tokens, or choose another model"


@stage(
    "instructions",
    version=2,
    inputs=("seeds",),
    inputs_when={"model": _uses_model, "pass_rates": lambda recipe: recipe.instructions.sampling == "corridor"},
    config=first_instructions,
    check=_check_writer,
    content=_drawn_and_asked,
    reads_answers=True,
    placeable=True,
)
def make_instructions(config: InstructionsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: seeds; `model` for writers self and llm (unless it is a server's); `pass_rates` for sampling corridor.

    Columns: records.INSTRUCTIONS, and `messages` where seeds are conversations.

    Seeds for which no reply of a model could be used go to rejected.parquet (records.REJECTED_SEEDS) with reason and reply.
    A killed run asks a model only for what it had not answered yet.

    Raises:
        InputError: when a split is left with no instruction.
    """
    seeds = {row["seed_id"]: row for row in work.store.rows(inputs["seeds"])}
    requests = [SeedRequest(seed_id, row["seed"], conversation_of(row)) for seed_id, row in seeds.items()]
    outcomes = _outcomes(requests, config, inputs, work)
    forget_engine()
    written = with_fallback(requests, outcomes, config, seed=work.seed)
    rows = _rows_by_split(written, seeds)
    rejected = [outcome for outcome in outcomes if isinstance(outcome, RejectedSeed)]
    if not all(rows.values()):
        raise InputError(
            f"writer {config.writer} left a split without instructions: {len(rejected)} of {len(outcomes)} seeds were "
            f"rejected, the first because: {rejected[0].reason}. {_REMEDY if config.writer == 'catalog' else _OF_MODELS}"
        )
    write_by_split(
        work, rows, with_conversations(INSTRUCTIONS, (row for of_split in rows.values() for row in of_split))
    )
    rejected_rows = [
        {**{name: seeds[r.seed_id][name] for name in ("seed_id", "seed", "split")}, "reason": r.reason, "raw": r.raw}
        for r in rejected
    ]
    work.writer.write_table("rejected.parquet", pa.Table.from_pylist(rejected_rows, schema=REJECTED_SEEDS))
    work.progress(1, 1, f"{len(written)} instructions")
    types = Counter(f"{constraint.kind} {constraint.type}" for item in written for constraint in item.constraints)
    figures: Figures = {"types": dict(sorted(types.items())), **{split: len(rows[split]) for split in SPLITS}}
    if config.writer != "catalog":
        return figures | {"writing": writing_figures(outcomes, written)}
    return figures | ({"not_askable": len(rejected)} if rejected else {})


class LaddersPlan(LadderConfig):
    """The section, and the room that an answer to a prompt takes."""

    answer_tokens: int = Field(0, description="Longest answer of a rollout, in tokens")
    wording: str = Field("", exclude_if=lambda digest: not digest, description="Of places, by digest (places.wording)")


def ladders_plan(recipe: PipelineConfig) -> LaddersPlan:
    section = recipe.ladder
    return LaddersPlan(**section.model_dump(), answer_tokens=recipe.rollouts.max_tokens, wording=wording(section.place))


@stage(
    "prompts",
    version=2,
    title="Ladders",
    inputs=("instructions", "model"),
    inputs_when={"pass_rates": lambda recipe: recipe.ladder.order == "easy_to_hard"},
    config=ladders_plan,
)
def make_prompts(config: LaddersPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: instructions; `model`, whose positions prompts and answers share (without it, no prompt is too long);
    `pass_rates` for the order easy_to_hard. Every rung, ladder by ladder (records.PROMPTS).

    Instructions whose longest prompt leaves no room for an answer go to rejected.parquet (records.REJECTED_SEEDS).

    Raises:
        InputError: when that leaves a split with no ladder.
    """
    rates = rates_of(inputs["pass_rates"], work.store) if config.order == "easy_to_hard" else None
    room = Room(model_folder(inputs["model"], work.store), config.answer_tokens) if "model" in inputs else None
    levels: dict[str, Counter[int]] = {split: Counter() for split in SPLITS}
    rejected: list[Row] = []

    def rungs_of(split: str) -> Iterator[Row]:
        for row in work.store.rows(inputs["instructions"], prefix=f"part-{split}-"):
            instruction = ladder.reordered(instruction_of(row), config.order, seed=work.seed, pass_rates=rates)
            rungs = list(_rungs(instruction, config, work.seed, split))
            if room is not None and (fault := room.fault(rungs[-1]["messages"])):
                rejected.append(_rejected(row, split, fault))
                continue
            for rung in rungs:
                levels[split][rung["level"]] += 1
                yield rung

    schema = with_conversations(PROMPTS, work.store.rows(inputs["instructions"]))
    write_by_split(work, {split: rungs_of(split) for split in SPLITS}, schema)
    _refuse_empty(levels, rejected)
    work.writer.write_table("rejected.parquet", pa.Table.from_pylist(rejected, schema=REJECTED_SEEDS))
    left_out = f", {len(rejected)} instructions too long for the model" if rejected else ""
    work.progress(1, 1, f"{sum(counts.total() for counts in levels.values())} prompts{left_out}")
    return {
        "train_ladders": levels["train"][0],
        "held_out_ladders": levels["held_out"][0],
        "train_prompts": levels["train"].total(),
        "held_out_prompts": levels["held_out"].total(),
        "train_prompts_by_level": {str(level): count for level, count in sorted(levels["train"].items())},
        "too_long": len(rejected),
        "too_long_examples": [{"seed": row["seed"][:80], "reason": row["reason"]} for row in rejected[:5]],
    }


def _rejected(row: Row, split: str, reason: str) -> Row:
    """`row` of records.INSTRUCTIONS as one of records.REJECTED_SEEDS."""
    seed_id = row["instruction_id"].replace("i-", "seed-")
    return {"seed_id": seed_id, "seed": row["seed"], "split": split, "reason": reason, "raw": ""}


def _refuse_empty(levels: Mapping[str, Counter[int]], rejected: Sequence[Row]) -> None:
    empty = [split for split in SPLITS if not levels[split].total()]
    if empty and rejected:
        raise InputError(
            f"all {' and '.join(empty)} instructions are too long for the model ({len(rejected)} in all), the first because "
            f"{rejected[0]['reason']}. Use shorter seeds, a smaller rollouts.max_tokens, or a model with more positions"
        )


def _rows_by_split(written: Sequence[Written], seeds: Mapping[str, Row]) -> dict[str, list[Row]]:
    """Rows of records.INSTRUCTIONS; `seeds`: rows of records.SEEDS by seed_id."""
    rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for item in written:
        seed = seeds[item.seed_id]
        rows[seed["split"]].append(
            {
                "instruction_id": item.seed_id.replace("seed-", "i-"),
                "seed": seed["seed"],
                "constraints": [constraint_row(constraint) for constraint in item.constraints],
                "writer": item.writer,
                "split": seed["split"],
                "messages": seed.get("messages"),
            }
        )
    return rows


def _outcomes(requests: list[SeedRequest], config: InstructionsConfig, inputs: Inputs, work: Work) -> list[Outcome]:
    """What the writer makes of the seeds; a model's replies are kept in the scratch folder."""
    if config.writer == "catalog":
        weights = weights_of(inputs["pass_rates"], work.store) if "pass_rates" in inputs else ()
        return write(requests, config, seed=work.seed, weights=weights)
    reasoning = _reasoning_of_replies(config, inputs, work)
    engine = open_engine(config.model_writer, inputs.get("model"), work.store, reasoning=reasoning)
    kept = JournalEngine(engine, work.scratch / "replies.jsonl")
    return write(requests, config, seed=work.seed, engine=kept, reasoning=reasoning, progress=work.progress)


def _reasoning_of_replies(config: InstructionsConfig, inputs: Inputs, work: Work) -> Reasoning:
    """The policy's own format when it writes; another model's by its chat template, for the recipe's is not of that one."""
    if config.writer == "self" or "model" not in inputs:
        return work.reasoning
    return settled(ReasoningConfig(), files_of(inputs["model"], work.store), inputs["model"].uri)


def _rungs(instruction: Instruction, config: LaddersPlan, seed: int, split: str) -> Iterator[Row]:
    rungs = ladder.rungs(instruction, layout=config.layout, place=config.place, seed=seed)
    for level, messages in enumerate(rungs):
        yield {
            "prompt_id": f"{instruction.instruction_id}-L{level}",
            "instruction_id": instruction.instruction_id,
            "level": level,
            "messages": messages,
            "constraints": [constraint_row(item) for item in instruction.constraints[:level]],
            "split": split,
        }


def write_by_split(work: Work, rows: Mapping[str, Iterable[Row]], schema: pa.Schema) -> None:
    for split, of_split in rows.items():
        for index, batch in enumerate(_batches(of_split, ROWS_PER_SHARD)):
            work.writer.write_table(f"part-{split}-{index:05d}.parquet", pa.Table.from_pylist(batch, schema=schema))


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
