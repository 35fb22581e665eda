"""A shard of rollouts: `ladders_per_shard` whole ladders, the unit of work that a kill can cost."""

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, ShardRecord
from ifrl_core.artifacts.cost import CostMeter
from ifrl_core.config import RolloutsConfig
from ifrl_core.inference import Request, Sampling, request_seed
from ifrl_core.inference.open import describe_engine, open_engine
from ifrl_core.records import ROLLOUTS, Row
from ifrl_core.rollouts.refusals import refuses
from ifrl_core.stages.provenance import device
from ifrl_core.stages.stage import Inputs, Work
from ifrl_core.text.reasoning import THINK, Reasoning, answer_of, answer_start

TRAIN = "part-train-"


def shard_count(config: RolloutsConfig, inputs: Inputs, store: ArtifactStore) -> int:
    return math.ceil(_ladders(inputs, store) / config.ladders_per_shard)


def make_rollout_shard(config: RolloutsConfig, inputs: Inputs, work: Work, index: int) -> ShardRecord:
    """Shard `index`: found if another run committed it, else generated and committed."""
    name = _name(config, inputs, work.store, index)
    return work.writer.once(name, lambda: _generate_shard(config, inputs, work, index, name))


def _name(config: RolloutsConfig, inputs: Inputs, store: ArtifactStore, index: int) -> str:
    """By the ladders that it holds, first and end: what a killed run left of another size is not taken for it."""
    first = index * config.ladders_per_shard
    end = min(first + config.ladders_per_shard, _ladders(inputs, store))
    return f"part-{first:06d}-{end:06d}.parquet"


def _ladders(inputs: Inputs, store: ArtifactStore) -> int:
    ladders: int = store.manifest(inputs["prompts"]).figures["train_ladders"]
    return ladders


def _generate_shard(config: RolloutsConfig, inputs: Inputs, work: Work, index: int, name: str) -> ShardRecord:
    meter = CostMeter()
    engine = open_engine(config, inputs["model"], work.store, reasoning=work.reasoning)
    prompts = list(prompts_of_shard(config, inputs["prompts"], work.store, index))
    pairs = [(prompt, sample) for prompt in prompts for sample in range(config.samples)]
    requests = [Request(p["messages"], request_seed(work.seed, p["prompt_id"], sample)) for p, sample in pairs]
    sampling = Sampling(config.max_tokens, config.temperature, config.top_p)
    completions = engine.generate(requests, sampling, work.progress)
    rows = [
        {
            "rollout_id": f"{prompt['prompt_id']}-{sample}",
            "prompt_id": prompt["prompt_id"],
            "sample": sample,
            "text": completion.text,
            "finish_reason": completion.finish_reason,
            "prompt_tokens": completion.prompt_tokens,
            "completion_tokens": completion.completion_tokens,
            **_marks(completion.text, work.reasoning),
        }
        for (prompt, sample), completion in zip(pairs, completions, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=ROLLOUTS)
    made_with = {**describe_engine(config, inputs["model"]), **device()}
    return work.writer.write_table(name, table, cost=meter.stop(), made_with=made_with)


def prompts_of_shard(
    config: RolloutsConfig, prompts: ArtifactRef, store: ArtifactStore, index: int
) -> Iterator[dict[str, Any]]:
    """The prompts of the `index`-th group of train ladders."""
    first = index * config.ladders_per_shard
    return prompts_of_ladders(prompts, store, first, first + config.ladders_per_shard)


def prompts_of_ladders(
    prompts: ArtifactRef, store: ArtifactStore, first: int, end: int, *, prefix: str = TRAIN
) -> Iterator[dict[str, Any]]:
    """The prompts of the ladders from place `first` to before `end`; those of a ladder stand together in the table."""
    starts = _ladder_starts(prompts, store.root, prefix)
    start, end = starts[first], starts[min(end, len(starts) - 1)]
    offset = 0
    for shard in store.manifest(prompts).shards:
        if not shard.name.startswith(prefix):
            continue
        low, high = max(start - offset, 0), min(end - offset, shard.rows)
        if low < high:
            yield from store.read_table(prompts, shard.name).slice(low, high - low).to_pylist()
        offset += shard.rows


@lru_cache(maxsize=4)
def _ladder_starts(prompts: ArtifactRef, root: str, prefix: str) -> list[int]:
    """The row in which each ladder of the table begins, and the number of rows; read once a process."""
    tables = ArtifactStore(root).tables(prompts, prefix=prefix)
    ids = (name for table in tables for name in table["instruction_id"].to_pylist())
    starts, row = [], 0
    for _, ladder in itertools.groupby(ids):
        starts.append(row)
        row += sum(1 for _ in ladder)
    return [*starts, row]


def answer_in(rollout: Row) -> str:
    """The answer of a row of records.ROLLOUTS. Rows without a start are of a time when all models were read as THINK says."""
    text, start = rollout["text"], rollout.get("answer_start")
    return answer_of(text, THINK) if start is None else str(text[start:])


def _marks(text: str, reasoning: Reasoning) -> Row:
    """Where the answer begins, and what a recipe may keep out of the labels beside truncated answers."""
    start = answer_start(text, reasoning)
    return {"answer_start": start, "empty": not text[start:].strip(), "refusal": refuses(text[start:])}
