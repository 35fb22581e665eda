"""Histories that a model makes of itself: what the assistant says between a conversation's user turns, answered anew.

    user: Name a bird.                          user: Name a bird.
    assistant: The wren.            ->          assistant: Hm, a blackbird.
    user: Another one, please.                  user: Another one, please.

Turn by turn, with constraints where they stand: rungs that begin alike have one history, and all of a ladder are drawn alike.
Calls of tools and their results stay as given, for no tool is run. A ladder keeps what it was given where the model's own
would not do: an answer is empty, a prompt gets too long, or a constraint is about something that is no longer said.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Annotated

import pyarrow as pa

from ifrl_core.artifacts import ArtifactStore, ShardRecord, canonical_json
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import GenerationConfig, PipelineConfig
from ifrl_core.constraints.identity import Judging, rules_of
from ifrl_core.constraints.turns import has_what_it_needs
from ifrl_core.identity.fields import How, used
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.engine import Engine
from ifrl_core.inference.open import check_engine, describe_engine, forget_engine, open_engine
from ifrl_core.instructions.fitting import Room
from ifrl_core.models.folder import model_folder
from ifrl_core.records import (
    Message,
    Row,
    conversation_of,
    messages_of,
    with_history,
)
from ifrl_core.rollouts.shards import prompts_of_ladders
from ifrl_core.rollouts.standing import kept_before, spoken
from ifrl_core.stages.provenance import device
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage
from ifrl_core.text.reasoning import answer_of

OWN, GIVEN = "own", "given"  # of the column `history`; behind the latter the reason, where there is one
SPLITS = ("train", "held_out")
KEPT = pa.field("kept", pa.list_(pa.list_(pa.bool_())))  # of standing.kept_before; null where the history is given


class HistoriesPlan(GenerationConfig, Judging):
    """Who answers, sampled as rollouts are; the types whose rules say how far answers before the last keep to constraints."""

    max_tokens: int
    temperature: float
    top_p: Annotated[float, used(lambda plan: plan.temperature > 0)]
    splits: tuple[str, ...]
    ladders_per_shard: How[int]


def _plan(recipe: PipelineConfig, section: GenerationConfig, splits: tuple[str, ...]) -> HistoriesPlan | None:
    rollouts = recipe.rollouts
    if not rollouts.own_history:
        return None
    engine = {name: getattr(section, name) for name in GenerationConfig.model_fields}
    sampled = {name: getattr(rollouts, name) for name in ("max_tokens", "temperature", "top_p", "ladders_per_shard")}
    return HistoriesPlan(**engine, **sampled, splits=splits, types=recipe.instructions.types)


def _of_rollouts(recipe: PipelineConfig) -> HistoriesPlan | None:
    return _plan(recipe, recipe.rollouts, SPLITS)


def _of_policy(recipe: PipelineConfig) -> HistoriesPlan | None:
    return _plan(recipe, recipe.evaluation.sides()[1], SPLITS[1:])


def _check(recipe: PipelineConfig) -> None:
    here = recipe.execution.deployment_of(make_histories) is None
    check_engine(recipe.rollouts, "rollouts", here=here)
    check_engine(recipe.evaluation.sides()[1], "evaluation", here=here)


def shard_count(config: HistoriesPlan, inputs: Inputs, store: ArtifactStore) -> int:
    return len(_shards(config, inputs, store))


def make_history_shard(config: HistoriesPlan, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """Shard `index`: found if another run committed it, else answered and committed."""
    split, first, end = _shards(config, inputs, work.store)[index]
    name = f"part-{split}-{first:06d}-{end:06d}.parquet"
    return work.writer.once(name, lambda: _make_shard(config, inputs, work, name, (split, first, end)))


SHARDS = Shards("histories-shard", shard_count, make_history_shard)


@stage(
    "histories",
    version=2,
    title="Own histories",
    inputs=("model", "prompts"),
    config=_of_rollouts,
    check=_check,
    content=rules_of,
    optional=True,
    reads_answers=True,
    placeable=True,
    shards=SHARDS,
)
def make_histories(config: HistoriesPlan, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts. The prompts of the splits (records.PROMPTS) as the model is asked them after its own answers,
    and the columns `history` (own, or given, with the reason) and `kept`, which rules find of constraints before them."""
    SHARDS.made(config, inputs, work, "shards of histories")
    forget_engine()
    prompts = work.store.manifest(inputs["prompts"]).figures
    counted = {name: n for name, n in prompts.items() if name.startswith(SPLITS)}  # as its readers find them there
    counted |= {name: 0 for name in counted if not name.startswith(config.splits) and isinstance(counted[name], int)}
    return {**counted, **_figures(work), "engine": describe_engine(config, inputs["model"])}


make_histories_after = replace(
    make_histories, label="histories-after", output="histories_after", title="Policy's own histories", config=_of_policy
)


