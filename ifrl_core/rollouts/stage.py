"""Contrastive rollouts: the policy answers every rung of every train ladder, L0 included (paper, section 3.2).

n+1 generations per ladder and sample, never 2n: the answer to Lk serves ck as a positive and ck+1 as a negative.
"""

import importlib.util
import logging
from collections import Counter
from collections.abc import Mapping

from ifrl_core.config import PipelineConfig, RolloutsConfig
from ifrl_core.errors import ConfigError
from ifrl_core.inference.devices import devices_here
from ifrl_core.inference.open import check_engine, describe_engine, forget_engine
from ifrl_core.models.reasoning import reasoning_at_hand
from ifrl_core.records import REPLACEMENT
from ifrl_core.rollouts.shards import answer_in, make_rollout_shard, shard_count
from ifrl_core.stages.stage import Figures, Inputs, Shards, Work, stage

log = logging.getLogger(__name__)


def _check(recipe: PipelineConfig) -> None:
    here = recipe.execution.deployment_of(make_rollouts) is None
    check_engine(recipe.rollouts, "rollouts", here=here)
    if here and recipe.execution.runner == "ray" and importlib.util.find_spec("prefect_ray") is None:
        raise ConfigError("execution.runner ray needs the extra ray: pip install 'ifrl[ray]'")
    if here and recipe.rollouts.engine == "vllm" and recipe.execution.runner == "processes":
        workers, present = recipe.execution.workers, len(devices_here())
        if 0 < present < workers:  # each vLLM takes most of its GPU
            raise ConfigError(
                f"execution.workers {workers} starts as many vLLM on {present} GPUs: use at most {present}, or engine server"
            )
    reasoning_at_hand(recipe)  # raises where its end cannot be told


SHARDS = Shards("rollout-shard", shard_count, make_rollout_shard)


@stage(
    "rollouts",
    version=2,
    inputs=("model", "prompts"),
    config=lambda recipe: recipe.rollouts,
    check=_check,
    reads_answers=True,
    placeable=True,
    shards=SHARDS,
)
def make_rollouts(config: RolloutsConfig, inputs: Inputs, work: Work) -> Figures:
    """inputs: model, prompts. Gathers the shards, making those that are not there yet; columns: records.ROLLOUTS."""
    SHARDS.made(config, inputs, work, "rollout shards")
    forget_engine()
    figures = _figures(work, describe_engine(config, inputs["model"]))
    if unclosed := figures["unclosed"]:
        log.warning(
            "%d of %d responses end inside their reasoning and count as no answer; rollouts.max_tokens is %d",
            *(unclosed, figures["rollouts"], config.max_tokens),
        )
    return figures


def _figures(work: Work, engine: Mapping[str, str]) -> Figures:
    counts: Counter[str] = Counter(
        rollouts=0, completion_tokens=0, truncated=0, unclosed=0, empty=0, refusals=0, replaced_characters=0
    )
    for name in work.writer.names():
        table = work.writer.read_table(name)
        counts["rollouts"] += table.num_rows
        counts["completion_tokens"] += sum(table["completion_tokens"].to_pylist())
        counts["truncated"] += table["finish_reason"].to_pylist().count("length")
        counts["unclosed"] += sum(bool(row["text"].strip()) and not answer_in(row) for row in table.to_pylist())
        counts["empty"] += table["empty"].to_pylist().count(True)
        counts["refusals"] += table["refusal"].to_pylist().count(True)
        counts["replaced_characters"] += sum(REPLACEMENT in text for text in table["text"].to_pylist())
    return {**counts, "engine": dict(engine)}
