"""Conversations with tools go from a file of seeds through rollouts and training, whole."""

import json
from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import (
    CurriculumConfig,
    InstructionsConfig,
    LadderConfig,
    PolicyConfig,
    RolloutsConfig,
    SeedsConfig,
)
from ifrl_core.instructions.stage import make_instructions, make_prompts
from ifrl_core.policy.stage import train_policy
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.seeds.stage import make_seeds, seeds_source
from tests.core.policy.test_training import HARD, own_store

pytestmark = [pytest.mark.usefixtures("forked"), pytest.mark.model]
TOOLS = [{"name": "tide_times", "parameters": {"type": "object", "properties": {"port": {"type": "string"}}}}]
CONFIG = PolicyConfig(max_steps=1, prompts_per_step=2, generations=2, max_tokens=6, micro_batch=4, learning_rate=1e-4,
                      beta=0, max_prompt_tokens=1024, curriculum=CurriculumConfig(levels=((1,),)))  # fmt: skip


def dialog(number: int) -> str:
    call = {"id": "a", "type": "function", "function": {"name": "tide_times", "arguments": {"port": f"Port {number}"}}}
    messages = [
        {"role": "system", "content": "You know the sea."},
        {"role": "user", "content": f"When is high water at port {number}?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "noon"},
        {"role": "assistant", "content": "At noon."},
        {"role": "user", "content": f"And what is port {number} like?"},
    ]
    return json.dumps({"messages": messages, "tools": TOOLS}) + "\n"


def test_a_policy_is_trained_on_conversations_with_tools(
    tiny_model: ArtifactRef, model_store: ArtifactStore, tmp_path: Path
) -> None:
    store = own_store(tmp_path / "store", tiny_model, model_store)
    path = tmp_path / "dialogs.jsonl"
    path.write_text("".join(map(dialog, range(8))))
    source = seeds_source(SeedsConfig(files=(str(path),), builtin=False, held_out_share=0.5, train=2, held_out=2))
    seeds = make_seeds(source, {}, store)
    instructions = make_instructions(InstructionsConfig(types=HARD, max_words=40), {"seeds": seeds}, store)
    prompts = make_prompts(LadderConfig(), {"instructions": instructions}, store)
    inputs = {"model": tiny_model, "prompts": prompts}
    rollouts = list(store.rows(make_rollouts(RolloutsConfig(max_tokens=4), inputs, store)))
    assert min(row["prompt_tokens"] for row in rollouts) > 100, "tools and history are not asked"
    samples = store.read_table(train_policy(CONFIG, inputs, store), "samples.parquet").to_pylist()
    assert samples
    for row in samples:
        assert all(
            text in row["prompt"] for text in ("tide_times", "You know the sea.", "[tool] noon", "And what is port")
        )
