"""What a mapped shard costs beside its work: Prefect's share of a rollout shard, cached and not, by task runner.

    python benchmarks/orchestration.py [SHARDS]

Every shard is committed beforehand, so that its task has nothing to generate: the first run finds no Prefect cache record
and runs each task's body, which finds the shard; the second finds the records. Seconds include the start of the runner.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="ifrl-orchestration-"))
os.environ |= {"IFRL_HOME": str(HOME), "IFRL_ROOT": str(HOME / "store"), "PREFECT_LOGGING_LEVEL": "ERROR"}

from ifrl_core.settings import configure_environment  # noqa: E402

configure_environment()

import pyarrow as pa  # noqa: E402
from prefect import flow  # noqa: E402

from flows.execution.call import Call  # noqa: E402
from flows.execution.here import map_shards  # noqa: E402
from ifrl_core.artifacts import ArtifactRef, ArtifactStore  # noqa: E402
from ifrl_core.config import ExecutionConfig, InstructionsConfig, LadderConfig, RolloutsConfig, SeedsConfig  # noqa: E402
from ifrl_core.instructions import stage as dataset  # noqa: E402
from ifrl_core.records import ROLLOUTS  # noqa: E402
from ifrl_core.rollouts import stage as rollouts  # noqa: E402
from ifrl_core.seeds import stage as seeds_stage  # noqa: E402
from ifrl_core.stages.progress import no_progress  # noqa: E402

RUNNERS = (
    ExecutionConfig(),
    ExecutionConfig(workers=2),
    ExecutionConfig(runner="processes", workers=2),
)


@flow
def mapped(config: RolloutsConfig, inputs: dict[str, ArtifactRef], execution: ExecutionConfig) -> float:
    store = ArtifactStore(os.environ["IFRL_ROOT"])
    start = time.perf_counter()
    map_shards(Call(rollouts.make_rollouts, config, inputs, seed=0), store, execution)
    return time.perf_counter() - start


def main(shards: int) -> None:
    store = ArtifactStore(os.environ["IFRL_ROOT"])
    seeds = seeds_stage.make_seeds(seeds_stage.seeds_source(SeedsConfig(train=shards, held_out=2)), {}, store)
    instructions = dataset.make_instructions(InstructionsConfig(max_words=60), {"seeds": seeds}, store)
    prompts = dataset.make_prompts(LadderConfig(), {"instructions": instructions}, store)
    inputs = {"model": seeds.model_copy(update={"stage": "model"}), "prompts": prompts}
    print("| runner | workers | seconds a shard, first run | from Prefect's cache |\n|---|---|---|---|")
    for turn, execution in enumerate(RUNNERS):
        config = RolloutsConfig(ladders_per_shard=1, max_tokens=10 + turn)  # another fingerprint for each runner
        work = rollouts.make_rollouts.work(config, inputs, store, no_progress, seed=0)
        for index in range(shards):
            work.writer.write_table(f"part-{index:05d}.parquet", pa.Table.from_pylist([], schema=ROLLOUTS))
        first, again = (mapped(config, inputs, execution) / shards for _ in range(2))
        print(f"| {execution.runner} | {execution.workers} | {first:.3f} | {again:.3f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