def own_histories(
    ladder_rows: Sequence[Row], engine: Engine, sampling: Sampling, work: Work, room: Room | None = None
) -> list[Row]:
    """Rows of whole ladders of prompts, with `history` and `kept`, in their order."""
    made = [list(messages_of(row["messages"])) for row in ladder_rows]
    places = [spoken(messages) for messages in made]
    for turn in range(max(map(len, places), default=0)):
        asked: dict[str, Request] = {}
        keys: dict[int, str] = {}
        for number, row in enumerate(ladder_rows):
            if turn < len(places[number]):
                before, ladder = made[number][: places[number][turn]], row["instruction_id"]
                keys[number] = canonical_json([ladder, before])
                asked.setdefault(keys[number], Request(before, request_seed(work.seed, f"{ladder}/turn-{turn}", 0)))
        completions = engine.generate(list(asked.values()), sampling, work.progress)
        said = dict(zip(asked, (answer_of(item.text, work.reasoning).strip() for item in completions), strict=True))
        for number, key in keys.items():
            made[number][places[number][turn]] = {"role": "assistant", "content": said[key]}
    changed = zip(ladder_rows, made, strict=True)
    ladders = groupby(changed, key=lambda pair: pair[0]["instruction_id"])
    return [row for _, ladder in ladders for row in _settled(list(ladder), room)]


def _settled(ladder: Sequence[tuple[Row, list[Message]]], room: Room | None) -> list[Row]:
    """The rows of a ladder with their own histories, or with those that they were given."""
    if not any(spoken(messages) for _, messages in ladder):
        return [{**row, "history": GIVEN, "kept": None} for row, _ in ladder]
    own = [{**row, "messages": messages, "history": OWN} for row, messages in ladder]
    if fault := _fault(own, room):
        return [{**row, "history": f"{GIVEN}: {fault}", "kept": None} for row, _ in ladder]
    asked = conversation_of(own[0])
    return [{**row, "kept": kept_before(asked, row)} for row in own]


def _fault(rungs: Sequence[Row], room: Room | None) -> str:
    """Why the given history of a ladder is better than its own; empty where it is not."""
    if any(not rung["messages"][place]["content"] for rung in rungs for place in spoken(rung["messages"])):
        return "an answer was empty"
    if room is not None and any(room.fault(rung["messages"]) for rung in rungs):
        return "a prompt was too long"
    first = conversation_of(rungs[0])
    for rung in rungs:
        asked = with_history(first, rung["messages"])
        if not all(has_what_it_needs(constraint["type"], asked) for constraint in rung["constraints"]):
            return "a constraint had nothing to be about"
    return ""


def _shards(config: HistoriesPlan, inputs: Inputs, store: ArtifactStore) -> list[tuple[str, int, int]]:
    """Split, and the places of the first ladder and behind the last one, of each shard."""
    figures, size = store.manifest(inputs["prompts"]).figures, config.ladders_per_shard
    counts = {split: int(figures[f"{split}_ladders"]) for split in config.splits}
    return [
        (split, number * size, min((number + 1) * size, count))
        for split, count in counts.items()
        for number in range(math.ceil(count / size))
    ]


def _make_shard(
    config: HistoriesPlan, inputs: Inputs, work: Work, name: str, places: tuple[str, int, int]
) -> ShardRecord:
    meter, (split, first, end) = CostMeter(), places
    prompts, prefix = inputs["prompts"], f"part-{split}-"
    # What was said may outgrow a server's context: then there is no answer, and the ladder keeps what it was given.
    engine = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning, skip_too_long=True)
    room = Room(model_folder(inputs["model"], work.store, weights=False), config.max_tokens)
    rows = list(prompts_of_ladders(prompts, work.store, first, end, prefix=prefix))
    made = own_histories(rows, engine, Sampling(config.max_tokens, config.temperature, config.top_p), work, room)
    schema = next(iter(work.store.tables(prompts, prefix=prefix))).schema
    schema = schema.append(pa.field("history", pa.string())).append(KEPT)
    made_with = {**describe_engine(config, inputs["model"]), **device()}
    return work.writer.write_table(
        name, pa.Table.from_pylist(made, schema=schema), cost=meter.stop(), made_with=made_with
    )


def _figures(work: Work) -> Figures:
    """`histories`: ladders by what their history is; `standing`: the share of pairs of an own turn and a hard constraint that
    stood before it which rules find kept, over the highest rungs."""
    rows = [row for name in work.writer.names() for row in work.writer.read_table(name).to_pylist()]
    ladders = [list(ladder) for _, ladder in groupby(rows, key=lambda row: row["instruction_id"])]
    kept = [verdict for ladder in ladders for verdicts in ladder[-1]["kept"] or () for verdict in verdicts]
    return {
        "histories": dict(Counter(ladder[0]["history"] for ladder in ladders).most_common()),
        "standing": {"mean": sum(kept) / len(kept) if kept else None, "n": len(kept)},
    }
