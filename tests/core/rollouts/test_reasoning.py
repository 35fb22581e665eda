"""A model whose chat template opens the reasoning: what the token budget cuts off is no answer, in rollouts and labels."""

from pathlib import Path

import pytest

from ifrl_core.artifacts import ArtifactRef, ArtifactStore
from ifrl_core.config import LabelsConfig, PipelineConfig, RolloutsConfig
from ifrl_core.labels.stage import make_labels
from ifrl_core.models.chat_template import TEMPLATE
from ifrl_core.models.folder import model_folder
from ifrl_core.models.reasoning import reasoning_of
from ifrl_core.rollouts.stage import make_rollouts
from ifrl_core.text.reasoning import THINK, Reasoning
from tests.core.ladders import ladders


def opening(folder: Path, store: ArtifactStore) -> ArtifactRef:
    """The model of a folder, with a template that opens the reasoning in the prompt."""
    template = (folder / TEMPLATE).read_text()
    assert template.count("<|im_start|>assistant\n") == 1
    writer = store.writer("model", 1, "0" * 60 + "feed", {}, {})
    writer.write_folder(folder, prefix="model")
    changed = template.replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n")
    writer.write_bytes(f"model/{TEMPLATE}", changed.encode())
    return writer.commit({})


@pytest.mark.model
def test_rollouts_that_end_inside_their_reasoning_are_empty_answers_of_labels(
    tiny_model: ArtifactRef, model_store: ArtifactStore, store: ArtifactStore
) -> None:
    model = opening(model_folder(tiny_model, model_store), store)
    assert reasoning_of(PipelineConfig(), tiny_model, model_store) == THINK
    reasoning = reasoning_of(PipelineConfig(), model, store)
    assert reasoning == Reasoning(always=True)
    writer = store.writer("prompts", 1, "0" * 60 + "cafe", {}, {})
    asked = store.read_table(ladders(store, {"i-1": [""] * 4})["prompts"], "part-train-00000.parquet")
    writer.write_table("part-train-00000.parquet", asked)
    prompts = writer.commit({"train_ladders": 1})
    rollouts = make_rollouts(
        RolloutsConfig(max_tokens=6), {"model": model, "prompts": prompts}, store, seed=1, reasoning=reasoning
    )
    figures = store.manifest(rollouts).figures
    assert figures["unclosed"] == figures["empty"] == figures["rollouts"] == 4
    inputs = {"prompts": prompts, "rollouts": rollouts}
    kept = make_labels(LabelsConfig(drop_identical=False, drop_empty=False), inputs, store)
    assert {row["response"] for row in store.rows(kept)} == {""}
    assert {row["verdict"] for row in store.rows(kept) if row["constraint"]["kind"] == "hard"} == {False}
    assert make_labels(LabelsConfig(), inputs, store).rows == 0
