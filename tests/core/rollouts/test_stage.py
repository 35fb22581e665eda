"""Which prompts a shard of rollouts asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore, store
from ifrl_core.config import RolloutsConfig
from ifrl_core.inference import Completion, Request
from ifrl_core.records import PROMPTS
from ifrl_core.rollouts import shards
from ifrl_core.rollouts.shards import prompts_of_shard, shard_count
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.stages.progress import no_progress

LEVELS = (3, 5, 1, 4, 2, 3, 3)  # of each ladder, above L0


def rows() -> Iterator[dict[str, Any]]:
    for ladder, levels in enumerate(LEVELS):
        for level in range(levels + 1):
            yield {
                "prompt_id": f"i-{ladder}-L{level}",
                "instruction_id": f"i-{ladder}",
                "level": level,
                "messages": [{"role": "user", "content": f"Ask {ladder}"}],
                "constraints": [],
                "split": "train",
            }


@pytest.fixture
def prompts(tmp_path: Path) -> tuple[ArtifactStore, ArtifactRef]:
    """A table in parts of 5 rows, which cut ladders in two."""
    made = ArtifactStore(str(tmp_path))
    writer = made.writer("prompts", 1, "9" * 64, {}, {})
    everything = list(rows())
    for part, start in enumerate(range(0, len(everything), 5)):
        table = pa.Table.from_pylist(everything[start : start + 5], schema=PROMPTS)
        writer.write_table(f"part-train-{part:05d}.parquet", table)
    writer.write_table("part-held_out-00000.parquet", pa.Table.from_pylist(everything[:2], schema=PROMPTS))
    return made, writer.commit({"train_ladders": len(LEVELS)})


@pytest.mark.parametrize("ladders", [1, 2, 3, 7, 20])
def test_the_shards_ask_every_train_prompt_once_in_whole_ladders(
    prompts: tuple[ArtifactStore, ArtifactRef], ladders: int
) -> None:
    config = RolloutsConfig(ladders_per_shard=ladders)
    made, ref = prompts
    asked = [
        list(prompts_of_shard(config, ref, made, index)) for index in range(shard_count(config, {"prompts": ref}, made))
    ]
    assert [row for shard in asked for row in shard] == list(rows())
    names = [{row["instruction_id"] for row in shard} for shard in asked]
    assert [len(found) for found in names[:-1]] == [ladders] * (len(asked) - 1)


def test_a_shard_reads_its_own_part_of_a_long_table(
    prompts: tuple[ArtifactStore, ArtifactRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, ref = prompts
    config = RolloutsConfig(ladders_per_shard=1)
    list(prompts_of_shard(config, ref, made, 0))  # finds where the ladders begin
    read: list[str] = []
    whole = store.files.read_bytes
    monkeypatch.setattr(store.files, "read_bytes", lambda fs, path: (read.append(Path(path).name), whole(fs, path))[1])
    list(prompts_of_shard(config, ref, ArtifactStore(made.root), 2))  # i-2: rows 10 and 11
    assert [name for name in read if name.startswith("part-")] == ["part-train-00002.parquet"]


class Echo:
    """An engine that answers with what it is asked."""

    def generate(self, requests: list[Request], *_: Any) -> list[Completion]:
        return [Completion(str(request.messages[-1]["content"]), "stop", 1, 1) for request in requests]


def test_what_a_killed_run_left_in_shards_of_another_size_is_not_taken(
    prompts: tuple[ArtifactStore, ArtifactRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, ref = prompts
    monkeypatch.setattr(shards, "open_engine", lambda *_, **__: Echo())
    inputs = {"prompts": ref, "model": ref.model_copy(update={"stage": "model"})}
    served = {"engine": "server", "served_model": "m"}
    large, small = (RolloutsConfig(ladders_per_shard=size, **served) for size in (4, 3))  # type: ignore[arg-type]
    assert make_rollouts.fingerprint(large, inputs, seed=0) == make_rollouts.fingerprint(small, inputs, seed=0)
    killed = make_rollouts.work(large, inputs, made, no_progress, seed=0)
    shards.make_rollout_shard(large, inputs, killed, 0)
    done = make_rollouts(small, inputs, made)
    assert [row["prompt_id"] for row in made.rows(done)] == [row["prompt_id"] for row in rows()]
    assert [shard.name for shard in made.manifest(done).shards] == [
        f"part-{first:06d}-{end:06d}.parquet" for first, end in ((0, 3), (3, 6), (6, 7))
    ]
